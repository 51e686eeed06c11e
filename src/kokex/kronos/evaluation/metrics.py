"""Scores of sampled forecasts, per horizon step.

Everywhere `samples` is (windows, paths, steps) and `actual` is (windows, steps), in the same unit; scores keep the
window and step axes so that they can be averaged, compared and tested.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Array = NDArray[np.float64]

BANDS = (0.50, 0.80, 0.90, 0.95)
PINBALL_LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)


def crps(samples: Array, actual: Array) -> Array:
    """Continuous ranked probability score, the estimator that is fair to few paths -> (windows, steps).

    E|X - y| - E|X - X'| / 2, the second mean over different paths only. Lower is better; a point forecast's is its
    absolute error. With one path the second term is zero.
    """
    paths = samples.shape[1]
    error = np.abs(samples - actual[:, None, :]).mean(axis=1)
    if paths == 1:
        return np.asarray(error)
    ordered = np.sort(samples, axis=1)
    weights = (2 * np.arange(1, paths + 1) - paths - 1).astype(
        np.float64
    )  # sum |x_i - x_j| over sorted values
    spread = np.einsum("wps,p->ws", ordered, weights) * 2 / (paths * (paths - 1))
    return np.asarray(error - spread / 2)


def pinball(samples: Array, actual: Array, levels: tuple[float, ...] = PINBALL_LEVELS) -> Array:
    """Pinball loss of each quantile level -> (levels, windows, steps)."""
    quantiles = sample_quantiles(samples, levels)  # (levels, windows, steps)
    error = actual[None] - quantiles
    level = np.asarray(levels)[:, None, None]
    return np.asarray(np.maximum(level * error, (level - 1) * error))


def sample_quantiles(samples: Array, levels: tuple[float, ...]) -> Array:
    """Quantiles over the paths, at the plotting positions i/(n+1) that keep coverage exact -> (levels, windows, steps)."""
    return np.asarray(np.quantile(samples, levels, axis=1, method="weibull"))


@dataclass(frozen=True, slots=True)
class Band:
    """Central interval of one nominal share.

    Attributes:
        nominal: share of outcomes that it should hold.
        coverage: (steps,) share that it held.
        width: (steps,) mean width.
    """

    nominal: float
    coverage: Array
    width: Array


def bands(samples: Array, actual: Array, nominal: tuple[float, ...] = BANDS) -> tuple[Band, ...]:
    """Coverage and width of central intervals."""
    return tuple(_band(samples, actual, share) for share in nominal)


def _band(samples: Array, actual: Array, share: float) -> Band:
    low, high = sample_quantiles(samples, ((1 - share) / 2, (1 + share) / 2))
    held = (actual >= low) & (actual <= high)
    return Band(share, held.mean(axis=0), (high - low).mean(axis=0))


def pit(samples: Array, actual: Array, seed: int = 0) -> Array:
    """Probability integral transform, ties broken at random -> (windows, steps) in (0, 1), uniform when calibrated."""
    below = (samples < actual[:, None, :]).sum(axis=1)
    equal = (samples == actual[:, None, :]).sum(axis=1)
    chance = np.random.default_rng(seed).random(actual.shape)
    return np.asarray((below + chance * (equal + 1)) / (samples.shape[1] + 1))


def pit_histogram(values: Array, bins: int = 10) -> Array:
    """Share of PIT values in each of `bins` equal bins -> (bins,); calibrated means 1/bins everywhere."""
    counts, _ = np.histogram(values, bins=bins, range=(0.0, 1.0))
    return np.asarray(counts / max(values.size, 1))


@dataclass(frozen=True, slots=True)
class PointErrors:
    """Errors of the median: (steps,) mean absolute, (steps,) root mean square."""

    mae: Array
    rmse: Array


def point_errors(samples: Array, actual: Array) -> PointErrors:
    """MAE and RMSE of the median over the paths."""
    error = np.median(samples, axis=1) - actual
    return PointErrors(np.abs(error).mean(axis=0), np.sqrt((error**2).mean(axis=0)))


@dataclass(frozen=True, slots=True)
class Direction:
    """How often the more likely direction was the right one, per step.

    Attributes:
        accuracy: (steps,) share right; NaN where no window had both a call and a move.
        low: (steps,) lower end of the 95 % Wilson interval.
        high: (steps,) upper end.
        called: (steps,) windows with a call (more paths on one side than the other) and a move.
    """

    accuracy: Array
    low: Array
    high: Array
    called: NDArray[np.int64]


def direction(samples: Array, actual: Array) -> Direction:
    """Directional accuracy of samples and outcomes that are changes from the origin (0 is no change)."""
    call = np.sign((samples > 0).sum(axis=1) - (samples < 0).sum(axis=1))
    moved = np.sign(actual)
    counted = (call != 0) & (moved != 0)
    right = ((call == moved) & counted).sum(axis=0)
    total = counted.sum(axis=0)
    low, high = wilson_interval(right, total)
    with np.errstate(invalid="ignore", divide="ignore"):
        accuracy = np.where(total > 0, right / total, np.nan)
    return Direction(accuracy, low, high, total.astype(np.int64))


def wilson_interval(
    right: NDArray[np.int64], total: NDArray[np.int64], level: float = 0.95
) -> tuple[Array, Array]:
    """Wilson score interval of a share; NaN where total is 0."""
    z = float(stats.norm.ppf((1 + level) / 2))
    count = np.where(total > 0, total, 1).astype(np.float64)
    share = right / count
    centre = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    empty = total == 0
    return np.where(empty, np.nan, centre - half), np.where(empty, np.nan, centre + half)


def rank_ic(samples: Array, actual: Array) -> Array:
    """Spearman correlation over the windows between the median forecast and the outcome -> (steps,).

    NaN where either side is the same in every window (persistence, say).
    """
    median = np.median(samples, axis=1)
    return np.asarray([_spearman(median[:, step], actual[:, step]) for step in range(actual.shape[1])])


def _spearman(first: Array, second: Array) -> float:
    if len(first) < 3 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(stats.spearmanr(first, second).statistic)
