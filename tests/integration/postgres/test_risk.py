"""What is kept of risk, exactly."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from kokex.adapters.postgres import PostgresStore
from kokex.domain.errors import NotFoundError
from kokex.domain.halt import Halt, HaltLevel, HaltScope
from kokex.domain.limits import RiskLimits
from kokex.domain.results import Worth
from tests.builders import START
from tests.integration.postgres.journalling import new_plan

WORTH = Worth(START, Decimal("-1.50"), Decimal(0), Decimal("2.5"))


async def test_worths_replace_older_ones(store: PostgresStore) -> None:
    """One row a plan; an engine that lost the account and writes late changes nothing."""
    later = Worth(START + timedelta(seconds=2), Decimal(3), Decimal(0), Decimal(3))
    assert await store.risk.worth(1) is None
    await store.risk.save_worths({1: WORTH, 2: WORTH})
    assert await store.risk.worth(1) == WORTH
    await store.risk.save_worths({1: later})
    await store.risk.save_worths({1: WORTH})
    assert await store.risk.worth(1) == later
    assert await store.risk.worth(2) == WORTH


def _halt(scope: HaltScope = HaltScope.PLAN, number: int | None = 3, **changes: Any) -> Halt:
    return replace(Halt(scope, number, HaltLevel.HALTED, "news \x00", "ann", START, flatten=True), **changes)


async def test_halts_are_lifted_by_scope_and_never_forgotten(store: PostgresStore) -> None:
    """Who, why, when; the platform's has no number."""
    first = await store.risk.halt(_halt())
    await store.risk.halt(_halt(level=HaltLevel.REDUCE_ONLY))
    await store.risk.halt(_halt(HaltScope.PLATFORM, None))
    assert first.halt == _halt(reason="news \ufffd")
    later = START + timedelta(minutes=1)
    assert await store.risk.lift(HaltScope.PLAN, 4, by="bob", reason="", at=later) == 0
    assert await store.risk.lift(HaltScope.PLAN, 3, by="bob", reason="calm", at=later) == 2
    assert [one.halt.where for one in await store.risk.halts_in_force()] == ["the platform"]
    assert await store.risk.lift(HaltScope.PLATFORM, None, by="bob", reason="", at=later) == 1
    history = await store.risk.halt_history(limit=2)
    assert [one.id for one in history] == [first.id + 2, first.id + 1]
    assert history[1].lifted_by == "bob" and history[1].lifted_at == later


async def test_what_a_halt_has_done(store: PostgresStore) -> None:
    """Once a plan."""
    record = await store.risk.halt(_halt())
    await store.risk.set_carried_out(record.id, 3, START)
    await store.risk.set_carried_out(record.id, 3, START)
    assert await store.risk.carried_out(record.id) == {3}
    assert await store.risk.carried_out(record.id + 1) == frozenset()


async def test_changes_are_told(store: PostgresStore) -> None:
    """To whoever listens, first that it does."""
    heard = store.risk.changes()
    await anext(heard)
    await store.risk.halt(_halt())
    async with asyncio.timeout(60):
        await anext(heard)
    await heard.aclose()  # type: ignore[attr-defined]


async def test_changes_of_limits_are_numbered_and_told(store: PostgresStore) -> None:
    """The plan has them at once, and every one is kept with who and why."""
    plan = await new_plan(store)
    heard = store.plans.changes()
    assert await anext(heard) == 0

    def calmer(now: RiskLimits) -> RiskLimits:
        return replace(now, max_open_orders=now.max_open_orders - 1, capital=Decimal("10.50"))

    first = await store.risk.change_limits(plan.id, calmer, by="ann", reason="calmer", at=START)
    async with asyncio.timeout(60):
        assert await anext(heard) == plan.id
    second = await store.risk.change_limits(plan.id, calmer, by="bob", reason="", at=START)
    assert (first.version, second.version) == (2, 3)
    assert (await store.plans.get(plan.id)).limits == second.after == calmer(first.after)
    assert await store.risk.limit_changes(plan.id) == [first, second]
    with pytest.raises(NotFoundError):
        await store.risk.change_limits(99, calmer, by="ann", reason="", at=START)
    await heard.aclose()  # type: ignore[attr-defined]
