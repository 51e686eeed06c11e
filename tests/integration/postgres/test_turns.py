"""Turns: opened once, closed once, and what they were told of is marked in the journal."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import psycopg
import pytest

from kokex.adapters.postgres import PostgresStore
from kokex.domain.decision import Action, Decision, ToolCall, Trigger, TurnStatus
from kokex.domain.errors import NotFoundError, StateError
from kokex.domain.order import OrderStatus
from kokex.domain.plan import Plan, TriggerKind
from kokex.ports.store import TurnNotes, TurnRecord, TurnTally
from tests.builders import START, update
from tests.integration.postgres.journalling import entry, new_plan

LATER = START + timedelta(seconds=3)
DECISION = Decision(
    Action.ACT,
    "the paths rise \x00 计划",
    0.75,
    "gpt-test",
    (
        ToolCall("get_current_price", {}, {"last": "2000.10", "odd": "\x00"}, 0.25),
        ToolCall("place_order", {"side": "buy", "quantity": "0.1"}, {"status": "accepted"}, 0.5, START),
    ),
    "a close below 1990",
)


@pytest.fixture
async def plan(store: PostgresStore) -> Plan:
    return await new_plan(store)


def forecast_trigger(number: int = 1) -> Trigger:
    return Trigger(TriggerKind.FORECAST, f"forecast:{number}", START)


async def marks(database_url: str) -> dict[int, int | None]:
    """Which turn each journal event is marked with."""
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        found = await connection.execute("SELECT id, agent_conversation_id FROM order_event_logs")
        return dict(await found.fetchall())


async def test_a_turn_to_its_decision(store: PostgresStore, plan: Plan) -> None:
    """Running, then done, with everything that was decided and called."""
    turn = await store.turns.start(plan.id, [forecast_trigger()], 7, START)
    running = TurnRecord(
        turn, plan.id, TurnStatus.RUNNING, ("forecast:1",), "forecast", 7, START, None, None, None
    )
    assert await store.turns.running(plan.id) == running
    assert await store.turns.count(plan.id) == 0

    await store.turns.finish(turn, DECISION, LATER)

    assert await store.turns.running(plan.id) is None
    assert await store.turns.count(plan.id) == 1
    kept = replace(
        DECISION,
        reason="the paths rise \ufffd 计划",
        tool_calls=(
            replace(DECISION.tool_calls[0], result={"last": "2000.10", "odd": "\ufffd"}),
            DECISION.tool_calls[1],
        ),
    )
    done = replace(
        running, status=TurnStatus.DONE, finished_at=LATER, decision=kept, tool_calls=kept.tool_calls
    )
    assert await store.turns.recent(plan.id, limit=5) == [done]


async def test_a_turn_that_failed(store: PostgresStore, plan: Plan) -> None:
    """No decision; the error is kept."""
    turn = await store.turns.start(plan.id, [forecast_trigger()], 0, START)

    await store.turns.fail(turn, "the model \x00 is away", LATER)

    (record,) = await store.turns.recent(plan.id, limit=5)
    assert (record.status, record.decision, record.error) == (
        TurnStatus.FAILED,
        None,
        "the model \ufffd is away",
    )
    assert await store.turns.running(plan.id) is None
    assert await store.turns.count(plan.id) == 0


async def test_closed_once(store: PostgresStore, plan: Plan) -> None:
    """What came first stands, whichever way it is closed again."""
    done = await store.turns.start(plan.id, [forecast_trigger(1)], 0, START)
    await store.turns.finish(done, DECISION, LATER)
    failed = await store.turns.start(plan.id, [forecast_trigger(2)], 0, START)
    await store.turns.fail(failed, "first", LATER)
    before = await store.turns.recent(plan.id, limit=5)

    for turn in (done, failed):
        await store.turns.finish(turn, replace(DECISION, reason="again"), LATER)
        await store.turns.fail(turn, "again", LATER)

    assert await store.turns.recent(plan.id, limit=5) == before


async def test_a_turn_that_does_not_exist(store: PostgresStore) -> None:
    """Named."""
    with pytest.raises(NotFoundError, match="turn 99"):
        await store.turns.finish(99, DECISION, LATER)
    with pytest.raises(NotFoundError, match="turn 99"):
        await store.turns.fail(99, "x", LATER)


async def test_start_again_is_the_same_turn(store: PostgresStore, plan: Plan) -> None:
    """The answer to the first start was lost: the second gives its number."""
    triggers = [forecast_trigger()]
    turn = await store.turns.start(plan.id, triggers, 0, START)

    assert await store.turns.start(plan.id, triggers, 0, LATER) == turn
    assert len(await store.turns.recent(plan.id, limit=5)) == 1


async def test_a_turn_left_open_ends_with_the_next(store: PostgresStore, plan: Plan) -> None:
    """At most one runs at a time per plan; other plans do not mind."""
    other = await new_plan(store, "other")
    left = await store.turns.start(plan.id, [forecast_trigger(1)], 0, START)
    theirs = await store.turns.start(other.id, [forecast_trigger(1)], 0, START)

    turn = await store.turns.start(plan.id, [forecast_trigger(2)], 0, LATER)

    newest, oldest = await store.turns.recent(plan.id, limit=5)
    assert (newest.id, newest.status) == (turn, TurnStatus.RUNNING)
    assert (oldest.id, oldest.status, oldest.finished_at) == (left, TurnStatus.FAILED, LATER)
    assert "next turn" in (oldest.error or "")
    running = await store.turns.running(other.id)
    assert running is not None and running.id == theirs


async def test_a_turn_of_no_plan(store: PostgresStore) -> None:
    """Refused with its number."""
    with pytest.raises(StateError, match="plan 99"):
        await store.turns.start(99, [forecast_trigger()], 0, START)


async def test_handled(store: PostgresStore, plan: Plan) -> None:
    """From the start of its turn, for ever, for this plan alone."""
    assert not await store.turns.handled(plan.id, "forecast:1")

    turn = await store.turns.start(plan.id, [forecast_trigger(1), forecast_trigger(2)], 0, START)
    await store.turns.fail(turn, "x", LATER)
    await store.turns.start(plan.id, [forecast_trigger(2), forecast_trigger(3)], 0, START)

    for number in (1, 2, 3):
        assert await store.turns.handled(plan.id, f"forecast:{number}")
    assert not await store.turns.handled(plan.id, "forecast:4")
    assert not await store.turns.handled(plan.id + 1, "forecast:1")


async def test_cursor(store: PostgresStore, plan: Plan) -> None:
    """The highest that any turn was told of, running or not."""
    assert await store.turns.cursors(plan.id) == (0, 0)

    turn = await store.turns.start(plan.id, [forecast_trigger(1)], 9, START, account_cursor=2)
    await store.turns.fail(turn, "x", LATER)
    await store.turns.start(plan.id, [forecast_trigger(2)], 4, START, account_cursor=7)

    assert await store.turns.cursors(plan.id) == (9, 7)


async def test_journal_events_are_marked_when_the_turn_ends(
    store: PostgresStore, plan: Plan, database_url: str
) -> None:
    """Those it was told of, not others; not when it fails."""
    partial = update(status=OrderStatus.PARTIALLY_FILLED, filled_quantity=Decimal("0.01"))
    numbers = await store.journal.append(
        [entry(told, plan_id=plan.id) for told in (update(), partial, update(order_id="9002"))]
    )
    events = tuple(await store.journal.events_after(plan.id, 0))
    told = Trigger(TriggerKind.ORDER_EVENT, "events:1-2", START, events=events[:2])

    failed = await store.turns.start(plan.id, [told], events[1].id, START)
    await store.turns.fail(failed, "x", LATER)
    assert set((await marks(database_url)).values()) == {None}

    turn = await store.turns.start(plan.id, [replace(told, key="events:again")], events[1].id, START)
    await store.turns.finish(turn, DECISION, LATER)
    assert await marks(database_url) == {numbers[0]: turn, numbers[1]: turn, numbers[2]: None}


async def test_recent(store: PostgresStore, plan: Plan) -> None:
    """Newest first, only so many."""
    turns = [await store.turns.start(plan.id, [forecast_trigger(n)], 0, START) for n in range(4)]

    assert [record.id for record in await store.turns.recent(plan.id, limit=2)] == turns[:1:-1]
    assert await store.turns.recent(99, limit=2) == []


async def test_summary_of_triggers(store: PostgresStore, plan: Plan) -> None:
    """What woke it, for a person."""
    await store.journal.append(
        [entry(update(order_id=number), plan_id=plan.id) for number in ("1", "2")]
        + [entry(update(order_id="1", status=OrderStatus.CANCELED), plan_id=plan.id)]
    )
    events = tuple(await store.journal.events_after(plan.id, 0))
    triggers = [
        forecast_trigger(),
        Trigger(TriggerKind.ORDER_EVENT, "events:1-3", START, events=events),
        Trigger(TriggerKind.USER, "user:1", START, text="sell \x00 " + "x" * 200),
        Trigger(TriggerKind.CANDLE, "candle:1", START),
    ]

    await store.turns.start(plan.id, triggers, 0, START)

    record = await store.turns.running(plan.id)
    assert record is not None
    assert record.trigger_keys == ("forecast:1", "events:1-3", "user:1", "candle:1")
    assert record.trigger_summary == (
        f"forecast; 2 buy_order_live, 1 buy_order_canceled; user: sell \ufffd {'x' * 73}; candle"
    )


async def test_the_record_is_kept_with_the_decision(store: PostgresStore, plan: Plan) -> None:
    """In one step with it: notes, tokens and the calls that the notes have in the place of the decision's."""
    turn = await store.turns.start(plan.id, [forecast_trigger()], 0, START)
    notes = TurnNotes({"version": 1, "odd": "\x00"}, DECISION.tool_calls[:1], 120, 7)

    await store.turns.finish(turn, DECISION, LATER, notes=notes)

    assert await store.turns.notes(turn) == {"version": 1, "odd": "\ufffd"}
    record = await store.turns.get(turn)
    assert [call.name for call in record.tool_calls] == ["get_current_price"]
    assert record.decision is not None and record.decision.change_of_mind == "a close below 1990"
    with pytest.raises(NotFoundError, match="turn 99"):
        await store.turns.get(99)


async def test_a_turn_that_failed_keeps_what_had_been_done(store: PostgresStore, plan: Plan) -> None:
    """Its tool calls and its record, and no decision."""
    turn = await store.turns.start(plan.id, [forecast_trigger()], 0, START)

    await store.turns.fail(
        turn, "cut off", LATER, notes=TurnNotes({"version": 1}, DECISION.tool_calls[1:], 5)
    )

    record = await store.turns.get(turn)
    assert (record.status, record.decision, record.error) == (TurnStatus.FAILED, None, "cut off")
    assert record.tool_calls == DECISION.tool_calls[1:]
    assert await store.turns.notes(turn) == {"version": 1}


async def test_turns_are_counted(store: PostgresStore, plan: Plan) -> None:
    """By what woke them and by their end; one that runs has no end yet."""
    candle = Trigger(TriggerKind.CANDLE, "candle:2026-01-01T00:00:00+00:00", START)
    first = await store.turns.start(plan.id, [forecast_trigger(1), candle], 0, START)
    await store.turns.finish(first, DECISION, LATER)
    second = await store.turns.start(plan.id, [forecast_trigger(2)], 0, START)
    await store.turns.finish(second, replace(DECISION, action=Action.HOLD), LATER)
    third = await store.turns.start(plan.id, [forecast_trigger(3)], 0, START)
    await store.turns.fail(third, "no model", LATER)
    await store.turns.start(plan.id, [forecast_trigger(4)], 0, START)
    tally = await store.turns.tally(plan.id)
    assert tally == TurnTally({"forecast": 4, "candle": 1}, acted=1, held=1, failed=1)
