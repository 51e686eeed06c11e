"""The trailing stop: it follows, and never goes back."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokex.domain.capital import Trail
from tests.builders import START

SHARE = Decimal("0.05")
prices = st.lists(st.decimals("0.01", 100_000, places=2), min_size=1, max_size=50)


def test_a_long_and_a_short_holding() -> None:
    """5 % below the highest, above the lowest."""
    long = Trail(START, 1, Decimal(2000)).see(Decimal(2200)).see(Decimal(2100))
    assert (long.best, long.level(SHARE)) == (Decimal(2200), Decimal(2090))
    short = Trail(START, -1, Decimal(2000)).see(Decimal(1800)).see(Decimal(1900))
    assert (short.best, short.level(SHARE)) == (Decimal(1800), Decimal(1890))


@pytest.mark.parametrize(("sign", "safe", "touched"), [(1, "1900.01", "1900"), (-1, "2099.99", "2100")])
def test_it_is_hit_at_its_level(sign: int, safe: str, touched: str) -> None:
    """Exactly there, and it stays hit when the price comes back."""
    later = START + timedelta(minutes=5)
    trail = Trail(START, sign, Decimal(2000))
    assert trail.judge(SHARE, Decimal(safe), later).hit_at is None
    hit = trail.judge(SHARE, Decimal(touched), later)
    assert hit.hit_at == later
    assert hit.judge(SHARE, Decimal(2000), later + timedelta(hours=1)).hit_at == later


@given(st.sampled_from((1, -1)), prices, st.decimals("0.001", "0.9", places=3))
def test_the_stop_never_loosens(sign: int, seen: list[Decimal], share: Decimal) -> None:
    """Whatever the price does, a long holding's level only rises, a short one's only falls."""
    trail = Trail(START, sign, seen[0])
    for price in seen:
        after = trail.judge(share, price, START)
        assert sign * (after.level(share) - trail.level(share)) >= 0
        assert trail.hit_at is None or after.hit_at == trail.hit_at
        trail = after
    assert trail.best == (max(seen) if sign > 0 else min(seen))


@given(st.sampled_from((1, -1)), prices, prices)
def test_two_records_of_one_holding(sign: int, kept: list[Decimal], told: list[Decimal]) -> None:
    """After a restart: no looser than either, in whichever order they meet."""
    first, second = Trail(START, sign, kept[0]), Trail(START, sign, told[0], START)
    for price in kept:
        first = first.see(price)
    for price in told:
        second = second.see(price)
    assert first.meet(second) == second.meet(first)
    assert sign * (first.meet(second).best - first.best) >= 0
    assert first.meet(second).hit_at == START
