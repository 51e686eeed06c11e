"""What a size is judged by: what a forecast promises after costs, what the market's candles did, what a forecaster was measured to know.

Forecast statistics are floats: they are estimates, and no money is counted with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite, sqrt
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from kokex.domain.forecast import Forecast
from kokex.domain.forecast_skill import WORSE, ForecastSkill
from kokex.domain.instrument import InstrumentKind, Side
from kokex.domain.interval import Interval

FEES: Final = {InstrumentKind.SPOT: Decimal("0.001"), InstrumentKind.SWAP: Decimal("0.0005")}
"""Fee of taking, as a share of the value of each side (OKX v5, regular users)."""
YEAR_SECONDS: Final = 365 * 86_400
"""These markets never close."""
FEWEST_RETURNS: Final = 20
"""Fewer returns say nothing of a volatility."""
VOLATILITY_CANDLES: Final = 101
"""So many of the newest closes are looked at: 100 returns."""
FULL_SCORE: Final = 0.05
"""A CRPS this share below the best baseline's counts in full."""
FULL_ADVANTAGE: Final = 0.10
"""So does being right in so much larger a share of the calls than wrong (55 % of them right)."""


def round_trip(kind: InstrumentKind, slippage: Decimal) -> Decimal:
    """What going in and out costs, as a share of the value."""
    return 2 * (FEES[kind] + slippage)


@dataclass(frozen=True, slots=True)
class Prospect:
    """A holding's return to the forecast's horizon, over its paths, from the present price and after costs.

    Attributes:
        mean, variance: of the return, as a share and its square.
        cost: what going in and out costs, taken off already.
    """

    side: Side
    mean: float
    variance: float
    cost: float
    horizon: int
    paths: int

    @property
    def edge(self) -> float:
        """The mean in standard deviations; 0 where the paths have no spread or are no numbers."""
        return self.mean / sqrt(self.variance) if self._sound else 0.0

    @property
    def full_kelly(self) -> float:
        """Share of the capital that makes it grow fastest if the paths tell the truth, never below 0.

        mean / variance: the second-order approximation of the largest mean logarithm of growth (Kelly 1956; Thorp 2006, section 7).
        """
        return max(self.mean, 0.0) / self.variance if self._sound else 0.0

    @property
    def _sound(self) -> bool:
        return isfinite(self.mean) and isfinite(self.variance) and self.variance > 1e-18


def prospect(forecast: Forecast, side: Side, price: Decimal, cost: Decimal) -> Prospect:
    """What `forecast` promises whoever goes in at `price` on that side."""
    ends = forecast.closes[:, -1].astype(np.float64)
    returns = side.sign * (ends / float(price) - 1) - float(cost)
    return Prospect(
        side, float(returns.mean()), float(returns.var()), float(cost), forecast.horizon, len(returns)
    )


@dataclass(frozen=True, slots=True)
class Volatility:
    """Standard deviation of returns, brought to a year, from that many of them."""

    yearly: float
    returns: int


def volatility(closes: NDArray[np.floating[Any]], interval: Interval) -> Volatility | None:
    """From closing prices, oldest first; None from too few, or where they are no prices.

    Sample standard deviation of the logarithms of close over close before, times the root of candles a year (the historical volatility of
    Hull, "Options, Futures, and Other Derivatives", chapter on the Black-Scholes model).
    """
    prices = np.asarray(closes, dtype=np.float64)
    if len(prices) <= FEWEST_RETURNS or not np.all(np.isfinite(prices)) or np.any(prices <= 0):
        return None
    returns = np.diff(np.log(prices))
    return Volatility(float(returns.std(ddof=1)) * sqrt(YEAR_SECONDS / interval.seconds), len(returns))


@dataclass(frozen=True, slots=True)
class MeasuredSkill:
    """What a forecaster was measured to know, on candles that it had not learnt from.

    Attributes:
        of: who was measured.
        score: by how much its CRPS is below the best baseline's, as a share of that; negative: above.
        better: the difference to every baseline is no luck (Diebold and Mariano, 5 %).
        right_at_least: lower end of the 95 % interval of the share of right calls of direction; None: no calls.
        windows: forecasts that were judged.
    """

    of: str
    score: float
    better: bool
    right_at_least: float | None
    windows: int

    @property
    def factor(self) -> float:
        """0 (as good as nothing) to 1 (counts in full): the lesser of distribution and direction; 0 where either may be luck."""
        if not self.better or self.right_at_least is None or not isfinite(self.score):
            return 0.0
        of_distribution = self.score / FULL_SCORE
        of_direction = (2 * self.right_at_least - 1) / FULL_ADVANTAGE
        return min(max(min(of_distribution, of_direction), 0.0), 1.0)


@dataclass(frozen=True, slots=True)
class LiveSkill:
    """What a forecaster's own forecasts were worth: each kept when it was made, against the close that came.

    Attributes:
        of: whose forecasts.
        score: by how much their CRPS is below that of a walk without drift, as a share of that; negative: above.
        worse: it is above, and that is hardly chance.
        right: share of right calls of direction; None: no calls.
        forecasts: how many were scored.
    """

    of: str
    score: float
    worse: bool
    right: float | None
    forecasts: int

    @property
    def factor(self) -> float:
        """0 to 1, by the same measure as `MeasuredSkill.factor`, of the figures as they are.

        The proof is the evaluation's: it has many more outcomes. These few prove nothing, but may say that less is left of it.
        """
        if self.worse or self.right is None or not isfinite(self.score):
            return 0.0
        of_direction = (2 * self.right - 1) / FULL_ADVANTAGE
        return min(max(min(self.score / FULL_SCORE, of_direction), 0.0), 1.0)


def live_skill(of: str, found: ForecastSkill) -> LiveSkill | None:
    """Of a version's scores; None where there are too few to say."""
    if not found.said or found.crps is None or not found.baseline_crps:
        return None
    return LiveSkill(
        of=of,
        score=1 - found.crps / found.baseline_crps,
        worse=found.verdict == WORSE,
        right=found.hit_rate,
        forecasts=found.forecasts,
    )


def read_skill(of: str, evaluation: Mapping[str, Any] | None, horizon: int) -> MeasuredSkill | None:
    """From a model version's evaluation, for forecasts of `horizon` candles; None where nothing was measured, or not against a baseline."""
    if not evaluation:
        return None
    scores = evaluation.get("scores") or {}
    order = [name for name in evaluation.get("order") or () if name in scores]
    if not order:
        return None
    own = order[0]
    forms = [name for name in order if name == own or name.startswith(f"{own}, ")]
    judged = next((name for name in forms if name == f"{own}, conformal"), own)
    baselines = [name for name in order if name not in forms]
    losses = [scores[name].get("crps_mean") for name in (judged, *baselines)]
    if not baselines or any(loss is None or loss <= 0 for loss in losses):
        return None
    verdicts = {
        pair["second"]: pair["overall"]["verdict"]
        for pair in evaluation.get("diebold_mariano") or ()
        if pair["first"] == judged
    }
    return MeasuredSkill(
        of=of,
        score=1 - losses[0] / min(losses[1:]),
        better=all(verdicts.get(name) == "better" for name in baselines),
        right_at_least=_direction(scores[judged], horizon),
        windows=int(scores[judged].get("windows") or 0),
    )


def _direction(scores: Mapping[str, Any], horizon: int) -> float | None:
    """At the horizon's own step, or at the last that was measured."""
    low = (scores.get("direction") or {}).get("low") or []
    value = low[min(horizon, len(low)) - 1] if low else None
    return None if value is None else float(value)
