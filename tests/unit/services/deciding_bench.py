"""A plan's agent at work without a database: what happens to it, and what its turns were told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from kokex.domain.account_book import AccountBook
from kokex.domain.account_events import AccountEventRecord
from kokex.domain.account_reports import AccountReport
from kokex.domain.decision import Action, Decision, Trigger, Turn
from kokex.domain.errors import StoreUnavailableError
from kokex.domain.events import EventSource, OrderEvent, OrderEventKind, classify
from kokex.domain.notice import Notice
from kokex.domain.order import OrderStatus
from kokex.domain.plan import AgentSettings, TriggerKind
from kokex.ports.messages import Answered, UserMessage
from kokex.ports.store import TurnNotes, TurnRecord
from kokex.services.deciding import DecidingService
from kokex.services.plan_runner import PlanRunner
from tests.builders import START, plan, position_report, update
from tests.fakes.clock import ManualClock
from tests.fakes.running import at_work


class MemoryTurns:
    """Turns, the journal behind them, and the latest forecast, as far as deciding needs them."""

    def __init__(self) -> None:
        self.rows: dict[int, TurnRecord] = {}
        self.finished: list[tuple[int, Decision]] = []
        self.failed: list[tuple[int, str]] = []
        self.notes: list[TurnNotes] = []
        self.journal: list[OrderEvent] = []
        self.account_journal: list[AccountEventRecord] = []
        self.account_at = 0
        self.cut_short: TurnRecord | None = None
        self.at = 0
        self.failures = 0
        self.has_failed = asyncio.Event()

    async def start(
        self, plan_id: int, triggers: list[Trigger], cursor: int, at: Any, *, account_cursor: int = 0
    ) -> int:
        if self.failures:
            self.failures -= 1
            raise StoreUnavailableError("away")
        self.at, self.account_at = cursor, account_cursor
        return len(self.finished) + len(self.failed) + 1

    async def finish(self, turn_id: int, decision: Decision, at: Any, *, notes: TurnNotes) -> None:
        self.notes.append(notes)
        self.finished.append((turn_id, decision))

    async def fail(self, turn_id: int, error: str, at: Any, *, notes: TurnNotes) -> None:
        self.notes.append(notes)
        self.failed.append((turn_id, error))
        self.has_failed.set()

    async def running(self, plan_id: int) -> TurnRecord | None:
        return self.cut_short

    async def cursors(self, plan_id: int) -> tuple[int, int]:
        return self.at, self.account_at

    async def handled(self, plan_id: int, key: str) -> bool:
        return False

    async def events_after(self, plan_id: int, after: int, *, limit: int = 1000) -> list[OrderEvent]:
        return [event for event in self.journal if event.id > after][:limit]

    async def latest(self, plan_id: int) -> None:
        return None


class AccountJournal:
    """The account events behind the turns."""

    def __init__(self, turns: MemoryTurns) -> None:
        self._turns = turns

    async def events_after(
        self, account_id: int, after: int, *, plan_id: int, kinds: Any, limit: int
    ) -> list[AccountEventRecord]:
        journal = self._turns.account_journal
        return [one for one in journal if one.id > after and one.event.kind in kinds][:limit]


class Messages:
    """Messages from the user, none of them read."""

    def __init__(self) -> None:
        self.kept: list[UserMessage] = []
        self.before: list[Answered] = []

    async def waiting(self, plan_id: int) -> list[UserMessage]:
        return self.kept

    async def get(self, message_id: int) -> UserMessage:
        return next(message for message in self.kept if message.id == message_id)

    async def answered(self, plan_id: int, *, limit: int) -> list[Answered]:
        return self.before


class Notices:
    """Notices that no turn was told of, since when the plan is watched, and how far its schedule was told."""

    def __init__(self) -> None:
        self.kept: list[Notice] = []
        self.since: datetime | None = None
        self.told: dict[TriggerKind, str] = {}

    async def waiting(self, plan_id: int) -> list[Notice]:
        return self.kept

    async def get(self, notice_id: int) -> Notice:
        return next(notice for notice in self.kept if notice.id == notice_id)

    async def watch(self, plan_id: int, at: datetime) -> datetime:
        self.since = self.since or at
        return self.since

    async def last_told(self, plan_id: int, kind: TriggerKind) -> str | None:
        return self.told.get(kind)


class Store:
    def __init__(self) -> None:
        self.messages = Messages()
        self.turns = MemoryTurns()
        self.account_journal = AccountJournal(self.turns)
        self.notices = Notices()
        self.journal = self.turns
        self.forecasts = self.turns


class WatchedAgent:
    """Notes its turns; `gate` cleared keeps it thinking."""

    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: Exception | None = None

    async def run_turn(self, turn: Turn, toolbox: Any) -> Decision:
        self.turns.append(turn)
        await self.gate.wait()
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        return Decision(Action.HOLD, "nothing to do")

    def told_of_account(self) -> list[list[int]]:
        return [
            [event.id for trigger in turn.triggers for event in trigger.account_events] for turn in self.turns
        ]

    def told(self) -> list[list[int]]:
        return [[event.id for trigger in turn.triggers for event in trigger.events] for turn in self.turns]


class Bench:
    def __init__(self, **settings: Any) -> None:
        self.store = Store()
        self.agent = WatchedAgent()
        self.clock = ManualClock()
        self.runner = PlanRunner(
            plan(agent=AgentSettings(**settings)), lambda plan, turn_id, fresh: None, awake=True
        )  # type: ignore[arg-type,return-value]
        self.service = DecidingService(self.store, self.clock, self.agent)  # type: ignore[arg-type]

    def hear(self, *numbers: int, kind: OrderEventKind = OrderEventKind.DONE, **said: Any) -> None:
        events = [event(number, kind, **said) for number in numbers]
        self.store.turns.journal.extend(events)
        self.runner.hear_events(events)

    def hear_account(self, *events: AccountEventRecord) -> None:
        self.store.turns.account_journal.extend(events)
        self.runner.hear_account_events(events)


def account_event(number: int, report: AccountReport | None = None) -> AccountEventRecord:
    happened = AccountBook(complete=True).apply(report or position_report(number, number))
    assert happened is not None
    return AccountEventRecord(number, 1, happened, EventSource.STREAM, START)


def event(number: int, kind: OrderEventKind = OrderEventKind.DONE, **more: Any) -> OrderEvent:
    said = classify(update(order_id=str(number), status=OrderStatus.FILLED, **more))
    return OrderEvent(
        number, 1, 1, said.event_type, kind, said.event_key, said.update, EventSource.STREAM, False, START
    )


@asynccontextmanager
async def running(bench: Bench) -> AsyncIterator[Bench]:
    async with at_work(bench.service.run(bench.runner)):
        yield bench
