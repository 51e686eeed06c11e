"""Series, splits and windows: bad input is refused, and nothing after a context touches its normalisation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokex.kronos import errors
from kokex.kronos.normalisation import Normalisation
from kokex.kronos.training import BadSettingsError, CandleSeries, cut_windows, split_by_time
from kokex.kronos.training.splits import Part

HOUR = 3600


def candles(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    close = 1000 * np.exp(np.cumsum(rng.normal(0, 0.005, count)))
    opens = np.concatenate([[1000.0], close[:-1]])
    high, low = np.maximum(opens, close) * 1.001, np.minimum(opens, close) * 0.999
    volume = rng.uniform(10, 20, count)
    return np.column_stack([opens, high, low, close, volume, volume * close])


def series(count: int, seed: int = 0) -> CandleSeries:
    return CandleSeries.from_arrays(candles(count, seed), np.arange(count) * HOUR)


@given(
    cut=st.integers(2, 30),
    at=st.integers(0, 9),
    column=st.integers(0, 5),
    factor=st.floats(0.01, 100, allow_nan=False),
)
def test_no_candle_after_the_context_changes_what_the_context_is_normalised_by(
    cut: int, at: int, column: int, factor: float
) -> None:
    """Changing any later candle leaves every normalised context value, bit for bit."""
    whole = series(40)
    changed_values = whole.values.copy()
    changed_values[30 + at, column] *= factor
    changed = CandleSeries(changed_values, whole.open_times, HOUR)
    before, after = (
        cut_windows(s, Part(0, 40), context=30, horizon=10, shortest_context=cut, seed=3)
        for s in (whole, changed)
    )
    rows = np.arange(len(before))
    first, second = before.normalised(rows), after.normalised(rows)
    assert np.array_equal(first[:, :30], second[:, :30])
    untouched = np.delete(np.arange(40), 30 + at)
    assert np.array_equal(first[:, untouched], second[:, untouched])


def test_windows_are_normalised_as_the_forecaster_normalises() -> None:
    """Context figures, population deviation, clipped to 5."""
    whole = series(200)
    windows = cut_windows(whole, Part(0, 200), context=40, horizon=20, stride=17)
    normalised = windows.normalised(np.arange(len(windows)))
    for row, start in enumerate(windows.starts):
        figures = Normalisation.of(whole.values[start : start + 40])
        expected = figures.apply(whole.values[start : start + 60])
        np.testing.assert_allclose(normalised[row], expected, rtol=1e-5, atol=1e-6)


def test_shorter_contexts_are_drawn_between_the_limits_and_the_same_for_equal_seeds() -> None:
    """A window keeps its length whatever its context."""
    first, second = (
        cut_windows(series(300), Part(0, 300), context=50, horizon=10, shortest_context=20, seed=5)
        for _ in range(2)
    )
    assert np.array_equal(first.contexts, second.contexts)
    assert first.contexts.min() >= 20
    assert first.contexts.max() <= 50
    assert len(np.unique(first.contexts)) > 10
    assert first.normalised(np.array([0])).shape == (1, 60, 6)


def test_no_window_crosses_a_gap_in_time() -> None:
    """Windows lie before the gap or after it."""
    times = np.arange(100) * HOUR
    times[60:] += 5 * HOUR
    gapped = CandleSeries.from_arrays(candles(100), times)
    windows = cut_windows(gapped, Part(0, 100), context=20, horizon=10)
    assert set(windows.starts) == set(range(31)) | set(range(60, 71))


def test_windows_without_a_price_move_in_their_context_are_left_out_and_counted() -> None:
    """A constant context cannot be normalised; the rest of the windows stay."""
    values = candles(100)
    values[:50, :4] = 1000.0
    windows = cut_windows(
        CandleSeries.from_arrays(values, np.arange(100) * HOUR), Part(0, 100), context=20, horizon=5
    )
    assert windows.skipped == 31
    assert windows.starts.min() == 31


def test_parts_are_in_order_with_a_whole_window_between_them() -> None:
    """No candle of a window in one part lies in the part before it, and the test part ends the series."""
    split = split_by_time(10_000, 120, validation_share=0.15, test_share=0.15)
    assert split.test.stop == 10_000
    assert len(split.test) == 1500
    assert split.validation.start - split.train.stop >= 120
    assert split.test.start - split.validation.stop >= 120
    windows = cut_windows(series(10_000), split.train, context=100, horizon=20)
    assert windows.starts.max() + windows.length <= split.train.stop


def test_a_split_too_small_for_a_window_is_refused() -> None:
    """The message says how many candles were left."""
    with pytest.raises(BadSettingsError, match="fewer than a window of 448"):
        split_by_time(1000, 448)


def _with(**changes: object) -> dict[str, np.ndarray]:
    table = candles(50)
    columns = dict(zip(("open", "high", "low", "close", "volume", "amount"), table.T.copy(), strict=True))
    columns["ts"] = np.arange(50) * HOUR
    for name, change in changes.items():
        change(columns[name])  # type: ignore[operator]
    return columns


def _put(at: int, value: float):  # type: ignore[no-untyped-def]
    def change(column: np.ndarray) -> None:
        column[at] = value

    return change


@pytest.mark.parametrize(
    ("columns", "error", "words"),
    [
        (_with(close=_put(7, np.nan)), errors.NotFiniteError, "candle 7: close"),
        (_with(high=_put(7, np.inf)), errors.NotFiniteError, "candle 7: high"),
        (_with(ts=_put(9, 8 * HOUR)), errors.DuplicatedTimesError, "same time"),
        (_with(ts=_put(9, 3 * HOUR)), errors.TimesNotIncreasingError, "earlier than the one before"),
        (_with(ts=_put(9, 9 * HOUR + 7)), errors.IntervalMismatchError, "the interval is"),
        (_with(low=_put(3, 0.0)), errors.CandlesError, "low of candle 3"),
        (_with(volume=_put(3, -1.0)), errors.CandlesError, "negative volume"),
        (_with(volume=lambda column: column.fill(0.0)), errors.ZeroVolumeError, "volume is zero"),
        ({k: v for k, v in _with().items() if k != "low"}, errors.MissingColumnError, "lack low"),
        ({k: v for k, v in _with().items() if k != "ts"}, errors.MissingColumnError, "lack a time column"),
        (
            _with(**{c: lambda column: column.fill(5.0) for c in ("open", "high", "low", "close")}),
            errors.ConstantPricesError,
            "all 50 candles stand at",
        ),
    ],
)
def test_bad_candles_are_refused_with_the_cause(
    columns: dict[str, np.ndarray], error: type[Exception], words: str
) -> None:
    """One error class a cause, and the message says where."""
    with pytest.raises(error, match=words):
        CandleSeries.from_frame(columns, "1H")


def test_an_interval_that_the_candles_do_not_have_is_refused() -> None:
    """Hourly candles are neither daily nor minutely."""
    for interval in ("1D", "1m"):
        with pytest.raises(errors.IntervalMismatchError):
            CandleSeries.from_frame(_with(), interval)
    with pytest.raises(errors.CandlesError, match="not understood"):
        CandleSeries.from_frame(_with(), "hourly")


def test_fewer_candles_than_a_window_are_refused() -> None:
    """The message compares both numbers."""
    with pytest.raises(errors.TooFewCandlesError, match="50 candles are fewer than a window of 60"):
        cut_windows(series(50), Part(0, 50), context=50, horizon=10)


def test_csv_pandas_polars_and_arrays_give_the_same_series(tmp_path: Path) -> None:
    """However it was read, the fingerprint is the same."""
    columns = _with()
    frame = pd.DataFrame(columns)
    stamped = frame.assign(
        ts=pd.to_datetime(frame["ts"], unit="s", utc=True).dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    )
    stamped.to_csv(tmp_path / "candles.csv.gz", index=False)
    expected = CandleSeries.from_arrays(candles(50), columns["ts"]).fingerprint()
    assert CandleSeries.from_frame(frame).fingerprint() == expected
    assert CandleSeries.from_frame(pl.DataFrame(columns)).fingerprint() == expected
    assert CandleSeries.from_csv(tmp_path / "candles.csv.gz").fingerprint() == expected


def test_a_blank_amount_is_volume_times_the_mean_price_and_a_blank_volume_makes_both_zero() -> None:
    """The rule of the published model."""
    columns = _with(amount=lambda column: column.fill(np.nan))
    read = CandleSeries.from_frame(columns)
    np.testing.assert_allclose(read.values[:, 5], read.values[:, 4] * read.values[:, :4].mean(axis=1))
    columns["volume"][:] = np.nan
    assert not CandleSeries.from_frame(columns).values[:, 4:].any()


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    """Half a gzip file names itself."""
    pd.DataFrame(_with()).to_csv(tmp_path / "whole.csv.gz", index=False)
    half = tmp_path / "half.csv.gz"
    half.write_bytes((tmp_path / "whole.csv.gz").read_bytes()[:300])
    with pytest.raises(errors.CandlesError, match=r"half\.csv\.gz"):
        CandleSeries.from_csv(half)


def test_time_features_are_those_of_the_open_time() -> None:
    """2024-03-03 was a Sunday."""
    times = np.array(["2024-03-03T21:00", "2024-03-03T22:00", "2024-03-03T23:00"], dtype="datetime64[s]")
    assert CandleSeries.from_arrays(candles(3), times).stamps()[0].tolist() == [0, 21, 6, 3, 3]
