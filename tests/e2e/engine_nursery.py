"""Makes engines to be killed: imports everything once, then forks one engine for each line on standard input.

Usage: python engine_nursery.py HOME. Prints `born <pid>` for each, and the engine itself prints `ready`.
The engine is the real one, wired by `kokex.bootstrap`; only its agent is written to be busy.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

from kokex.adapters.logs import configure_logs
from kokex.bootstrap import application, engine
from kokex.domain.decision import Action, Decision, Turn
from kokex.domain.instrument import Side
from kokex.domain.order import OrderType
from kokex.ports.toolbox import Toolbox
from kokex.services import trading
from kokex.settings import Settings

# The adapter gives a command five seconds to arrive; the full half minute would only make the test longer.
trading.SETTLED_AFTER = timedelta(seconds=8)


class BusyAgent:
    """Trades on every turn, in every way there is; the same turn decides the same."""

    async def run_turn(self, turn: Turn, toolbox: Toolbox) -> Decision:
        random = Random(turn.id)
        price = await toolbox.get_current_price()
        held = Decimal(str((await toolbox.get_positions())["quantity"]))
        for pending in (await toolbox.get_pending_orders())["orders"]:
            if random.random() < 0.5:
                await toolbox.cancel_order(pending["client_order_id"])
        for _ in range(random.randint(1, 3)):
            side = Side.SELL if held > 1 and random.random() < 0.5 else Side.BUY
            kind = random.choice([OrderType.MARKET, OrderType.LIMIT, OrderType.POST_ONLY, OrderType.IOC])
            quantity = Decimal(random.randint(10, 400)) / 1000
            touch = Decimal(str(price["bid"] if side is Side.BUY else price["ask"]))
            offset = Decimal(random.randint(-10, 10)) / 10
            await toolbox.place_order(
                side, kind, quantity, None if kind is OrderType.MARKET else touch + offset
            )
        return Decision(Action.ACT, "busy", model="test")


async def serve(home: Path) -> None:
    """One engine, until it is killed."""
    async with application(Settings(home=home)) as app:
        made = await engine(app, BusyAgent())
        ready = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(made.run(ready))
            await ready.wait()
            print("ready", flush=True)


def main() -> None:
    home = Path(sys.argv[1])
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            configure_logs("warning", as_json=False)
            asyncio.run(serve(home))
            os._exit(0)
        print(f"born {child}", flush=True)


if __name__ == "__main__":
    main()
