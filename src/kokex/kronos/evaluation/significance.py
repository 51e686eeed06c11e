"""Is the difference between two forecasters more than luck? (Diebold and Mariano, 1995)"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats


@dataclass(frozen=True, slots=True)
class DieboldMariano:
    """Result of the test that two forecasters' losses are equal on average.

    Attributes:
        mean_difference: mean of (first loss - second loss); negative: the first is better.
        statistic: small-sample statistic (Harvey, Leybourne and Newbold, 1997); NaN when the losses never differ.
        p_value: two-sided, Student's t with windows - 1 degrees of freedom.
        lag: autocorrelations that the variance accounts for.
        windows: number of loss pairs.
    """

    mean_difference: float
    statistic: float
    p_value: float
    lag: int
    windows: int

    @property
    def verdict(self) -> str:
        """``better``, ``worse`` (5 %) or ``no difference``."""
        if not self.p_value < 0.05:
            return "no difference"
        return "better" if self.mean_difference < 0 else "worse"


def newey_west_variance(values: NDArray[np.float64], lag: int) -> float:
    """Long-run variance with Bartlett weights up to `lag`, which keeps it from falling below zero."""
    centred = values - values.mean()
    count = len(values)
    variance = float(centred @ centred) / count
    for shift in range(1, min(lag, count - 1) + 1):
        weight = 1 - shift / (lag + 1)
        variance += 2 * weight * float(centred[shift:] @ centred[:-shift]) / count
    return variance


def diebold_mariano(
    first: NDArray[np.float64], second: NDArray[np.float64], *, overlap: int = 1, lag: int | None = None
) -> DieboldMariano:
    """Compare the losses of two forecasters on the same windows, in time order.

    Args:
        first: (windows,) losses of the one.
        second: (windows,) losses of the other.
        overlap: how many successive windows share outcomes: ceil(horizon / stride); 1 when none do.
        lag: autocorrelations to account for; by default the larger of overlap - 1 and the usual
            floor(4 (windows / 100)^(2/9)).

    Raises:
        ValueError: the losses do not pair up or are fewer than 8.
    """
    if first.shape != second.shape or first.ndim != 1:
        raise ValueError(f"losses of shapes {first.shape} and {second.shape} do not pair up")
    count = len(first)
    if count < 8:
        raise ValueError(f"{count} windows are too few for the test; give 8 or more")
    if lag is None:
        lag = max(overlap - 1, int(4 * (count / 100) ** (2 / 9)))
    difference = np.asarray(first - second, dtype=np.float64)
    mean = float(difference.mean())
    variance = newey_west_variance(difference, lag) / count
    if variance <= 0:
        return DieboldMariano(mean, float("nan"), 1.0 if mean == 0 else 0.0, lag, count)
    correction = max((count + 1 - 2 * overlap + overlap * (overlap - 1) / count) / count, 1 / count)
    statistic = mean / np.sqrt(variance) * np.sqrt(correction)
    p_value = 2 * float(stats.t.sf(abs(statistic), df=count - 1))
    return DieboldMariano(mean, float(statistic), p_value, lag, count)
