"""How forecasts did against what came: out of sample, since each was kept when it was made.

Scores are of the close at the horizon, in percent of the price at the origin (100 times the logarithm of their ratio). The baseline
beside them is a walk without drift, as wide as the closes before the origin moved: whoever cannot beat it has no edge to trade on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil, erf, exp, log, pi, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kokex.domain.forecast import Forecast

FEWEST_FORECASTS: Final = 30
FEWEST_APART: Final = 10
"""Below either, nothing is said: forecasts whose horizons overlap share their outcomes, so those apart are what counts."""
BASELINE_CLOSES: Final = 401
"""Closes before an origin that its baseline is drawn from; with fewer than 49 there is none."""
_FEWEST_CLOSES: Final = 49
_BANDS: Final = {50: (0.25, 0.75, 0.6744897501960817), 90: (0.05, 0.95, 1.6448536269514722)}
"""Quantiles of each band, and how many standard deviations wide a normal one is to each side."""
_CERTAIN: Final = 1.96
"""Standard errors beyond which a difference is hardly chance (5 in 100)."""

TOO_FEW: Final = "too few to say"
BETTER: Final = "better than the baseline"
WORSE: Final = "worse than the baseline"
NO_DIFFERENCE: Final = "no difference from the baseline that could not be chance"

_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ForecastSummary:
    """What is kept in mind of a forecast. Prices at its horizon, in quote currency.

    Attributes:
        bands: low and high end by share in percent (50, 90).
        crps_of: sorted changes of the paths at the horizon, in percent of the origin: what an outcome is scored against.
    """

    number: int
    forecaster: str
    origin_time: datetime
    ends_at: datetime
    origin_price: float
    horizon: int
    probability_up: float
    expected_return: float
    median: float
    bands: dict[int, tuple[float, float]]
    crps_of: _Floats


@dataclass(frozen=True, slots=True)
class ForecastScore:
    """One forecast whose horizon has passed. `right` is None where it called no direction, or the price did not move.

    Attributes:
        actual: the close that came.
        crps, baseline_crps: in percent of the origin price; lower is better. The baseline's is None without closes to draw it from.
        inside, baseline_inside: whether the outcome was in the band, by share in percent.
    """

    summary: ForecastSummary
    actual: float
    crps: float
    inside: dict[int, bool]
    right: bool | None
    baseline_crps: float | None
    baseline_inside: dict[int, bool]


@dataclass(frozen=True, slots=True)
class ForecastSkill:
    """Scores together; the figures are None where there are too few to say.

    Attributes:
        forecasts: how many were scored, `apart` of them with horizons that do not overlap.
        called: how many had a direction to be right or wrong about.
    """

    forecasts: int
    apart: int
    verdict: str
    first_origin: datetime | None
    last_end: datetime | None
    called: int = 0
    crps: float | None = None
    baseline_crps: float | None = None
    hit_rate: float | None = None
    coverage: dict[int, float] | None = None
    baseline_coverage: dict[int, float] | None = None

    @property
    def said(self) -> bool:
        """Whether there were enough."""
        return self.verdict != TOO_FEW


def summary_of(number: int, forecast: Forecast) -> ForecastSummary:
    """What matters of `forecast`."""
    finals = forecast.closes[:, -1].astype(np.float64)
    low_90, low_50, median, high_50, high_90 = np.quantile(finals, (0.05, 0.25, 0.5, 0.75, 0.95)).tolist()
    return ForecastSummary(
        number=number,
        forecaster=forecast.forecaster,
        origin_time=forecast.origin_time,
        ends_at=forecast.interval.shift(forecast.origin_time, forecast.horizon),
        origin_price=forecast.origin_price,
        horizon=forecast.horizon,
        probability_up=forecast.probability_up(),
        expected_return=forecast.expected_return(),
        median=median,
        bands={50: (low_50, high_50), 90: (low_90, high_90)},
        crps_of=np.sort(100 * np.log(finals / forecast.origin_price)),
    )


def score(summary: ForecastSummary, actual: float, closes_before: _Floats) -> ForecastScore:
    """`summary` against the close that came; `closes_before`: up to the origin's, oldest first."""
    outcome = 100 * log(actual / summary.origin_price)
    up = summary.probability_up
    down = float(np.mean(summary.crps_of < 0))
    width = _baseline_width(closes_before, summary.horizon)
    return ForecastScore(
        summary=summary,
        actual=actual,
        crps=_crps(summary.crps_of, outcome),
        inside={share: low <= actual <= high for share, (low, high) in summary.bands.items()},
        right=None if up == down or outcome == 0 else (up > down) == (outcome > 0),
        baseline_crps=None if width is None else _normal_crps(width, outcome),
        baseline_inside={}
        if width is None
        else {share: abs(outcome) <= sds * width for share, (_, _, sds) in _BANDS.items()},
    )


def skill_of(scores: Sequence[ForecastScore]) -> ForecastSkill:
    """Scores together, of one plan and horizon."""
    scored = sorted(
        (one for one in scores if one.baseline_crps is not None), key=lambda one: one.summary.origin_time
    )
    apart = _apart(scored)
    first = scored[0].summary.origin_time if scored else None
    last = max((one.summary.ends_at for one in scored), default=None)
    if len(scored) < FEWEST_FORECASTS or apart < FEWEST_APART:
        return ForecastSkill(len(scored), apart, TOO_FEW, first, last)
    crps = np.array([one.crps for one in scored])
    baseline = np.array([one.baseline_crps for one in scored], dtype=np.float64)
    called = [one.right for one in scored if one.right is not None]
    return ForecastSkill(
        forecasts=len(scored),
        apart=apart,
        verdict=_verdict(crps - baseline, ceil(len(scored) / apart)),
        first_origin=first,
        last_end=last,
        called=len(called),
        crps=float(crps.mean()),
        baseline_crps=float(baseline.mean()),
        hit_rate=sum(called) / len(called) if called else None,
        coverage={share: sum(one.inside[share] for one in scored) / len(scored) for share in _BANDS},
        baseline_coverage={
            share: sum(one.baseline_inside[share] for one in scored) / len(scored) for share in _BANDS
        },
    )


def _apart(scored: Sequence[ForecastScore]) -> int:
    """How many of them, taken from the first on, do not reach into the next one taken."""
    count, free_from = 0, None
    for one in scored:
        if free_from is None or one.summary.origin_time >= free_from:
            count, free_from = count + 1, one.summary.ends_at
    return count


def _baseline_width(closes: _Floats, horizon: int) -> float | None:
    """Standard deviation of a driftless walk over the horizon, in percent."""
    if len(closes) < _FEWEST_CLOSES:
        return None
    steps = 100 * np.diff(np.log(closes))
    width = float(np.sqrt(np.mean(steps**2) * horizon))
    return width or None


def _crps(ordered: _Floats, outcome: float) -> float:
    """Continuous ranked probability score of sorted samples, the estimator that is fair to few of them."""
    number = len(ordered)
    error = float(np.abs(ordered - outcome).mean())
    if number == 1:
        return error
    weights = 2 * np.arange(1, number + 1) - number - 1
    return error - float(weights @ ordered) / (number * (number - 1))


def _normal_crps(width: float, outcome: float) -> float:
    """The same of a normal distribution around zero (Gneiting and Raftery 2007)."""
    z = outcome / width
    density, below = exp(-z * z / 2) / sqrt(2 * pi), (1 + erf(z / sqrt(2))) / 2
    return width * (z * (2 * below - 1) + 2 * density - 1 / sqrt(pi))


def _verdict(differences: _Floats, reach: int) -> str:
    """Diebold and Mariano's test, with the variance of means of neighbours that overlap (Newey and West) over `reach` of them."""
    number, mean = len(differences), float(differences.mean())
    centred = differences - mean
    variance = float(centred @ centred) / number
    for lag in range(1, min(reach, number - 1) + 1):
        variance += 2 * (1 - lag / (reach + 1)) * float(centred[lag:] @ centred[:-lag]) / number
    if variance <= 0 or abs(mean) <= _CERTAIN * sqrt(variance / number):
        return NO_DIFFERENCE
    return BETTER if mean < 0 else WORSE
