"""Trailing stops and the use of capital, as kept."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from kokex.adapters.postgres import PostgresStore
from kokex.domain.capital import CapitalSettings, SizingMethod, Trail
from kokex.domain.errors import ConfigurationError, NotFoundError
from kokex.ports.permissions import CapitalChange
from tests.builders import START
from tests.integration.postgres.journalling import new_plan

LONG = Trail(START, 1, Decimal("2000.10"))
KELLY = CapitalSettings(
    sizing=SizingMethod.KELLY,
    kelly_fraction=Decimal("0.1"),
    avg_orders_per_batch=4,
    trailing_stop=Decimal("0.05"),
)


async def test_a_kept_trail_never_loosens(store: PostgresStore) -> None:
    """Whoever writes late or anew: the best price and the first hit stay, and the number with them."""
    plan = await new_plan(store)
    first = await store.trails.keep(plan.id, LONG)
    assert first.trail == LONG
    better = await store.trails.keep(plan.id, LONG.see(Decimal("2100.5")))
    hit = await store.trails.keep(plan.id, replace(LONG, hit_at=START + timedelta(hours=1)))
    late = await store.trails.keep(plan.id, replace(LONG, hit_at=START + timedelta(hours=2)))
    assert {first.number, better.number, hit.number, late.number} == {first.number}
    assert late.trail == Trail(START, 1, Decimal("2100.5"), START + timedelta(hours=1))
    assert await store.trails.latest(plan.id) == late.trail


async def test_each_holding_has_its_own(store: PostgresStore) -> None:
    """A short one follows downwards; the hits of all are told, oldest first."""
    plan, other = await new_plan(store), await new_plan(store, "other")
    assert await store.trails.latest(plan.id) is None
    await store.trails.keep(plan.id, replace(LONG, hit_at=START + timedelta(minutes=5)))
    since = START + timedelta(minutes=10)
    await store.trails.keep(plan.id, Trail(since, -1, Decimal(1900)))
    await store.trails.keep(plan.id, Trail(since, -1, Decimal(1950), since + timedelta(minutes=1)))
    latest = await store.trails.latest(plan.id)
    assert latest == Trail(since, -1, Decimal(1900), since + timedelta(minutes=1))
    assert await store.trails.hits(plan.id, limit=10) == [
        START + timedelta(minutes=5),
        since + timedelta(minutes=1),
    ]
    assert await store.trails.hits(plan.id, limit=1) == [since + timedelta(minutes=1)]
    assert await store.trails.hits(other.id, limit=10) == []


async def test_two_at_once_make_one_row(store: PostgresStore) -> None:
    """An engine that takes over while the other still writes."""
    plan = await new_plan(store)
    prices = [Decimal(2000 + number) for number in range(8)]
    kept = await asyncio.gather(*(store.trails.keep(plan.id, Trail(START, 1, price)) for price in prices))
    assert len({record.number for record in kept}) == 1
    assert (await store.trails.latest(plan.id)) == Trail(START, 1, Decimal(2007))


async def test_the_use_of_capital_round_trip(store: PostgresStore) -> None:
    """As created, as changed; exact, and the standard where nothing was said."""
    plan = await new_plan(store)
    assert plan.capital == CapitalSettings()
    first = await store.plans.change_capital(plan.id, lambda now: KELLY, by="ann", reason="proven", at=START)
    assert first == CapitalChange(plan.id, 2, CapitalSettings(), KELLY, "ann", "proven", START)
    assert (await store.plans.get(plan.id)).capital == KELLY
    with pytest.raises(NotFoundError, match="plan 99 does not exist"):
        await store.plans.change_capital(99, lambda now: now, by="ann", reason="", at=START)


async def test_each_change_of_the_use_of_capital_is_kept(store: PostgresStore) -> None:
    """Numbered, with who and why; of those made at once none is lost, and what was refused leaves nothing."""
    plan = await new_plan(store)

    def refused(now: CapitalSettings) -> CapitalSettings:
        raise ConfigurationError("cannot be meant")

    def one_more(now: CapitalSettings) -> CapitalSettings:
        return replace(now, avg_orders_per_batch=now.avg_orders_per_batch + 1)

    with pytest.raises(ConfigurationError):
        await store.plans.change_capital(plan.id, refused, by="ann", reason="", at=START)
    change = store.plans.change_capital
    await asyncio.gather(*(change(plan.id, one_more, by="bob", reason="", at=START) for _ in range(5)))
    changes = await store.plans.capital_changes(plan.id)
    assert [one.version for one in changes] == [2, 3, 4, 5, 6]
    assert [one.after.avg_orders_per_batch for one in changes] == [2, 3, 4, 5, 6]
    assert all(earlier.after == later.before for earlier, later in pairwise(changes))
    assert (await store.plans.get(plan.id)).capital == changes[-1].after
    assert await store.plans.capital_changes(99) == []
