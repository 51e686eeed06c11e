"""What models cost is kept exactly, and added up by UTC day, plan, turn and model."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from kokex.adapters.postgres import PostgresStore
from kokex.domain.account import Credentials, Endpoints, Environment
from kokex.domain.candle import Interval
from kokex.domain.plan import NewPlan
from kokex.domain.spending import ModelUsage

NIGHT = datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC)
USAGE = ModelUsage(1, 7, NIGHT, "http://127.0.0.1/v1", "small", 1000, 50, False, Decimal("0.0000015"))


async def test_costs_are_added_up(store: PostgresStore) -> None:
    """A day ends at midnight UTC; a request without a price is counted and costs nothing known."""
    assert await store.spending.cost_since(NIGHT) == {}
    account = await store.accounts.add(
        "main", "okx", Environment.PAPER, Endpoints("http://a", *["ws://a"] * 3), Credentials("k", "s", "p")
    )
    for name in ("one", "two"):
        await store.plans.add(NewPlan(name, account.id, "ETH-USDT", Interval("1H")))
    morning = NIGHT + timedelta(seconds=1)
    await store.spending.add([])
    await store.spending.add(
        [
            USAGE,
            replace(USAGE, cost_usd=Decimal("0.123456789012345678901")),
            replace(USAGE, turn_id=8, at=morning, estimated=True, cost_usd=None),
            replace(USAGE, turn_id=9, at=morning, plan_id=2, model="large"),
        ]
    )
    first, second = Decimal("0.0000015"), Decimal("0.123456789012345678901")
    assert await store.spending.cost_since(NIGHT) == {1: first + second, 2: first}
    assert await store.spending.cost_since(morning) == {1: Decimal(0), 2: first}
    days = await store.spending.by_day(plan_id=None, since=NIGHT)
    assert [(one.day, one.plan_id, one.model, one.requests) for one in days] == [
        (date(2026, 2, 1), 1, "small", 1),
        (date(2026, 2, 1), 2, "large", 1),
        (date(2026, 1, 31), 1, "small", 2),
    ]
    assert (days[0].unpriced, days[0].estimated, days[2].input_tokens, days[2].cost_usd) == (
        1,
        1,
        2000,
        first + second,
    )
    turns = await store.spending.by_turn(plan_id=1, limit=1)
    assert [(one.turn_id, one.requests) for one in turns] == [(8, 1)]
    assert [one.turn_id for one in await store.spending.by_turn(plan_id=None, limit=5)] == [9, 8, 7]
