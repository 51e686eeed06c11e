"""Candles and intervals."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from kokex.domain.candle import Candle, CandleSeries, Interval
from kokex.domain.errors import DataError
from tests.builders import START

CANDLE = Candle(START, 10.0, 12.0, 9.0, 11.0, 5.0, None)


def test_intervals_know_their_grid() -> None:
    """A moment falls into the candle that opened at or before it, on the UTC grid."""
    moment = datetime(2026, 3, 4, 17, 45, 12, tzinfo=UTC)
    assert Interval("4H").floor(moment) == datetime(2026, 3, 4, 16, tzinfo=UTC)
    assert Interval("1Dutc").floor(moment) == datetime(2026, 3, 4, tzinfo=UTC)
    assert Interval("15m").duration == timedelta(minutes=15)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, None),
        ({"high": 10.5}, "enclose"),
        ({"low": 10.5}, "enclose"),
        ({"close": float("nan")}, "positive"),
        ({"open": -1.0}, "positive"),
        ({"volume": -1.0}, "negative"),
        ({"amount": float("inf")}, "negative"),
    ],
)
def test_flawed_candles_are_named(changes: dict, words: str | None) -> None:
    """What cannot be a candle says why."""
    fault = replace(CANDLE, **changes).fault()
    assert fault is None if words is None else words in (fault or "")


def test_a_series_is_contiguous() -> None:
    """A hole is an error that names where."""
    rows = [replace(CANDLE, open_time=START + timedelta(hours=hour)) for hour in (0, 1, 3)]
    with pytest.raises(DataError, match="2026-01-01 01:00"):
        CandleSeries.of("ETH-USDT", Interval("1H"), rows)
    series = CandleSeries.of("ETH-USDT", Interval("1H"), rows[:2])
    assert len(series) == 2
    assert series.close_time == START + timedelta(hours=2)
    assert series.closes.tolist() == [11.0, 11.0]
    assert len(CandleSeries.of("ETH-USDT", Interval("1H"), [])) == 0
