"""Baselines and the walk-forward frame: nothing from after an origin reaches a forecast."""

from __future__ import annotations

import numpy as np
import pytest

from kokex.kronos.evaluation.baselines import BlockBootstrap, Drift, Garch, Seasonal, standard_baselines
from kokex.kronos.evaluation.walk_forward import PathSampler, forecast_origins, walk_forward
from kokex.kronos.training import CandleSeries, Part

HOUR = 3600
ORIGINS = np.array([700, 712, 724])


def series(count: int = 800, seed: int = 0, deviation: float = 0.01) -> CandleSeries:
    rng = np.random.default_rng(seed)
    close = 1000 * np.exp(np.cumsum(rng.normal(0, deviation, count)))
    values = np.column_stack([close, close, close, close, np.ones(count), close])
    return CandleSeries(values, np.arange(count) * HOUR, HOUR)


@pytest.mark.parametrize("baseline", standard_baselines(), ids=lambda b: b.name)
def test_a_baseline_sees_nothing_from_its_origin_on(baseline: PathSampler) -> None:
    """Other futures, equal forecasts."""
    known = series()
    values = known.values.copy()
    values[ORIGINS[0] :] *= 3
    changed = CandleSeries(values, known.open_times, HOUR)
    first, second = (baseline.sample(s, ORIGINS[:1], 12, 30) for s in (known, changed))
    assert first.shape == (1, 30, 12)
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("baseline", standard_baselines(), ids=lambda b: b.name)
def test_a_baseline_repeats_itself_and_starts_from_the_last_close(baseline: PathSampler) -> None:
    """Seeded; the first step is near the last known close."""
    first, second = (baseline.sample(series(), ORIGINS, 12, 200) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    last = series().values[ORIGINS - 1, 3]
    np.testing.assert_allclose(np.median(first[:, :, 0], axis=1), last, rtol=0.005)


@pytest.mark.parametrize("baseline", [Drift(), BlockBootstrap(), Seasonal(), Garch()], ids=lambda b: b.name)
def test_spread_grows_with_the_root_of_the_horizon(baseline: PathSampler) -> None:
    """On independent returns of 1 %, every baseline's deviation after 9 steps is near 3 %."""
    paths = baseline.sample(series(1500), np.array([1400]), 9, 4000)[0]
    deviation = np.log(paths / series(1500).values[1399, 3]).std(axis=0)
    assert deviation[8] == pytest.approx(0.03, rel=0.2)
    assert deviation[0] == pytest.approx(0.01, rel=0.2)


def test_the_seasonal_baseline_knows_the_hour() -> None:
    """Prices jump at noon only; forecasts do too."""
    count = 800
    hours = np.arange(count) % 24
    close = 1000 * np.exp(np.cumsum(np.where(hours == 12, 0.01, 0.0)))
    noon = CandleSeries(np.column_stack([close] * 4 + [np.ones(count)] * 2), np.arange(count) * HOUR, HOUR)
    paths = Seasonal().sample(noon, np.array([24 * 30]), 24, 10)[0]
    changes = np.diff(np.log(paths), axis=1)
    assert (changes[:, 11] > 0.009).all()
    assert np.abs(np.delete(changes, 11, axis=1)).max() < 1e-12


def test_origins_leave_room_for_context_and_outcome_and_cross_no_gap() -> None:
    """The context may begin before the part, the outcome lies within it."""
    known = series()
    origins = forecast_origins(known, Part(400, 500), context=50, horizon=24, stride=12)
    assert origins.tolist() == [400, 412, 424, 436, 448, 460, 472]
    times = known.open_times.copy()
    times[450:] += 3 * HOUR
    gapped = CandleSeries(known.values, times, HOUR)
    assert forecast_origins(gapped, Part(400, 500), context=20, horizon=24, stride=12).tolist() == [
        400,
        412,
        424,
        472,
    ]
    with pytest.raises(ValueError, match="no origin"):
        forecast_origins(known, Part(400, 410), context=50, horizon=24, stride=12)


def test_walk_forward_pairs_forecasts_with_what_came() -> None:
    """Outcomes are log changes from the last known close, in percent."""
    known = series()
    result = walk_forward(standard_baselines()[0], known, ORIGINS, horizon=3, paths=2, stride=12)
    closes = known.values[:, 3]
    assert result.actual[1, 2] == pytest.approx(100 * np.log(closes[714] / closes[711]))
    assert not result.samples.any()
    assert result.overlap == 1


def test_too_short_a_past_is_refused() -> None:
    """The message counts the returns."""
    with pytest.raises(ValueError, match="19 returns"):
        Drift().sample(series(), np.array([20]), 5, 5)
