"""What a demo that runs consists of, and how it ends: the winding down, the commands that it shows, the two books compared."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final, Protocol

from kokex.bootstrap import Application, Engine
from kokex.demo.commands import Shown, again, find_bought, show_commands
from kokex.demo.market import Market
from kokex.demo.model_server import ModelServer
from kokex.demo.options import DemoOptions
from kokex.demo.records import journalled, read_record
from kokex.demo.summary import Summary, compare, exchange_identity, journal_identities
from kokex.demo.training import DemoTraining
from kokex.demo.watch import Happening, Picture
from kokex.domain.account import ExchangeAccount
from kokex.domain.plan import Plan

QUIET_SECONDS: Final = 20.0
"""How long the agents may take to come to rest once the market stands still."""
STOP_SECONDS: Final = 15.0
"""How long a stop, and the journal after it, may take."""


class Stage(Protocol):
    """Where the demo is shown."""

    def say(self, text: str) -> None:
        """What the demo is doing."""
        ...

    def show(self, picture: Picture, happenings: list[Happening]) -> None:
        """The state of things, and what is new."""
        ...

    def curtain(self) -> None:
        """The show is over; words may follow."""
        ...


@dataclass(frozen=True, slots=True)
class Play:
    """What the demo is played with. `plan` is the built-in policy's, `language` the language model's."""

    opened: Application
    engine: Engine
    market: Market
    plan: Plan
    language: Plan
    account: ExchangeAccount
    stage: Stage
    training: DemoTraining
    model: ModelServer
    options: DemoOptions

    @property
    def plans(self) -> tuple[Plan, Plan]:
        """Both."""
        return self.plan, self.language


async def end(play: Play) -> Summary:
    """Freeze the market, show what the commands say of a decision, stop the plans, and compare both books."""
    await play.market.freeze()
    store = play.opened.store

    async def at_rest() -> bool:
        running = [await store.turns.running(plan.id) for plan in play.plans]
        return not any(running) and await _journal_is_whole(play)

    await until(at_rest, QUIET_SECONDS, times=2)
    shown = await _show_commands(play)
    play.stage.say("The plans stop; both books are read.")
    await _stop(play)
    return replace(await _compare(play), shown=shown)


async def _show_commands(play: Play) -> tuple[Shown, ...]:
    """What a person can ask about a decision, asked."""
    say, folder = play.stage.say, play.options.folder
    bought = await find_bought(play.opened.store, (play.language, play.plan))
    if bought is None:
        say("Nothing was bought yet, so there is no decision to show; let it run longer.")
        return ()
    say(f"Decision {bought.decision} of plan {bought.plan.name} bought. What the command line says of it:")
    shown = await show_commands(folder, bought)
    for one in shown:
        say(f"\n$ {one.line}\n{one.output}" + (f"\n(exit code {one.code})" if one.code else ""))
    say(
        f"\nThese can be asked again, with `{again(folder)}` in the place of `kokex`; an agent answers while the engine runs, "
        "that is while `kokex demo --resume` does.\n"
    )
    return shown


async def _stop(play: Play) -> None:
    numbers = {plan.id for plan in play.plans}
    for number in numbers:
        await play.opened.plans.stop(number)

    async def stopped() -> bool:
        rows = await play.opened.store.subscriptions.list()
        return not any(row.active for row in rows if row.plan_id in numbers)

    await until(stopped, STOP_SECONDS)

    async def whole() -> bool:
        return await _journal_is_whole(play)

    await until(whole, STOP_SECONDS)


async def _journal_is_whole(play: Play) -> bool:
    made = {exchange_identity(event) for event in await play.market.events()}
    kept = [await journalled(play.opened.store, plan.id) for plan in play.plans]
    return made <= set().union(*(journal_identities(events) for events in kept))


async def _compare(play: Play) -> Summary:
    record = await read_record(play.opened.store, play.plans, play.account)
    summary = compare(record, await play.market.books(), await play.market.events())
    mishaps = {
        kind.value: number
        for kind, number in sorted(play.model.mishaps.items(), key=lambda one: one[0].value)
    }
    return replace(summary, model=await play.training.outcome(), mishaps=mishaps)


async def until(met: Callable[[], Awaitable[bool]], seconds: float, *, times: int = 1) -> bool:
    """Whether `met` came true (`times` in a row) within `seconds`."""
    deadline = time.monotonic() + seconds
    row = 0
    while True:
        row = row + 1 if await met() else 0
        if row >= times:
            return True
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.1)
