"""The synthetic market has the habits of real ones."""

from __future__ import annotations

import math
from itertools import pairwise
from statistics import correlation, fmean, pstdev

import pytest

from kokex.paper.instruments import PROFILES
from kokex.paper.market.interval import HOUR_MS
from kokex.paper.market.synthetic import RawCandle, SyntheticMarket, session_factor

HOURS = 6000
START = 1_767_225_600_000


def run(seed: int, hours: int = HOURS) -> list[dict[str, RawCandle]]:
    market = SyntheticMarket(seed, PROFILES, HOUR_MS)
    return [market.step(START + hour * HOUR_MS) for hour in range(hours)]


@pytest.fixture(scope="module")
def history() -> list[dict[str, RawCandle]]:
    return run(11)


def returns(history: list[dict[str, RawCandle]], name: str) -> list[float]:
    return [math.log(step[name].close / step[name].open) for step in history]


def autocorrelation(values: list[float], lag: int) -> float:
    return correlation(values[:-lag], values[lag:])


def test_the_seed_alone_names_the_market() -> None:
    """The same seed repeats, another differs."""
    assert run(3, 300) == run(3, 300)
    assert run(3, 300) != run(4, 300)


def test_candles_are_candles(history: list[dict[str, RawCandle]]) -> None:
    """High and low enclose, opens continue closes, volume is positive, prices stay in a sane range."""
    for before, after in pairwise(history):
        for name, candle in after.items():
            assert candle.high >= max(candle.open, candle.close)
            assert 0 < candle.low <= min(candle.open, candle.close)
            assert candle.volume > 0
            assert candle.open == pytest.approx(before[name].close)
            assert 0.1 < candle.close / PROFILES[name].price < 10


def test_volatility_clusters_and_tails_are_fat(history: list[dict[str, RawCandle]]) -> None:
    """Sizes of moves are correlated over time, moves themselves hardly; kurtosis is well above 3."""
    moves = returns(history, "ETH-USDT")
    sizes = [abs(move) for move in moves]
    assert autocorrelation(sizes, 1) > 0.1
    assert autocorrelation(sizes, 6) > 0.05
    assert abs(autocorrelation(moves, 1)) < 0.12
    spread = pstdev(moves)
    assert fmean(move**4 for move in moves) / spread**4 > 4.5
    assert 0.3 < spread * math.sqrt(8766) < 1.4


def test_pairs_move_together(history: list[dict[str, RawCandle]]) -> None:
    """Bitcoin, ether and solana share most of their moves."""
    for name in ("BTC-USDT", "SOL-USDT"):
        assert 0.4 < correlation(returns(history, "ETH-USDT"), returns(history, name)) < 0.95


def test_sessions_show_in_volatility_and_volume(history: list[dict[str, RawCandle]]) -> None:
    """The afternoon beats the night, and working days the weekend."""
    assert session_factor(START + 15 * HOUR_MS) > 1.5 * session_factor(START + 20 * HOUR_MS + 30 * 60_000)

    def mean_volume(hours: range, *, weekend: bool) -> float:
        chosen = [
            step["ETH-USDT"].volume
            for hour, step in enumerate(history)
            if hour % 24 in hours and ((START // HOUR_MS + hour) // 24 + 3) % 7 // 5 == int(weekend)
        ]
        return fmean(chosen)

    assert mean_volume(range(13, 18), weekend=False) > 1.5 * mean_volume(range(20, 24), weekend=False)
    assert mean_volume(range(24), weekend=False) > 1.2 * mean_volume(range(24), weekend=True)


def test_it_is_not_a_bare_random_walk(history: list[dict[str, RawCandle]]) -> None:
    """Regimes leave a mark: moves over a day do not spread as the square root of time says."""
    moves = returns(history, "ETH-USDT")
    days = [sum(moves[at : at + 24]) for at in range(0, len(moves) - 24, 24)]
    ratio = pstdev(days) ** 2 / (24 * pstdev(moves) ** 2)
    assert abs(ratio - 1) > 0.05


def test_a_file_sets_the_volatility_that_follows() -> None:
    """After calm rows the market continues calmly, after wild ones wildly, from the last close."""

    def after(move: float) -> float:
        market = SyntheticMarket(5, PROFILES, HOUR_MS)
        price = 2_000.0
        for hour in range(300):
            market.step(START + hour * HOUR_MS)
            close = price * math.exp(move if hour % 2 else -move)
            market.observe("ETH-USDT", open_price=price, close_price=close, start_ms=START + hour * HOUR_MS)
            price = close
        following = [market.step(START + (300 + hour) * HOUR_MS)["ETH-USDT"] for hour in range(6)]
        assert following[0].open == pytest.approx(price)
        return pstdev([math.log(candle.close / candle.open) for candle in following])

    assert after(0.02) > 2 * after(0.0005)
