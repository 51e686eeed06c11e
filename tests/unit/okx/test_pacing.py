"""Rate limits and back-off."""

from __future__ import annotations

import asyncio
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokex.adapters.okx.backoff import Backoff
from kokex.adapters.okx.rate_limit import Budget, RateLimiter
from tests.unit.okx.okx_fakes import SkippingClock

BUDGET = Budget(20, 2.0)


async def test_a_full_budget_makes_the_next_call_wait() -> None:
    """The 21st waits until the first is out of the window, which is a ninth longer than the exchange's: calls may take as long."""
    clock = SkippingClock()
    limiter = RateLimiter(clock)
    for _ in range(20):
        await limiter.acquire("a", BUDGET)
    assert clock.slept == []
    await limiter.acquire("a", BUDGET)
    assert clock.slept == [pytest.approx(2.0 / 0.9)]


async def test_keys_have_budgets_of_their_own() -> None:
    """One busy instrument does not slow another."""
    clock = SkippingClock()
    limiter = RateLimiter(clock)
    for _ in range(20):
        await limiter.acquire("a", BUDGET)
    await limiter.acquire("b", BUDGET)
    assert clock.slept == []


async def test_callers_at_once_are_spread_over_windows() -> None:
    """Never more than the budget in any window, whatever the rush."""
    clock = SkippingClock()
    limiter = RateLimiter(clock)
    moments: list[float] = []

    async def call() -> None:
        start = clock.monotonic()
        before = len(clock.slept)
        await limiter.acquire("a", BUDGET)
        waited = clock.slept[before] if len(clock.slept) > before else 0.0
        moments.append(start + waited)

    await asyncio.gather(*(call() for _ in range(60)))
    for moment in moments:
        assert sum(moment - BUDGET.seconds < other <= moment for other in moments) <= BUDGET.calls


async def test_a_held_key_waits() -> None:
    """After a refusal nothing more is sent for a while."""
    clock = SkippingClock()
    limiter = RateLimiter(clock)
    await limiter.acquire("a", BUDGET)
    limiter.hold("a", 1.5)
    await limiter.acquire("a", BUDGET)
    assert clock.slept == [1.5]


@given(st.integers(1, 10_000), st.integers())
def test_back_off_is_capped_and_jittered(attempt: int, seed: int) -> None:
    """Between half and all of the capped exponential."""
    backoff = Backoff(base=0.25, cap=15.0)
    full = min(15.0, 0.25 * 2.0 ** min(attempt - 1, 30))
    assert full / 2 <= backoff.delay(attempt, Random(seed)) <= full
