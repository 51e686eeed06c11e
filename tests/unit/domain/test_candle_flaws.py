"""Flaws are found, each with its time and what was seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokex.adapters.candle_files import read_candle_file
from kokex.domain.candle import Interval
from kokex.domain.candle_flaws import CandleFlaw, FlawKind, consistent, find_flaws
from kokex.domain.candle_rows import candle_of
from kokex.domain.time_range import TimeRange
from tests.builders import START

HOUR = Interval("1H")
FIRST = int(START.timestamp()) * 1000
STEP = 3_600_000


def walk(count: int, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Hourly candles of a calm market: moves of about a third of a percent."""
    random = np.random.default_rng(seed)
    closes = 2000 * np.exp(np.cumsum(random.normal(0, 0.003, count)))
    opens = np.concatenate([[2000.0], closes[:-1]])
    tops, bottoms = np.maximum(opens, closes) * 1.001, np.minimum(opens, closes) * 0.999
    values = np.column_stack([opens, tops, bottoms, closes, np.ones(count), closes])
    return FIRST + STEP * np.arange(count), values


def flaws(times: np.ndarray, values: np.ndarray) -> list[tuple[FlawKind, int, int]]:
    """Kind, hour and count of each."""
    found = find_flaws(times, values, HOUR)
    return [(one.kind, round((one.open_time - START).total_seconds() / 3600), one.count) for one in found]


def test_calm_candles_have_none() -> None:
    """Nor has nothing at all, nor a single candle."""
    times, values = walk(500)
    assert find_flaws(times, values, HOUR) == []
    assert find_flaws(times[:0], values[:0], HOUR) == []
    assert find_flaws(times[:1], values[:1], HOUR) == []


def test_each_kind_is_told_with_time_and_values() -> None:
    """All in one set of candles; rows may come in any order."""
    times, values = walk(400)
    values[50, 1] = values[50, 2] / 2
    values[60:63, 4] = 0.0
    values[80, 1] *= 1.4
    times = np.delete(times, [100, 101, 102])
    values = np.delete(values, [100, 101, 102], axis=0)
    times = np.concatenate([times, [times[10], times[20], times[30] + 1800_000]])
    values = np.concatenate([values, values[10:11], values[21:22], values[30:31]])
    assert flaws(times[::-1], values[::-1]) == [
        (FlawKind.DUPLICATE, 10, 1),
        (FlawKind.DUPLICATE, 20, 1),
        (FlawKind.OFF_GRID, 30, 1),
        (FlawKind.INCONSISTENT, 50, 1),
        (FlawKind.ZERO_VOLUME, 60, 3),
        (FlawKind.OUTLIER, 80, 1),
        (FlawKind.MISSING, 100, 3),
    ]
    found = {one.open_time: one for one in find_flaws(times, values, HOUR)}
    wild = found[START + 80 * HOUR.duration]
    assert wild.values is not None and wild.values[1] == values[80, 1]
    assert "the same candle again" in found[START + 10 * HOUR.duration].detail
    assert "another candle" in found[START + 20 * HOUR.duration].detail


def test_a_wrong_candle_does_not_make_its_neighbour_one() -> None:
    """The close of an outlier is no measure for the next; a price that stays where it jumped to is one finding."""
    times, values = walk(300)
    values[100, :4] *= 2
    assert flaws(times, values) == [(FlawKind.OUTLIER, 100, 1)]
    times, values = walk(300)
    values[100:, :4] *= 2
    assert flaws(times, values) == [(FlawKind.OUTLIER, 100, 1)]


def test_after_a_gap_the_price_may_be_another() -> None:
    """What happened meanwhile is not known."""
    times, values = walk(300)
    values[100:, :4] *= 2
    times[100:] += 20 * STEP
    assert [kind for kind, _, _ in flaws(times, values)] == [FlawKind.MISSING]


def test_lively_markets_have_a_wider_measure() -> None:
    """A move of 8 % stands out among thirds of a percent, not among two percent."""
    times, values = walk(300)
    values[150, 1] = values[150, 0] * 1.08
    assert flaws(times, values) == [(FlawKind.OUTLIER, 150, 1)]
    values[:, 1] *= 1.02
    assert flaws(times, values) == []


@given(
    st.lists(
        st.tuples(
            *[st.floats(allow_nan=False, allow_infinity=True, width=32)] * 4, st.floats(-1, 9), st.just(1.0)
        ),
        min_size=1,
        max_size=6,
    )
)
def test_the_rule_is_that_of_single_candles(rows: list[tuple[float, ...]]) -> None:
    """Arrays and `Candle.fault` agree."""
    values = np.array(rows, dtype=np.float64)
    expected = [candle_of(0, numbers).fault() is None for numbers in values.tolist()]
    assert consistent(values).tolist() == expected


def test_a_flaw_knows_its_stretch_of_time() -> None:
    """Repair asks for it."""
    flaw = CandleFlaw(FlawKind.MISSING, START, 3, "3 absent")
    assert flaw.range(HOUR) == TimeRange(START, START + 3 * HOUR.duration)
    assert CandleFlaw(FlawKind.UNREADABLE, None, 1, "x").range(HOUR) is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("okx_ETH-USDT_1H.csv.gz", {FlawKind.OUTLIER: 12}),
        ("okx_BTC-USDT_1m_2022q1_gaps.csv.gz", {FlawKind.MISSING: 93}),
        ("binance_BTCUSDT_1H_2017-2021_flaws.csv.gz", {FlawKind.MISSING: 8}),
    ],
)
def test_real_candles(shared_folder: Path, name: str, expected: dict[FlawKind, int]) -> None:
    """Figures that are known of the files; few candles of real markets are outliers."""
    file = read_candle_file(shared_folder / "data" / name, strict=False)
    found = find_flaws(file.open_times * 1000, file.values, file.interval)
    counts = {kind: sum(one.kind is kind for one in found) for kind in FlawKind}
    for kind, number in expected.items():
        assert counts[kind] == number, counts
    assert counts[FlawKind.OUTLIER] < 40
    assert not counts[FlawKind.INCONSISTENT] and not counts[FlawKind.DUPLICATE]
