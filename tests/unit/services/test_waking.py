"""When a plan's agent is woken: at once, after a while, when the quiet hours end, on schedule."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from kokex.domain.candle import Interval
from kokex.domain.decision import TurnStatus
from kokex.domain.events import OrderEventKind
from kokex.domain.forecast import Forecast
from kokex.domain.notice import Notice
from kokex.domain.plan import TriggerKind
from kokex.domain.quiet_hours import QuietHours
from kokex.domain.schedule import Schedule
from kokex.domain.trigger_facts import trigger_facts
from kokex.ports.messages import UserMessage
from kokex.ports.store import TurnRecord
from kokex.services.due_times import schedule_key
from kokex.services.plan_runner import candle_key
from tests.builders import START, balance_report, margin_warning
from tests.fakes.clock import settle
from tests.unit.services.deciding_bench import Bench, account_event, running

HOUR = 3600.0
ALL = frozenset(TriggerKind)


def forecast() -> Forecast:
    paths = np.ones((2, 3, 6), dtype=np.float32)
    return Forecast("ETH-USDT", Interval("1H"), "test", START, 1.0, paths)


def notice(number: int, kind: TriggerKind = TriggerKind.RISK_EVENT, **facts: Any) -> Notice:
    return Notice(number, 1, kind, f"fact:{number}", START, facts)


def keys(bench: Bench) -> list[list[str]]:
    return [[trigger.key for trigger in turn.triggers] for turn in bench.agent.turns]


async def test_what_can_wait_is_told_together() -> None:
    """From the first on, for as long as the plan says; then at once what came, as one turn."""
    async with running(Bench(triggers=ALL, debounce_seconds=30.0)) as bench:
        bench.runner.hear_candle(START)
        await bench.clock.advance(20)
        bench.runner.hear_forecast(1, forecast())
        bench.hear(1, kind=OrderEventKind.PARTIAL)
        await bench.clock.advance(9.5)
        assert keys(bench) == []
        await bench.clock.advance(0.5)
        assert keys(bench) == [["events:1-1", "forecast:1", f"candle:{START.isoformat()}"]]
        bench.runner.hear_candle(START + timedelta(hours=1))
        await bench.clock.advance(29)
        assert len(keys(bench)) == 1
        await bench.clock.advance(1)
        assert len(keys(bench)) == 2


@pytest.mark.parametrize("kind", [OrderEventKind.DONE, OrderEventKind.CANCELED, OrderEventKind.REJECTED])
async def test_the_end_of_an_order_does_not_wait(kind: OrderEventKind) -> None:
    """And takes along what waits."""
    async with running(Bench(debounce_seconds=30.0)) as bench:
        bench.hear(1, kind=OrderEventKind.PARTIAL)
        await settle()
        assert keys(bench) == []
        bench.hear(2, kind=kind)
        await settle()
        assert keys(bench) == [["events:1-2"]]


@pytest.mark.parametrize(("result", "wakes"), [("-1", True), ("0", False)])
async def test_a_change_that_was_not_made_does_not_wait(result: str, wakes: bool) -> None:
    """Although the order lives on; one that was made wakes nobody who asked for the ends of orders alone."""
    ends = frozenset({OrderEventKind.CANCELED, OrderEventKind.REJECTED})
    async with running(Bench(order_triggers=ends, debounce_seconds=30.0)) as bench:
        bench.hear(1, kind=OrderEventKind.LIVE, request_id="A1", amend_result=result)
        await settle()
        assert keys(bench) == ([["events:1-1"]] if wakes else [])


async def test_people_margin_and_risk_do_not_wait() -> None:
    async with running(Bench(triggers=ALL, debounce_seconds=30.0)) as bench:
        bench.runner.hear_messages([UserMessage(1, 1, "why?", START)])
        await settle()
        bench.hear_account(account_event(1, margin_warning()))
        await settle()
        bench.runner.hear_notices([notice(4, risk_event="halt_set")])
        await settle()
        assert keys(bench) == [["user:1"], ["margin:1-1"], ["risk_event:4"]]


async def test_quiet_hours_let_through_what_cannot_wait() -> None:
    """Account events come along in the journal's order, so that each is told once; the rest is told when the hours end."""
    quiet = QuietHours.parse("00:00-06:00")
    async with running(Bench(triggers=ALL, quiet_hours=quiet)) as bench:
        bench.runner.hear_forecast(1, forecast())
        bench.runner.hear_candle(START)
        bench.runner.hear_notices([notice(7, TriggerKind.PRICE_ALERT)])
        bench.hear_account(account_event(1, balance_report(5)))
        await bench.clock.advance(HOUR)
        assert keys(bench) == []
        bench.hear(1)
        await settle()
        bench.runner.hear_notices([notice(8)])
        await settle()
        assert keys(bench) == [["events:1-1", "balance:1-1"], ["risk_event:8"]]
        await bench.clock.advance(5 * HOUR - 1)
        assert len(keys(bench)) == 2
        await bench.clock.advance(1)
        assert keys(bench)[2:] == [["price_alert:7", "forecast:1", f"candle:{START.isoformat()}"]]


async def test_a_schedule_wakes_at_its_moments() -> None:
    """Each once, by the clock that was given."""
    async with running(
        Bench(triggers=frozenset({TriggerKind.SCHEDULE}), schedule=Schedule.parse("15m"))
    ) as bench:
        await bench.clock.advance(15 * 60 - 1)
        assert keys(bench) == []
        await bench.clock.advance(1 + 15 * 60)
        assert keys(bench) == [
            ["schedule:2026-01-01T00:15:00+00:00"],
            ["schedule:2026-01-01T00:30:00+00:00"],
        ]
        assert trigger_facts(bench.agent.turns[0].triggers[0]) == {
            "kind": "schedule",
            "occurred_at": "2026-01-01T00:15:00.000Z",
            "due_at": "2026-01-01T00:15:00.000Z",
        }


async def test_moments_that_were_missed_are_told_once() -> None:
    """Since the last that was told, not one by one."""
    bench = Bench(triggers=frozenset({TriggerKind.SCHEDULE}), schedule=Schedule.parse("15m"))
    bench.store.notices.since = START - timedelta(days=2)
    bench.store.notices.told[TriggerKind.SCHEDULE] = schedule_key(START - timedelta(hours=1))
    async with running(bench):
        assert keys(bench) == [["schedule:2026-01-01T00:00:00+00:00"]]
        assert bench.agent.turns[0].triggers[0].facts["due_times_told_together"] == 4
        await bench.clock.advance(15 * 60)
        assert len(keys(bench)) == 2


async def test_a_moment_that_was_told_is_not_told_again() -> None:
    bench = Bench(triggers=frozenset({TriggerKind.SCHEDULE}), schedule=Schedule.parse("15m"))
    bench.store.notices.since = START - timedelta(days=2)
    bench.store.notices.told[TriggerKind.SCHEDULE] = schedule_key(START)
    async with running(bench):
        assert keys(bench) == []


async def test_a_pause_is_told_as_one_moment() -> None:
    """What came due while the plan slept."""
    async with running(
        Bench(triggers=frozenset({TriggerKind.SCHEDULE}), schedule=Schedule.parse("1h"))
    ) as bench:
        bench.runner.awake = False
        bench.runner.wake.set()
        await bench.clock.advance(5 * HOUR)
        assert keys(bench) == []
        bench.runner.awake = True
        bench.runner.wake.set()
        await settle()
        assert keys(bench) == [["schedule:2026-01-01T05:00:00+00:00"]]


async def test_quiet_hours_hold_a_schedule_back() -> None:
    settings = {"schedule": Schedule.parse("1h"), "quiet_hours": QuietHours.parse("00:30-02:30")}
    async with running(Bench(triggers=frozenset({TriggerKind.SCHEDULE}), **settings)) as bench:
        await bench.clock.advance(2.5 * HOUR)
        assert keys(bench) == [["schedule:2026-01-01T02:00:00+00:00"]]
        assert bench.agent.turns[0].triggers[0].facts["due_times_told_together"] == 2


async def test_notices_are_taken_up_after_a_start_and_heard_once() -> None:
    """Of the kinds that the plan wants."""
    bench = Bench(triggers=frozenset({TriggerKind.RISK_EVENT}))
    bench.store.notices.kept = [notice(1), notice(2, TriggerKind.PRICE_ALERT), notice(3)]
    async with running(bench):
        assert keys(bench) == [["risk_event:1", "risk_event:3"]]
        bench.runner.hear_notices([notice(3), notice(4)])
        await settle()
        assert keys(bench)[1:] == [["risk_event:4"]]


async def test_a_turn_that_was_cut_short_is_told_the_same() -> None:
    """Its triggers are made again from their keys."""
    bench = Bench(triggers=frozenset({TriggerKind.RISK_EVENT}))
    bench.store.notices.kept = [notice(5, risk_event="halt_set", reason="news")]
    told = ("risk_event:5", "schedule:2026-01-01T00:15:00+00:00")
    bench.store.turns.cut_short = TurnRecord(
        3, 1, TurnStatus.RUNNING, told, "risk_event", 0, START, None, None, None
    )
    async with running(bench):
        turn = bench.agent.turns[0]
        assert tuple(trigger.key for trigger in turn.triggers) == told
        assert turn.triggers[0].facts == {"risk_event": "halt_set", "reason": "news"}
        assert turn.triggers[1].occurred_at == START + timedelta(minutes=15)


async def test_a_candle_is_told_once_over_a_restart() -> None:
    """The feed tells the newest again after a start, before the plan has recovered or after; one that nobody was told of is told."""
    bench = Bench(triggers=frozenset({TriggerKind.CANDLE}))
    bench.store.notices.told[TriggerKind.CANDLE] = candle_key(START)
    bench.runner.hear_candle(START)
    async with running(bench):
        bench.runner.hear_candle(START)
        await settle()
        assert keys(bench) == []
        bench.runner.hear_candle(START + timedelta(hours=1))
        await settle()
        bench.runner.hear_candle(START + timedelta(hours=1))
        await settle()
        assert keys(bench) == [[candle_key(START + timedelta(hours=1))]]
