"""An engine that says what it does, for tests of several engines on one database.

Usage: python rival_engine.py HOME. Prints a line for each change: `ready`, `owned ACCOUNT AT`, `lost ACCOUNT AT`,
`reconciled ACCOUNT AT`, `order NAME AT`; AT is the machine's monotonic clock, which all processes share.
"""

from __future__ import annotations

import asyncio
import sys
import time
from decimal import Decimal
from pathlib import Path

from kokex.adapters.logs import configure_logs
from kokex.bootstrap import Engine, application, engine
from kokex.domain.decision import Action, Decision, Turn
from kokex.domain.instrument import Side
from kokex.domain.order import OrderType
from kokex.ports.toolbox import Toolbox
from kokex.settings import Settings

GLANCE_SECONDS = 0.002


def say(*words: object) -> None:
    print(*words, flush=True)


class Buyer:
    """Buys a little at every turn."""

    async def run_turn(self, turn: Turn, toolbox: Toolbox) -> Decision:
        answer = await toolbox.place_order(Side.BUY, OrderType.MARKET, Decimal("0.01"))
        if answer["status"] not in ("denied", "expired"):
            say("order", answer["client_order_id"], time.monotonic())
        return Decision(Action.ACT, "as written", model="test")


async def watch(made: Engine) -> None:
    """Say what changes, as it changes."""
    known: dict[int, tuple[bool, bool]] = {}
    while True:
        for session in made.services.sessions.all():
            number = session.account.id
            owned, reconciled = made.services.ownership.owns(number), session.reconciled
            before = known.get(number, (False, False))
            if owned != before[0]:
                say("owned" if owned else "lost", number, time.monotonic())
            if reconciled and not before[1]:
                say("reconciled", number, time.monotonic())
            known[number] = (owned, reconciled)
        await asyncio.sleep(GLANCE_SECONDS)


async def serve(home: Path) -> None:
    async with application(Settings(home=home)) as app:
        made = await engine(app, Buyer())
        ready = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(made.run(ready))
            tasks.create_task(watch(made))
            await ready.wait()
            say("ready")


if __name__ == "__main__":
    configure_logs("warning", as_json=False)
    asyncio.run(serve(Path(sys.argv[1])))
