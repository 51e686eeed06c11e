"""One turn at a time; nothing that wakes an agent is lost, also not across a crash."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from kokex.domain.account_events import AccountEventRecord
from kokex.domain.candle import Interval
from kokex.domain.decision import TurnStatus
from kokex.domain.errors import AgentError, StoreUnavailableError
from kokex.domain.events import OrderEventKind
from kokex.domain.forecast import Forecast
from kokex.domain.plan import TriggerKind
from kokex.ports.messages import Answered, UserMessage
from kokex.ports.store import TurnRecord
from kokex.services import deciding, plan_runner
from tests.builders import START, balance_report, margin_warning, stop_report
from tests.fakes.clock import settle
from tests.unit.services.deciding_bench import Bench, account_event, event, running


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
        async with asyncio.timeout(60):
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


async def test_what_the_recovery_read_before_it_was_heard_is_told_once() -> None:
    """It reads the journal while events are written and told: whichever comes first, each is told once."""
    bench = Bench(triggers=WANTED | {TriggerKind.ORDER_EVENT})
    bench.runner.awake = False
    bench.store.turns.journal = [event(1), event(2)]
    read = [account_event(1), account_event(2)]

    async def heard_meanwhile(*given: Any, **named: Any) -> list[AccountEventRecord]:
        bench.runner.hear_account_events(read[:1])
        return [one for one in read if one.id > given[1]]

    bench.store.account_journal.events_after = heard_meanwhile  # type: ignore[method-assign]
    async with running(bench):
        bench.runner.hear_events([event(2)])
        bench.runner.hear_account_events(read)
        bench.runner.awake = True
        bench.runner.wake.set()
        await settle()
        assert bench.agent.told() == [[1, 2]]
        assert bench.agent.told_of_account() == [[1, 2]]


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
