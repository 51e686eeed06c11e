"""Windows over a candle series, normalised by their context alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kokex.kronos.errors import ConstantPricesError, RequestError, TooFewCandlesError
from kokex.kronos.normalisation import CLIP, SCALE_EPS
from kokex.kronos.training.series import CandleSeries
from kokex.kronos.training.splits import Part


@dataclass(frozen=True, slots=True)
class WindowSet:
    """Windows of context + horizon candles inside one part of a series.

    Attributes:
        series: all candles.
        starts: (windows,) index of each window's first candle.
        contexts: (windows,) how many of its first candles normalise it; `length` minus that many are its future.
        length: candles in a window.
        skipped: windows left out because their context has one price only.
    """

    series: CandleSeries
    starts: NDArray[np.int64]
    contexts: NDArray[np.int64]
    length: int
    skipped: int

    def __len__(self) -> int:
        return len(self.starts)

    def normalised(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """(rows, length, 6) of the windows `rows`, each by its own context's mean and deviation, clipped to 5."""
        raw = self.series.values[self.starts[rows, None] + np.arange(self.length)]
        return normalise_by_context(raw, self.contexts[rows])

    def stamps(self) -> NDArray[np.int64]:
        """(windows, length, 5) time features of every window's candles."""
        return np.asarray(self.series.stamps()[self.starts[:, None] + np.arange(self.length)])


def normalise_by_context(windows: NDArray[np.float64], contexts: NDArray[np.int64]) -> NDArray[np.float32]:
    """Normalise windows (b, length, 6) by the first contexts[i] candles of each -> (b, length, 6) float32.

    Population deviation, `(x - mean) / (std + 1e-5)`, clipped to [-5, 5]: what the forecaster does at inference, so
    nothing after the context has any part in the figures.
    """
    inside = (np.arange(windows.shape[1]) < contexts[:, None])[:, :, None]  # (b, length, 1)
    count = contexts[:, None, None].astype(np.float64)
    mean = np.where(inside, windows, 0.0).sum(axis=1, keepdims=True) / count
    variance = (np.where(inside, windows - mean, 0.0) ** 2).sum(axis=1, keepdims=True) / count
    scaled = (windows - mean) / (np.sqrt(variance) + SCALE_EPS)
    return np.asarray(np.clip(scaled, -CLIP, CLIP), dtype=np.float32)


def cut_windows(
    series: CandleSeries,
    part: Part,
    *,
    context: int,
    horizon: int,
    stride: int = 1,
    shortest_context: int | None = None,
    seed: int = 0,
) -> WindowSet:
    """Cut every `stride`-th window of `part` that crosses no gap in time.

    Args:
        series: the candles.
        part: where the windows must lie entirely.
        context: candles that a forecast is given.
        horizon: candles after them.
        stride: candles between the starts of two windows.
        shortest_context: when given, a window is normalised by its first c candles with c drawn from
            shortest_context..context, so that more of its candles are an honest future. The length stays.
        seed: of that draw.

    Raises:
        TooFewCandlesError, ConstantPricesError: no window is left (too few candles, too many gaps, constant prices).
        RequestError: the shortest context is impossible.
    """
    length = context + horizon
    starts = np.arange(part.start, part.stop - length + 1, stride, dtype=np.int64)
    if len(starts) == 0:
        raise TooFewCandlesError(
            f"{len(part)} candles are fewer than a window of {length} ({context} + {horizon})"
        )
    span = series.open_times[starts + length - 1] - series.open_times[starts]
    whole = starts[span == (length - 1) * series.interval_seconds]
    if len(whole) == 0:
        raise TooFewCandlesError(
            f"no {length} candles follow one another without a gap; fill the gaps or shorten the window"
        )
    shortest = context if shortest_context is None else shortest_context
    if not 2 <= shortest <= context:
        raise RequestError(f"shortest context {shortest} must lie between 2 and the context of {context}")
    contexts = np.random.default_rng(seed).integers(shortest, context + 1, size=len(whole))
    moving = _prices_move(series, whole, contexts)
    if not moving.any():
        raise ConstantPricesError(f"prices are constant in the context of all {len(whole)} windows")
    return WindowSet(series, whole[moving], contexts[moving], length, int((~moving).sum()))


def _prices_move(
    series: CandleSeries, starts: NDArray[np.int64], contexts: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """(windows,) whether a window's context holds more than one price."""
    prices = series.values[:, :4]
    inside = np.ptp(prices, axis=1) > 0  # (n,) within the candle
    between = np.concatenate([[False], prices[1:, 0] != prices[:-1, 3]])  # (n,) against the candle before
    moves_inside = np.concatenate([[0], np.cumsum(inside)])
    moves_between = np.concatenate([[0], np.cumsum(between)])
    stops = starts + contexts
    counted = moves_inside[stops] - moves_inside[starts] + moves_between[stops] - moves_between[starts + 1]
    return np.asarray(counted > 0)
