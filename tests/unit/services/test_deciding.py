"""One turn at a time; nothing that wakes an agent is lost, also not across a crash."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest

from kokex.domain.account_book import AccountBook
from kokex.domain.account_events import AccountEventRecord
from kokex.domain.account_reports import AccountReport
from kokex.domain.candle import Interval
from kokex.domain.decision import Action, Decision, Trigger, Turn, TurnStatus
from kokex.domain.errors import AgentError, StoreUnavailableError
from kokex.domain.events import EventSource, OrderEvent, OrderEventKind, classify
from kokex.domain.forecast import Forecast
from kokex.domain.order import OrderStatus
from kokex.domain.plan import AgentSettings, TriggerKind
from kokex.ports.messages import Answered, UserMessage
from kokex.ports.store import TurnNotes, TurnRecord
from kokex.services import deciding, plan_runner
from kokex.services.deciding import DecidingService
from kokex.services.plan_runner import PlanRunner
from tests.builders import START, balance_report, margin_warning, plan, position_report, stop_report, update
from tests.fakes.clock import ManualClock, settle


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


class Store:
    def __init__(self) -> None:
        self.messages = Messages()
        self.turns = MemoryTurns()
        self.account_journal = AccountJournal(self.turns)
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
            plan(agent=AgentSettings(**settings)), lambda plan, turn_id: None, awake=True
        )  # type: ignore[arg-type,return-value]
        self.service = DecidingService(self.store, self.clock, self.agent)  # type: ignore[arg-type]

    def hear(self, *numbers: int, kind: OrderEventKind = OrderEventKind.DONE) -> None:
        events = [event(number, kind) for number in numbers]
        self.store.turns.journal.extend(events)
        self.runner.hear_events(events)

    def hear_account(self, *events: AccountEventRecord) -> None:
        self.store.turns.account_journal.extend(events)
        self.runner.hear_account_events(events)


def account_event(number: int, report: AccountReport | None = None) -> AccountEventRecord:
    happened = AccountBook(complete=True).apply(report or position_report(number, number))
    assert happened is not None
    return AccountEventRecord(number, 1, happened, EventSource.STREAM, START)


def event(number: int, kind: OrderEventKind = OrderEventKind.DONE) -> OrderEvent:
    said = classify(update(order_id=str(number), status=OrderStatus.FILLED))
    return OrderEvent(
        number, 1, 1, said.event_type, kind, said.event_key, said.update, EventSource.STREAM, False, START
    )


@asynccontextmanager
async def running(bench: Bench) -> AsyncIterator[Bench]:
    task = asyncio.create_task(bench.service.run(bench.runner))
    await settle()
    try:
        yield bench
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_what_arrives_during_a_turn_is_one_turn_after_it() -> None:
    """Coalesced, complete, in order; never two turns at once."""
    async with running(Bench()) as bench:
        bench.agent.gate.clear()
        bench.hear(1)
        await settle()
        bench.hear(2)
        bench.hear(3, 4)
        await settle()
        assert bench.agent.told() == [[1]]
        bench.agent.gate.set()
        await settle()
        assert bench.agent.told() == [[1], [2, 3, 4]]


async def test_events_that_need_not_wake_come_along_with_the_next_that_does() -> None:
    """`live` wakes nobody by default, but is told."""
    async with running(Bench()) as bench:
        bench.hear(1, kind=OrderEventKind.LIVE)
        await settle()
        assert bench.agent.turns == []
        bench.hear(2)
        await settle()
        assert bench.agent.told() == [[1, 2]]


async def test_a_plan_that_is_not_reconciled_waits() -> None:
    """Its triggers are kept until it may act."""
    async with running(Bench()) as bench:
        bench.runner.awake = False
        bench.hear(1)
        await settle()
        assert bench.agent.turns == []
        bench.runner.awake = True
        bench.runner.wake.set()
        await settle()
        assert bench.agent.told() == [[1]]


async def test_events_journalled_while_the_engine_was_down_are_told_after_the_start() -> None:
    """From the cursor of the last turn on."""
    bench = Bench()
    bench.store.turns.at = 2
    bench.store.turns.journal = [event(number) for number in (1, 2, 3, 4)]
    async with running(bench):
        assert bench.agent.told() == [[3, 4]]


async def test_a_turn_cut_short_is_run_again_under_its_own_number() -> None:
    """With the events that it had been told of, before anything new."""
    bench = Bench()
    bench.store.turns.journal = [event(number) for number in (5, 6, 7)]
    bench.store.turns.at = 6
    bench.store.turns.cut_short = TurnRecord(
        41, 1, TurnStatus.RUNNING, ("events:5-6",), "", 6, START, None, None, None
    )
    async with running(bench):
        assert (bench.agent.turns[0].id, bench.agent.turns[0].resumed) == (41, True)
        assert bench.agent.told() == [[5, 6], [7]]
        assert bench.store.turns.finished[0][0] == 41


async def test_an_agent_that_fails_ends_its_turn_alone() -> None:
    """The turn is kept as failed; the next trigger starts a new one."""
    async with running(Bench()) as bench:
        for error in (AgentError("the model refused"), ValueError("a bug")):
            bench.agent.error = error
            bench.hear(len(bench.store.turns.journal) + 1)
            await settle()
        bench.hear(3)
        await settle()
        assert [reason for _, reason in bench.store.turns.failed] == [
            "the model refused",
            "ValueError: a bug",
        ]
        assert len(bench.store.turns.finished) == 1


async def test_a_turn_has_a_time_limit() -> None:
    """An agent that hangs is cut off."""
    async with running(Bench(turn_seconds=0.01)) as bench:
        bench.agent.gate.clear()
        bench.hear(1)
        async with asyncio.timeout(5):
            await bench.store.turns.has_failed.wait()
        assert "longer than 0.01 s" in bench.store.turns.failed[0][1]


async def test_a_database_that_is_away_delays_the_turn() -> None:
    """It starts when the turn can be recorded, with everything that waits."""
    async with running(Bench()) as bench:
        bench.store.turns.failures = 2
        bench.hear(1)
        await settle()
        assert bench.agent.turns == []
        await bench.clock.advance(2)
        assert bench.agent.told() == [[1]]


async def test_a_database_that_is_away_at_the_start_delays_the_plan() -> None:
    """It ends no engine: what was journalled since is told when it is back."""
    bench = Bench()
    bench.store.turns.journal.append(event(1))
    cursors = bench.store.turns.cursors
    away = iter([True, True])

    async def sometimes(plan_id: int) -> tuple[int, int]:
        if next(away, False):
            raise StoreUnavailableError("the database went away")
        return await cursors(plan_id)

    bench.store.turns.cursors = sometimes  # type: ignore[method-assign]
    async with running(bench):
        assert bench.agent.turns == []
        await bench.clock.advance(2)
        assert bench.agent.told() == [[1]]


async def test_a_plan_that_wants_no_order_events_is_not_woken_by_them() -> None:
    """Triggers are the user's choice."""
    async with running(Bench(triggers=frozenset({TriggerKind.FORECAST}))) as bench:
        bench.hear(1)
        await settle()
        assert bench.agent.turns == []


async def test_a_forecast_heard_twice_wakes_once() -> None:
    """The same close may be reported again, by stream and by back-fill."""
    async with running(Bench()) as bench:
        paths = np.full((2, 3, 6), 2000, dtype=np.float32)
        forecast = Forecast("ETH-USDT", Interval("1H"), "test", START, 2000.0, paths)
        for number in (7, 7, 8):
            bench.runner.hear_forecast(number, forecast)
            await settle()
        assert [trigger.key for turn in bench.agent.turns for trigger in turn.triggers] == [
            "forecast:7",
            "forecast:8",
        ]


WANTED = frozenset({TriggerKind.POSITION, TriggerKind.BALANCE, TriggerKind.ORDER_EVENT, TriggerKind.FORECAST})


async def test_account_events_wake_who_wants_them() -> None:
    """One trigger a kind, coalesced; kinds that the plan does not want are neither told nor told later."""
    async with running(Bench(triggers=WANTED)) as bench:
        bench.agent.gate.clear()
        bench.hear_account(account_event(1))
        await settle()
        bench.hear_account(account_event(2, balance_report()), account_event(3, stop_report()))
        bench.hear_account(account_event(4), account_event(5, margin_warning()))
        bench.agent.gate.set()
        await settle()
        assert bench.agent.told_of_account() == [[1], [4, 2]]
        assert [trigger.key for trigger in bench.agent.turns[1].triggers] == ["position:4-4", "balance:2-2"]
        assert bench.store.turns.account_at == 5


async def test_without_such_triggers_nobody_is_woken_by_them() -> None:
    """The default: order events and forecasts only."""
    async with running(Bench()) as bench:
        bench.hear_account(account_event(1))
        bench.hear(1)
        await settle()
        assert bench.agent.told_of_account() == [[]]


async def test_account_events_journalled_while_the_engine_was_down_are_told_after_the_start() -> None:
    """From the cursor of the last turn on, once, also where they are heard again meanwhile."""
    bench = Bench(triggers=WANTED)
    bench.store.turns.account_at = 2
    bench.store.turns.account_journal = [account_event(number) for number in (1, 2, 3, 4)]
    bench.store.turns.account_journal.append(account_event(5, stop_report()))
    bench.runner.hear_account_events([bench.store.turns.account_journal[3]])
    async with running(bench):
        assert bench.agent.told_of_account() == [[3, 4]]


async def test_a_turn_cut_short_is_told_the_same_account_events_again() -> None:
    """By kind and range; then what came after."""
    bench = Bench(triggers=WANTED)
    bench.store.turns.account_journal = [
        account_event(5),
        account_event(6, balance_report()),
        account_event(7),
        account_event(8, balance_report(7)),
    ]
    bench.store.turns.account_at = 7
    bench.store.turns.cut_short = TurnRecord(
        41, 1, TurnStatus.RUNNING, ("position:5-7", "balance:6-6"), "", 0, START, None, None, None
    )
    async with running(bench):
        assert bench.agent.told_of_account() == [[5, 7, 6], [8]]
        assert [trigger.kind for trigger in bench.agent.turns[0].triggers] == [
            TriggerKind.POSITION,
            TriggerKind.BALANCE,
        ]


async def test_more_than_a_turn_takes_waits_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of both journals; nothing is dropped, also where the reading needs several pages."""
    monkeypatch.setattr(plan_runner, "MOST_EVENTS", 2)
    monkeypatch.setattr(deciding, "PAGE", 2)
    bench = Bench(triggers=WANTED)
    bench.store.turns.journal = [event(number) for number in range(1, 6)]
    bench.store.turns.account_journal = [account_event(number) for number in range(1, 6)]
    async with running(bench):
        assert bench.agent.told() == [[1, 2], [3, 4], [5]]
        assert bench.agent.told_of_account() == [[1, 2], [3, 4], [5]]
        assert (bench.store.turns.at, bench.store.turns.account_at) == (5, 5)


async def test_events_that_need_not_wake_survive_a_wake_without_reason() -> None:
    """They wait for a turn, and are told as what they are."""
    async with running(Bench()) as bench:
        bench.hear(1, kind=OrderEventKind.LIVE)
        bench.runner.wake.set()
        await settle()
        assert bench.agent.turns == []
        bench.hear(2)
        await settle()
        assert bench.agent.told() == [[1, 2]]


async def test_a_message_wakes_the_agent_once_with_the_conversation_before() -> None:
    """However often it is heard of; a turn of its own trigger."""
    bench = Bench()
    earlier = UserMessage(1, 1, "hello", START)
    bench.store.messages.before = [Answered(earlier, 40, "good day", None, True)]
    async with running(bench):
        bench.store.messages.kept = [UserMessage(2, 1, "why?", START)]
        for _ in range(3):
            await bench.service.hear_messages(bench.runner)
            await settle()
        [turn] = bench.agent.turns
        assert [(trigger.key, trigger.text) for trigger in turn.triggers] == [("user:2", "why?")]
        assert [(line.message, line.answer) for line in turn.conversation] == [("hello", "good day")]


async def test_messages_that_waited_are_told_after_the_start_and_a_resumed_turn_has_its_message() -> None:
    """First the turn that was cut short, then what waits."""
    bench = Bench()
    bench.store.messages.kept = [UserMessage(2, 1, "why?", START)]
    bench.store.turns.cut_short = TurnRecord(
        41, 1, TurnStatus.RUNNING, ("user:2",), "", 0, START, None, None, None
    )
    async with running(bench):
        assert bench.agent.turns[0].id == 41 and bench.agent.turns[0].triggers[0].text == "why?"


async def test_a_plan_that_wants_no_messages_is_not_woken_by_them() -> None:
    """Triggers are the user's choice."""
    bench = Bench(triggers=frozenset({TriggerKind.FORECAST}))
    bench.store.messages.kept = [UserMessage(2, 1, "why?", START)]
    async with running(bench):
        await bench.service.hear_messages(bench.runner)
        await settle()
        assert bench.agent.turns == []
