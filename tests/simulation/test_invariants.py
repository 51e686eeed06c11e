"""The comparison itself: whatever is wrong with a record, it finds it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import psycopg
import pytest

from kokex.domain.instrument import Side
from kokex.domain.order import OrderType
from tests.simulation.laboratory import Laboratory
from tests.simulation.run import Run
from tests.simulation.scenario import SPOT, ByHand, Candle, Place, PlanSpec, Scenario, Trade, Wait

DAY = Scenario(
    5,
    (PlanSpec(), PlanSpec(account=1)),
    (
        Trade(0, (Place(Side.BUY, OrderType.MARKET, 3), Place(Side.BUY, OrderType.LIMIT, 1, -3))),
        Trade(1, (Place(Side.BUY, OrderType.MARKET, 2),)),
        Candle(),
        Wait(1.0),
        ByHand(1, SPOT, Place(Side.BUY, OrderType.MARKET, 1)),
        Wait(1.0),
    ),
)

FORGERIES = {
    "an event is missing": ("DELETE FROM order_event_logs WHERE id = %s", "the exchange has"),
    "an event is of another plan": (
        "UPDATE order_event_logs SET plan_id = 2 WHERE id = %s",
        "plan 2 heard of",
    ),
    "an event comes in another place": (
        "UPDATE order_event_logs SET id = id + 1000 WHERE id = %s",
        "the exchange has",
    ),
    "a fill is missing": (
        "DELETE FROM fills WHERE trade_id = (SELECT min(trade_id) FROM fills WHERE plan_id = 1) AND %s > 0",
        "fills: missing",
    ),
    "a fill is a hair too large": (
        "UPDATE fills SET quantity = quantity + 0.00000001 WHERE %s > 0",
        "fills: missing",
    ),
    "an order is not on record": ("DELETE FROM orders WHERE plan_id = 1 AND %s > 0", "not on record"),
    "an order has another fate": (
        "UPDATE orders SET status = 'canceled' WHERE status = 'filled' AND %s > 0",
        "and canceled here",
    ),
    "an order is nowhere": (
        "UPDATE orders SET client_order_id = client_order_id || 'x' WHERE status = 'filled' AND %s > 0",
        "unknown at the exchange",
    ),
    "an event is told in no turn": (
        (
            "UPDATE turns SET trigger_keys = '{}' WHERE %s > 0 AND id = "
            "(SELECT min(id) FROM turns WHERE plan_id = 1 AND 'events' = ANY (SELECT split_part(unnest(trigger_keys), ':', 1)))"
        ),
        "was told in turns []",
    ),
    "an event is told in two turns": (
        "UPDATE turns SET trigger_keys = ARRAY['events:1-1000'] WHERE plan_id = 1 AND %s > 0",
        "was told in turns [",
    ),
    "a turn did not end": (
        "UPDATE turns SET status = 'running' WHERE id = 1 AND %s > 0",
        "turn 1 is running",
    ),
    "a balance change is missing": (
        "DELETE FROM account_event_logs WHERE id = (SELECT max(id) FROM account_event_logs WHERE currency = 'USDT') + 0 * %s",
        "the last event ended at",
    ),
}
_TABLES = """
SELECT table_name, string_agg(column_name, ', ') FROM information_schema.columns
WHERE table_name IN ('order_event_logs', 'fills', 'orders', 'turns', 'account_event_logs') AND is_generated = 'NEVER'
GROUP BY table_name"""


@pytest.fixture(scope="module")
def day(place: Laboratory) -> Run:
    """A day that went well."""
    subject = Run(DAY, place)
    assert place.runner.run(subject.whole()).violations == ()
    return subject


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_record_is_found(name: str, day: Run, place: Laboratory) -> None:
    """One row is changed; the comparison says what is wrong."""
    forgery, sentence = FORGERIES[name]
    before = place.runner.run(day.differences(stopped=True))
    assert before == []
    with psycopg.connect(place.database_url) as connection:
        (first,) = connection.execute(
            "SELECT min(id) FROM order_event_logs WHERE plan_id = 1"
        ).fetchone() or (0,)
        tables = connection.execute(_TABLES).fetchall()
        for table, _ in tables:
            connection.execute(f"CREATE TABLE kept_{table} AS TABLE {table}")
        connection.execute(
            "SET session_replication_role = replica"
        )  # references may break, which is the point
        assert connection.execute(forgery, [first]).rowcount
        connection.commit()
        try:
            found = place.runner.run(day.differences(stopped=True))
        finally:
            for table, columns in tables:
                connection.execute(f"DELETE FROM {table}")
                kept = f"SELECT {columns} FROM kept_{table}"
                connection.execute(f"INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE {kept}")
                connection.execute(f"DROP TABLE kept_{table}")
    assert any(sentence in one for one in found), found


def test_limits_are_watched(day: Run, place: Laboratory) -> None:
    """With smaller limits the same day would have broken them."""
    plan = day.stage.plans[0]
    limits = replace(
        plan.limits,
        max_open_orders=0,
        max_order_notional=Decimal(100),
        max_position_notional=Decimal(200),
    )
    day.stage.plans[0] = replace(plan, limits=limits)
    try:
        found = " ".join(place.runner.run(day.differences(stopped=True)))
    finally:
        day.stage.plans[0] = plan
    for words in ("orders open at event", "is worth", "at stake"):
        assert words in found
