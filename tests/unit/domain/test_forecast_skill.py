"""Scores of forecasts: figures that can be checked by hand, and silence where there are too few."""

from __future__ import annotations

from datetime import timedelta
from statistics import NormalDist

import numpy as np
import pytest
from numpy.typing import NDArray

from kokex.domain.candle import Interval
from kokex.domain.forecast import CLOSE, Forecast
from kokex.domain.forecast_skill import (
    BETTER,
    FEWEST_APART,
    FEWEST_FORECASTS,
    NO_DIFFERENCE,
    TOO_FEW,
    WORSE,
    ForecastScore,
    score,
    skill_of,
    summary_of,
)
from tests.builders import START

HOUR = Interval("1H")
PRICE = 2000.0


def forecast(changes: NDArray[np.float64], *, at: int = 0, horizon: int = 4) -> Forecast:
    """Paths whose last closes lie `changes` percent (logarithm) from the origin price."""
    paths = np.full((len(changes), horizon, 6), PRICE, dtype=np.float32)
    paths[:, -1, CLOSE] = PRICE * np.exp(changes / 100)
    return Forecast("ETH-USDT", HOUR, "test", START + timedelta(hours=at), PRICE, paths)


def past(width: float, number: int = 401) -> NDArray[np.float64]:
    """Closes that go up and down by `width` percent in turn, ending at the origin price."""
    steps = np.where(np.arange(number) % 2, width, 0.0)[::-1]
    return PRICE * np.exp((steps - steps[-1]) / 100)


def scored(number: int, spread: float, *, seed: int = 0, every: int = 4) -> list[ForecastScore]:
    """Forecasts that are `spread` percent wide, of outcomes that are 2 percent wide, each 4 candles long, one every `every` candles."""
    random = np.random.default_rng(seed)
    return [
        score(
            summary_of(index, forecast(random.normal(0, spread, 101), at=index * every)),
            PRICE * float(np.exp(random.normal(0, 2) / 100)),
            past(1.0),
        )
        for index in range(number)
    ]


def test_the_score_is_the_mean_distance_less_half_the_spread() -> None:
    """The estimator that is fair to few paths, in percent of the origin price."""
    changes = np.array([-3.0, -1.0, 0.5, 2.0])
    found = score(summary_of(1, forecast(changes)), PRICE * float(np.exp(0.01)), past(1.0))
    pairs = [abs(a - b) for i, a in enumerate(changes) for j, b in enumerate(changes) if i != j]
    assert found.crps == pytest.approx(np.abs(changes - 1.0).mean() - np.mean(pairs) / 2, abs=1e-4)


def test_the_baseline_is_a_walk_as_wide_as_the_past() -> None:
    """A normal distribution: its score agrees with samples of it, its bands hold what is within them."""
    walk = NormalDist(0, 1.0 * 4**0.5)
    samples = np.array([walk.inv_cdf((index + 0.5) / 4000) for index in range(4000)])
    inside = score(summary_of(1, forecast(np.array([0.1, 0.2]))), PRICE * float(np.exp(0.02)), past(1.0))
    again = score(summary_of(1, forecast(samples)), PRICE * float(np.exp(0.02)), past(1.0))
    assert inside.baseline_crps == pytest.approx(again.crps, rel=0.01)
    assert inside.baseline_inside == {50: False, 90: True}
    far = score(summary_of(1, forecast(np.array([0.1, 0.2]))), PRICE * float(np.exp(0.034)), past(1.0))
    assert far.baseline_inside == {50: False, 90: False}


def test_a_forecast_with_little_past_has_no_baseline_and_does_not_count() -> None:
    """Nor does one whose market never moved."""
    for closes in (past(1.0, 48), np.full(401, PRICE)):
        alone = score(summary_of(1, forecast(np.array([0.1, 0.2]))), 2010.0, closes)
        assert alone.baseline_crps is None and alone.baseline_inside == {}
        assert skill_of([alone] * 100).forecasts == 0


@pytest.mark.parametrize(
    ("changes", "actual", "right"),
    [
        ([1.0, 2.0, -1.0], 2010.0, True),
        ([1.0, 2.0, -1.0], 1990.0, False),
        ([-1.0, -2.0, 1.0], 1990.0, True),
        ([1.0, -1.0], 2010.0, None),
        ([1.0, 2.0, -1.0], 2000.0, None),
    ],
)
def test_direction(changes: list[float], actual: float, right: bool | None) -> None:
    """A draw among the paths calls nothing, and a price that did not move proves nothing."""
    assert score(summary_of(1, forecast(np.array(changes))), actual, past(1.0)).right is right


def test_too_few_are_said_to_be_too_few() -> None:
    """Counted, with the time they span, and without a single figure; forecasts that overlap are not apart."""
    for some in (scored(FEWEST_FORECASTS - 1, 1), scored(FEWEST_FORECASTS, 1, every=1)):
        skill = skill_of(some)
        assert skill.verdict == TOO_FEW and not skill.said and skill.forecasts == len(some)
        assert skill.crps is skill.baseline_crps is skill.hit_rate is skill.coverage is None
        assert skill.first_origin == START and skill.last_end is not None
    assert skill_of(scored(FEWEST_FORECASTS, 1, every=1)).apart == 8 < FEWEST_APART
    assert skill_of(scored(FEWEST_FORECASTS, 1)).said
    assert skill_of([]).verdict == TOO_FEW


def test_good_forecasts_are_told_from_bad_ones() -> None:
    """As wide as what comes: like the baseline, with bands that hold. Far too wide: worse. Knowing the outcome: better."""
    fair = skill_of(scored(400, 2.0))
    assert fair.verdict == NO_DIFFERENCE and fair.forecasts == fair.apart == 400
    assert fair.coverage is not None and abs(fair.coverage[90] - 0.9) < 0.06
    assert fair.hit_rate is not None and abs(fair.hit_rate - 0.5) < 0.1
    assert skill_of(scored(400, 8.0)).verdict == WORSE
    random = np.random.default_rng(3)
    known = []
    for index in range(100):
        outcome = float(random.normal(0, 2))
        made = summary_of(index, forecast(outcome + np.linspace(-0.5, 0.5, 51), at=4 * index))
        known.append(score(made, PRICE * float(np.exp(outcome / 100)), past(1.0)))
    better = skill_of(known)
    assert better.verdict == BETTER and better.crps is not None and better.baseline_crps is not None
    assert better.crps < better.baseline_crps and better.hit_rate == 1.0
