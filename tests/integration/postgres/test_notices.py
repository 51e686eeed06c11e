"""Notices, price alerts and notes, each kept once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from kokex.adapters.postgres import PostgresStore
from kokex.domain.decision import Trigger
from kokex.domain.errors import NotFoundError, StateError
from kokex.domain.notice import LONGEST_NOTE, MOST_ALERTS, MOST_NOTES, AlertDirection
from kokex.domain.order import OrderStatus
from kokex.domain.plan import TriggerKind
from tests.builders import START, order
from tests.integration.postgres.journalling import new_plan

ABOVE, BELOW = AlertDirection.ABOVE, AlertDirection.BELOW
LATER = START + timedelta(hours=1)


async def test_a_fact_is_noticed_once(store: PostgresStore) -> None:
    """By its key, within the plan, also when two notice it at once."""
    plan, other = await new_plan(store), await new_plan(store, "btc")
    made = await asyncio.gather(
        *(store.notices.note(plan.id, "halt:1:set", {"reason": "news \x00"}, START) for _ in range(4))
    )
    (kept,) = [one for one in made if one is not None]
    assert (kept.kind, kept.key, kept.facts) == (
        TriggerKind.RISK_EVENT,
        "halt:1:set",
        {"reason": "news \ufffd"},
    )
    assert await store.notices.get(kept.id) == kept
    assert await store.notices.note(other.id, "halt:1:set", {}, START) is not None
    assert await store.notices.waiting(plan.id) == [kept]
    assert await store.notices.latest(plan.id, "halt:1:") == kept
    assert await store.notices.latest(plan.id, "halt_") is None
    with pytest.raises(NotFoundError):
        await store.notices.get(99)


async def test_what_a_turn_was_told_of_waits_no_more(store: PostgresStore) -> None:
    plan = await new_plan(store)
    first = await store.notices.note(plan.id, "a", {}, START)
    second = await store.notices.note(plan.id, "b", {}, START)
    assert first is not None and second is not None
    told = Trigger(first.kind, first.trigger_key, START)
    await store.turns.start(plan.id, [told], 0, START)
    assert await store.notices.waiting(plan.id) == [second]


async def test_a_plan_is_watched_from_its_start_to_its_stop(store: PostgresStore) -> None:
    """A restart of the engine does not begin anew; a stop does."""
    plan = await new_plan(store)
    assert await store.notices.watch(plan.id, START) == START
    assert await store.notices.watch(plan.id, LATER) == START
    await store.notices.unwatch(plan.id)
    assert await store.notices.watch(plan.id, LATER) == LATER


async def test_how_far_a_schedule_was_told(store: PostgresStore) -> None:
    """And candles: the newest of this plan, whatever else woke it."""
    plan, other = await new_plan(store), await new_plan(store, "btc")
    assert await store.notices.last_told(plan.id, TriggerKind.SCHEDULE) is None
    for hour, owner in ((9, plan), (10, plan), (23, other)):
        due = datetime(2026, 1, 1, hour, 30, tzinfo=UTC)
        key = f"schedule:{due.isoformat()}"
        await store.turns.start(owner.id, [Trigger(TriggerKind.SCHEDULE, key, due)], 0, due)
    await store.turns.start(plan.id, [Trigger(TriggerKind.CANDLE, "candle:2027", START)], 0, START)
    told = await store.notices.last_told(plan.id, TriggerKind.SCHEDULE)
    assert told == "schedule:2026-01-01T10:30:00+00:00"
    assert await store.notices.last_told(plan.id, TriggerKind.CANDLE) == "candle:2027"


async def test_denials_oldest_first(store: PostgresStore) -> None:
    plan = await new_plan(store)
    for number, status in enumerate((OrderStatus.DENIED, OrderStatus.FILLED, OrderStatus.DENIED)):
        at = START + timedelta(seconds=number)
        made = order(client_order_id=f"KX{number}", plan_id=plan.id, status=status, created_at=at)
        await store.orders.add(made)
    seconds = [0, 2]
    found = await store.notices.denials(plan.id, START - timedelta(seconds=1), limit=5)
    assert found == [START + timedelta(seconds=one) for one in seconds]
    assert await store.notices.denials(plan.id, START, limit=5) == found[1:]


async def test_an_alert_fires_once(store: PostgresStore) -> None:
    """However many see the price at once; the notice is there exactly when the alert is gone."""
    plan = await new_plan(store)
    alert = await store.alerts.set(plan.id, 1, Decimal("2000.10"), ABOVE, "look \x00", START)
    assert await store.alerts.active([plan.id]) == [alert]
    fired = await asyncio.gather(
        *(store.alerts.fire(alert.id, Decimal(2001), LATER, {"alert": alert.id}) for _ in range(4))
    )
    (notice,) = [one for one in fired if one is not None]
    assert (notice.kind, notice.facts, notice.occurred_at) == (
        TriggerKind.PRICE_ALERT,
        {"alert": alert.id},
        LATER,
    )
    assert await store.alerts.active([plan.id]) == []
    assert await store.notices.waiting(plan.id) == [notice]
    (kept,) = await store.alerts.of(plan.id, limit=5)
    assert (kept.fired_price, kept.fired_at, kept.note) == (Decimal(2001), LATER, "look \ufffd")


async def test_the_same_turn_sets_the_same_alert_once(store: PostgresStore) -> None:
    """A turn that was cut short and runs again."""
    plan = await new_plan(store)
    first = await store.alerts.set(plan.id, 1, Decimal("2000.1"), ABOVE, "a", START)
    assert await store.alerts.set(plan.id, 1, Decimal("2000.10"), ABOVE, "b", LATER) == first
    assert (await store.alerts.set(plan.id, 1, Decimal("2000.1"), BELOW, "", START)).id != first.id
    assert (await store.alerts.set(plan.id, 2, Decimal("2000.1"), ABOVE, "", START)).id != first.id
    with pytest.raises(NotFoundError):
        await store.alerts.set(99, 1, Decimal(1), ABOVE, "", START)


async def test_alerts_are_few_and_can_be_removed(store: PostgresStore) -> None:
    plan = await new_plan(store)
    made = await asyncio.gather(
        *(store.alerts.set(plan.id, 1, Decimal(one + 1), ABOVE, "", START) for one in range(MOST_ALERTS + 3)),
        return_exceptions=True,
    )
    assert sum(isinstance(one, StateError) for one in made) == 3
    assert len(await store.alerts.active([plan.id])) == MOST_ALERTS
    first = (await store.alerts.active([plan.id]))[0]
    assert await store.alerts.remove(plan.id, first.id, LATER)
    assert not await store.alerts.remove(plan.id, first.id, LATER)
    assert await store.alerts.fire(first.id, Decimal(1), LATER, {}) is None
    await store.alerts.set(plan.id, 2, Decimal(7), BELOW, "", START)
    other = await new_plan(store, "btc")
    assert not await store.alerts.remove(other.id, (await store.alerts.active([plan.id]))[0].id, LATER)


async def test_notes_are_few_short_and_found(store: PostgresStore) -> None:
    """The oldest goes; a note that the same turn makes again is the one that is there."""
    plan, other = await new_plan(store), await new_plan(store, "btc")
    await store.notes.add(other.id, 1, "not mine", START)
    for number in range(MOST_NOTES + 2):
        await store.notes.add(plan.id, number, f"Note {number} of 100%_", START)
    assert await store.notes.count(plan.id) == MOST_NOTES
    again = await store.notes.add(plan.id, 50, "Note 50 of 100%_", LATER)
    assert (again.turn_id, again.made_at) == (50, START)
    assert [one.text for one in await store.notes.find(plan.id, limit=2)] == [
        "Note 101 of 100%_",
        "Note 100 of 100%_",
    ]
    assert await store.notes.find(plan.id, ["note", "0 of", "not mine"], limit=5) == []
    assert [one.turn_id for one in await store.notes.find(plan.id, ["NOTE 7 ", "%_"], limit=5)] == [7]
    assert not await store.notes.find(plan.id, ["Note 1_ of"], limit=5)
    long = await store.notes.add(plan.id, 200, "x" * 10_000, START)
    assert len(long.text) == LONGEST_NOTE
