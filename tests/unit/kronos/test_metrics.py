"""Scores, significance and recalibration against figures worked out another way."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from kokex.kronos.evaluation import metrics
from kokex.kronos.evaluation.recalibration import (
    ConformalRecalibrator,
    QuantileMappingRecalibrator,
    recalibrator_from_json,
)
from kokex.kronos.evaluation.significance import diebold_mariano, newey_west_variance


def test_crps_equals_the_double_sum() -> None:
    """Mean absolute error minus half the mean distance between different paths."""
    rng = np.random.default_rng(0)
    samples, actual = rng.normal(size=(3, 7, 2)), rng.normal(size=(3, 2))
    for window in range(3):
        for step in range(2):
            x, y = samples[window, :, step], actual[window, step]
            distances = np.abs(x[:, None] - x[None, :]).sum() / (7 * 6)
            expected = np.abs(x - y).mean() - distances / 2
            assert metrics.crps(samples, actual)[window, step] == pytest.approx(expected)


def test_crps_of_many_gaussian_paths_is_the_closed_form() -> None:
    """sigma (z (2 Phi(z) - 1) + 2 phi(z) - 1 / sqrt(pi))."""
    samples = np.random.default_rng(1).normal(0, 2, size=(1, 200_000, 1))
    z = 1.5 / 2
    expected = 2 * (z * (2 * stats.norm.cdf(z) - 1) + 2 * stats.norm.pdf(z) - 1 / np.sqrt(np.pi))
    assert metrics.crps(samples, np.array([[1.5]])).item() == pytest.approx(expected, rel=0.02)


def test_crps_of_a_point_is_its_absolute_error() -> None:
    """All paths equal, or one path."""
    assert metrics.crps(np.full((1, 5, 1), 3.0), np.array([[1.0]])).item() == 2.0
    assert metrics.crps(np.full((1, 1, 1), 3.0), np.array([[1.0]])).item() == 2.0


def test_pinball_by_hand() -> None:
    """Below the quantile costs 1 - level, above costs level."""
    samples = np.full((1, 9, 1), 10.0)
    assert metrics.pinball(samples, np.array([[13.0]]), (0.9,)).item() == pytest.approx(2.7)
    assert metrics.pinball(samples, np.array([[7.0]]), (0.9,)).item() == pytest.approx(0.3)


def test_bands_of_calibrated_paths_hold_their_share() -> None:
    """Outcomes drawn like the paths fall inside as often as promised, even with few paths."""
    rng = np.random.default_rng(2)
    samples, actual = rng.normal(size=(20_000, 39, 1)), rng.normal(size=(20_000, 1))
    for band in metrics.bands(samples, actual):
        assert band.coverage.item() == pytest.approx(band.nominal, abs=0.01)


def test_pit_is_uniform_when_calibrated_and_splits_ties_at_random() -> None:
    """Also for discrete forecasts, whose outcomes often equal a path."""
    rng = np.random.default_rng(3)
    samples = rng.integers(0, 4, size=(20_000, 19, 1)).astype(float)
    actual = rng.integers(0, 4, size=(20_000, 1)).astype(float)
    histogram = metrics.pit_histogram(metrics.pit(samples, actual))
    np.testing.assert_allclose(histogram, 0.1, atol=0.01)


def test_direction_counts_calls_and_moves_only() -> None:
    """An outcome of zero, or as many paths up as down, is no test of direction."""
    samples = np.array([[[1.0], [2.0]], [[-1.0], [-2.0]], [[1.0], [-1.0]], [[1.0], [1.0]], [[1.0], [3.0]]])
    actual = np.array([[1.0], [1.0], [1.0], [0.0], [2.0]])
    result = metrics.direction(samples, actual)
    assert result.called.item() == 3
    assert result.accuracy.item() == pytest.approx(2 / 3)
    low, high = metrics.wilson_interval(np.array([2]), np.array([3]))
    assert (result.low.item(), result.high.item()) == (low.item(), high.item())


def test_wilson_interval_matches_scipy() -> None:
    """70 of 100, and no calls at all."""
    low, high = metrics.wilson_interval(np.array([70, 0]), np.array([100, 0]))
    expected = stats.binomtest(70, 100).proportion_ci(method="wilson")
    assert (low[0], high[0]) == pytest.approx((expected.low, expected.high))
    assert np.isnan(low[1])
    assert np.isnan(high[1])


def test_rank_ic_is_one_for_the_right_order_and_nan_for_a_constant() -> None:
    """Only the order of the medians counts."""
    actual = np.arange(10.0)[:, None]
    samples = np.repeat(actual[:, None] ** 3, 5, axis=1)
    assert metrics.rank_ic(samples, actual).item() == pytest.approx(1.0)
    assert np.isnan(metrics.rank_ic(np.zeros_like(samples), actual)).all()


def test_median_errors_by_hand() -> None:
    """MAE and RMSE of errors 1 and 3."""
    samples = np.array([[[0.0], [1.0], [9.0]], [[0.0], [3.0], [4.0]]])
    errors = metrics.point_errors(samples, np.zeros((2, 1)))
    assert errors.mae.item() == 2.0
    assert errors.rmse.item() == pytest.approx(np.sqrt(5))


def test_newey_west_is_the_plain_variance_at_lag_zero_and_knows_autocorrelation() -> None:
    """For AR(1) with 0.5, the long-run variance is near 1 / (1 - 0.5)^2."""
    rng = np.random.default_rng(4)
    values = np.zeros(50_000)
    for i in range(1, len(values)):
        values[i] = 0.5 * values[i - 1] + rng.normal()
    assert newey_west_variance(values, 0) == pytest.approx(values.var())
    assert newey_west_variance(values, 100) == pytest.approx(4.0, rel=0.1)


def test_diebold_mariano_rejects_at_its_level_even_when_windows_overlap() -> None:
    """Of 400 comparisons of equals, about 5 % are called different; losses overlap by four."""
    rng = np.random.default_rng(5)
    called = 0
    for _ in range(400):
        noise = np.convolve(rng.normal(size=303), np.ones(4), mode="valid")
        called += diebold_mariano(noise, np.zeros(300), overlap=4).p_value < 0.05
    assert 5 <= called <= 40


def test_diebold_mariano_sees_a_real_difference_and_its_sign() -> None:
    """The first one's losses are lower, so it is the better."""
    rng = np.random.default_rng(6)
    losses = rng.gamma(2, size=300)
    result = diebold_mariano(losses * 0.8, losses)
    assert result.verdict == "better"
    assert diebold_mariano(losses, losses * 0.8).verdict == "worse"
    assert diebold_mariano(losses, losses).verdict == "no difference"
    with pytest.raises(ValueError, match="too few"):
        diebold_mariano(losses[:5], losses[:5])


def _overconfident(windows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Paths half as wide as the truth and shifted."""
    rng = np.random.default_rng(seed)
    scale = rng.uniform(1, 3, size=(windows, 1))
    actual = scale * rng.normal(size=(windows, 4))
    return 0.5 * scale[:, None] * rng.normal(size=(windows, 60, 4)) + 0.3 * scale[:, None], actual


@pytest.mark.parametrize("kind", [ConformalRecalibrator, QuantileMappingRecalibrator])
def test_recalibration_brings_overconfident_bands_towards_their_share(kind: type) -> None:
    """Conformal reaches 90 % from about 57 %; mapping only as far as the outermost paths allow."""
    options = {"symmetric": False} if kind is ConformalRecalibrator else {}
    fitted = kind.fit(*_overconfident(400, 7), **options)
    samples, actual = _overconfident(2000, 8)
    raw = metrics.bands(samples, actual)[2].coverage.mean()
    corrected = metrics.bands(fitted.apply(samples), actual)[2].coverage.mean()
    assert raw < 0.65
    assert corrected > raw + 0.1
    if kind is ConformalRecalibrator:
        assert corrected == pytest.approx(0.9, abs=0.02)


@pytest.mark.parametrize("kind", [ConformalRecalibrator, QuantileMappingRecalibrator])
def test_recalibration_keeps_the_order_of_paths_and_survives_json(kind: type) -> None:
    """A path above another stays above it."""
    fitted = kind.fit(*_overconfident(50, 9))
    samples, _ = _overconfident(5, 10)
    corrected = fitted.apply(samples)
    order = samples.argsort(axis=1)
    assert (np.diff(np.take_along_axis(corrected, order, axis=1), axis=1) >= -1e-12).all()
    np.testing.assert_array_equal(recalibrator_from_json(fitted.as_json()).apply(samples), corrected)


def test_one_window_whose_paths_all_agree_does_not_tear_the_bands() -> None:
    """Any outcome is infinitely many spreads away from it; the other windows' bands stay what they were."""
    samples, actual = _overconfident(100, 5)
    whole = ConformalRecalibrator.fit(samples, actual).apply(samples)
    samples[7] = 0.001  # one token for all
    torn = ConformalRecalibrator.fit(samples, actual).apply(samples)
    assert np.ptp(torn[50], axis=0).max() < 3 * np.ptp(whole[50], axis=0).max()
    later = samples[:1] * 0 + 0.5  # a later forecast whose paths agree has a narrow band, not none
    assert 0 < np.ptp(ConformalRecalibrator.fit(samples, actual).apply(later)[0], axis=0).min() < 10


def test_symmetric_recalibration_learns_no_drift() -> None:
    """Medians stay where the model put them, whichever way the validation part went; bands still widen."""
    samples, actual = _overconfident(400, 12)
    fitted = ConformalRecalibrator.fit(samples, actual + 5.0)
    later, _ = _overconfident(50, 13)
    corrected = fitted.apply(later)
    np.testing.assert_allclose(np.median(corrected, axis=1), np.median(later, axis=1), atol=0.2)
    assert np.ptp(corrected, axis=1).mean() > np.ptp(later, axis=1).mean()


def test_recalibration_refuses_too_few_windows_and_other_steps() -> None:
    """And an unknown kind in a file."""
    samples, actual = _overconfident(30, 11)
    with pytest.raises(ValueError, match="too few"):
        ConformalRecalibrator.fit(samples[:10], actual[:10])
    with pytest.raises(ValueError, match="4 steps"):
        ConformalRecalibrator.fit(samples, actual).apply(samples[:, :, :2])
    with pytest.raises(ValueError, match="kind"):
        recalibrator_from_json({"kind": "magic"})
