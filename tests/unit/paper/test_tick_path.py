"""A candle expanded into ticks is the candle again, exactly."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kokex.paper.decimals import ZERO
from kokex.paper.market.candle import Candle
from kokex.paper.market.tick_path import expand_candle

HOUR = 3_600_000


@st.composite
def candles(draw: st.DrawFn) -> Candle:
    low = draw(st.integers(1, 10_000_000))
    high = low + draw(st.integers(0, 500_000))
    inside = st.integers(low, high)
    return Candle(
        draw(st.integers(0, 500_000)) * HOUR,
        draw(inside),
        high,
        low,
        draw(inside),
        draw(st.integers(0, 10**14)),
        ZERO,
    )


@given(candle=candles(), ticks=st.integers(4, 120), seed=st.integers(0, 2**32))
def test_the_path_draws_its_candle_exactly(candle: Candle, ticks: int, seed: int) -> None:
    """First, highest, lowest, last and total agree; times stay inside and in order."""
    path = expand_candle(candle, length_ms=HOUR, ticks=ticks, seed=[seed])
    prices = [tick.price for tick in path]
    assert len(path) == ticks
    assert (prices[0], max(prices), min(prices), prices[-1]) == (
        candle.open,
        candle.high,
        candle.low,
        candle.close,
    )
    assert sum(tick.lots for tick in path) == candle.volume
    assert all(tick.lots >= 0 for tick in path)
    times = [tick.at_ms for tick in path]
    assert times == sorted(times)
    assert times[0] == candle.start_ms
    assert times[-1] < candle.start_ms + HOUR
    assert path == expand_candle(candle, length_ms=HOUR, ticks=ticks, seed=[seed])


def test_sizes_are_uneven() -> None:
    """Prints differ in size, so that small ones leave orders partly filled."""
    candle = Candle(0, 1000, 1100, 900, 1050, 10**9, ZERO)
    sizes = sorted(tick.lots for tick in expand_candle(candle, length_ms=HOUR, ticks=200, seed=[1]))
    assert sizes[-1] > 20 * sizes[100]
