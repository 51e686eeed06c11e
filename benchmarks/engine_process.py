"""The engine as `kokex.bootstrap` wires it, with an agent that only notes when it was run.

Started by the benchmarks: `python -m benchmarks.engine_process`. Everything is the real thing: streams, reconciliation,
journal, ledgers, turns. Two things are added: the journal's `append` is wrapped to note when each commit returned, and the
agent notes which events its turn was told of.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import uvloop
from pydantic import SecretStr

from benchmarks.desk import add_account
from benchmarks.frames import INST_ID
from benchmarks.market_process import account_keys
from benchmarks.notes import Notes
from benchmarks.processes import Words, first_words, serve_commands
from kokex.adapters.logs import configure_logs
from kokex.bootstrap import Application, Engine, application, engine, quiet_collector
from kokex.domain.candle import Interval
from kokex.domain.decision import Action, Decision, Turn
from kokex.domain.events import OrderEventKind
from kokex.domain.plan import AgentSettings, ForecastSettings, NewPlan, TradingTool, TriggerKind
from kokex.ports.store import JournalEntry
from kokex.ports.toolbox import Toolbox
from kokex.settings import Settings

_PATIENCE_SECONDS = 60.0


class NotedJournal:
    """The store's journal, with the moments of its commits."""

    def __init__(self, journal: Any, notes: Notes, numbers: list[int]) -> None:
        self._journal = journal
        self._notes = notes
        self._numbers = numbers

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    async def append(self, entries: Sequence[JournalEntry]) -> list[int | None]:
        """Commit, then note."""
        numbers: list[int | None] = await self._journal.append(entries)
        at = time.time()
        notes = self._notes
        notes.received += [entry.received_at.timestamp() for entry in entries]
        notes.handled += [at] * len(entries)
        notes.batches.append(len(entries))
        self._numbers += [number or 0 for number in numbers]
        notes.look()
        return numbers


class NotingAgent:
    """Holds, and notes for each event when the turn that was told of it began.

    Attributes:
        thinks: seconds that a turn takes, as if a model were asked.
    """

    def __init__(self) -> None:
        self.thinks = 0.0
        self.told: list[int] = []
        self.at: list[float] = []
        self.turns = 0
        self._wanted = 0
        self._enough = asyncio.Event()

    async def run_turn(self, turn: Turn, toolbox: Toolbox) -> Decision:
        """A turn began."""
        at = time.time()
        self.turns += 1
        for trigger in turn.triggers:
            self.told += [event.id for event in trigger.events]
            self.at += [at] * len(trigger.events)
        if self._wanted and len(self.told) >= self._wanted:
            self._enough.set()
        if self.thinks:
            await asyncio.sleep(self.thinks)
        return Decision(Action.HOLD, "noted", model="benchmark")

    async def until_told(self, count: int) -> None:
        """Return when turns were told of `count` events."""
        self._wanted = count
        if len(self.told) < count:
            self._enough.clear()
            await self._enough.wait()


class Run:
    """What the parent may tell this process."""

    def __init__(self, notes: Notes, numbers: list[int], agent: NotingAgent) -> None:
        self._notes = notes
        self._numbers = numbers
        self._agent = agent

    async def until(self, words: Words) -> Words:
        """Wait until `frames` events are committed and turns of `thinks` seconds were told of them; keep the moments in `save`.

        `told` (the journal's numbers) and `started` belong together.
        """
        self._agent.thinks = words["thinks"]
        await self._notes.until_handled(words["frames"])
        await self._agent.until_told(words["frames"])
        path = Path(words["save"])
        np.savez(
            path.with_name(f"turns-{path.name}"),
            told=np.array(self._agent.told),
            started=np.array(self._agent.at),
        )
        self._notes.save(words["save"], numbers=self._numbers)
        answer = {"turns": self._agent.turns, **memory()}
        self._numbers.clear()
        self._agent.told.clear()
        self._agent.at.clear()
        self._agent.turns = 0
        return answer


def memory() -> Words:
    """Resident and unshared memory of this process in MiB."""
    known = psutil.Process().memory_full_info()
    return {"rss_mib": known.rss / 2**20, "uss_mib": known.uss / 2**20}


async def make_plans(app: Application, words: Words) -> list[int]:
    """`accounts` accounts at the paper exchange and `plans` plans on them in turn, woken by order events of every kind alone."""
    accounts = [
        await add_account(app, f"bench {number}", words["rest_url"], account_keys(number))
        for number in range(words["accounts"])
    ]
    plans = []
    for number in range(words["plans"]):
        new = NewPlan(
            f"bench {number}",
            accounts[number % len(accounts)].id,
            INST_ID,
            Interval("1H"),
            agent=AgentSettings(
                trading_tools=frozenset(TradingTool),
                triggers=frozenset({TriggerKind.ORDER_EVENT}),
                order_triggers=frozenset(OrderEventKind),
            ),
            forecast=ForecastSettings(context=100, horizon=4, paths=16),
        )
        made = await app.plans.create(new)
        await app.plans.start(made.id)
        plans.append(made.id)
    return plans


async def _reconciled(built: Engine) -> None:
    """Return when every account is in line: many accounts take longer than an engine waits, at three connections a second."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while built.activity.waiting:
        if time.monotonic() > deadline:
            raise RuntimeError(f"accounts are not reconciled: {built.activity.waiting}")
        await asyncio.sleep(0.1)


async def serve(words: Words) -> None:
    """Serve until standard input closes."""
    settings = Settings(home=Path(words["home"]), database_url=SecretStr(words["database_url"]))
    async with application(settings) as app:
        plans = await make_plans(app, words)
        numbers: list[int] = []
        notes, agent = Notes(), NotingAgent()
        app.store.journal = NotedJournal(app.store.journal, notes, numbers)  # type: ignore[misc]
        built = await engine(app, agent)
        ready = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(built.run(ready))
            await ready.wait()
            quiet_collector()
            await _reconciled(built)
            run = Run(notes, numbers, agent)
            words = {"plans": plans, "installation": await app.store.installation()}
            await serve_commands(words, {"until": run.until})
            running.cancel()


if __name__ == "__main__":
    configure_logs("info", as_json=False)  # as `kokex up` does
    uvloop.run(serve(first_words()))
