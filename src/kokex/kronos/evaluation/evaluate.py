"""Score forecasters on the same windows, compare them, and see what recalibration does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kokex.kronos.evaluation import metrics
from kokex.kronos.evaluation.recalibration import (
    ConformalRecalibrator,
    QuantileMappingRecalibrator,
    Recalibrator,
)
from kokex.kronos.evaluation.significance import DieboldMariano, diebold_mariano
from kokex.kronos.evaluation.walk_forward import PathSampler, WalkForward, forecast_origins, walk_forward
from kokex.kronos.training.series import CandleSeries
from kokex.kronos.training.splits import Split

Array = NDArray[np.float64]
Tell = Callable[[str], None]

CONFORMAL, MAPPED = "conformal", "quantile mapping"


@dataclass(frozen=True, slots=True)
class Protocol:
    """How the walk is done; the unit of every score is a percent of the last close (100 x log)."""

    context: int
    """Candles that the model is given."""
    horizon: int
    stride: int
    """Candles between origins."""
    paths: int
    """Sampled futures at each origin."""


@dataclass(frozen=True, slots=True)
class Scores:
    """All scores of one forecaster; arrays are (steps,) unless said otherwise."""

    name: str
    windows: int
    crps: Array
    crps_by_window: Array
    """(windows,) mean over the steps, in time order."""
    pinball: Array
    """(levels, steps)"""
    bands: tuple[metrics.Band, ...]
    pit_histogram: Array
    """(10,) over all windows and steps."""
    points: metrics.PointErrors
    direction: metrics.Direction
    rank_ic: Array

    def band(self, nominal: float) -> metrics.Band:
        """The central band of that share."""
        return next(band for band in self.bands if band.nominal == nominal)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Diebold-Mariano on CRPS: `first` against `second`, over the horizon's mean and at single steps (from 1)."""

    first: str
    second: str
    overall: DieboldMariano
    steps: Mapping[int, DieboldMariano]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What an evaluation found.

    Attributes:
        protocol: how.
        scores: the models', raw and recalibrated, then the baselines'.
        comparisons: each model, raw and conformal, against each baseline.
        walks: the forecasts themselves, by name.
        recalibrators: fitted on the validation part, by the name of the forecaster that they correct.
    """

    protocol: Protocol
    scores: tuple[Scores, ...]
    comparisons: tuple[Comparison, ...]
    walks: Mapping[str, WalkForward]
    recalibrators: Mapping[str, Recalibrator]

    def scores_of(self, name: str) -> Scores:
        """Scores of one forecaster."""
        return next(scores for scores in self.scores if scores.name == name)


def score(walk: WalkForward) -> Scores:
    """All scores of a walk."""
    losses = metrics.crps(walk.samples, walk.actual)  # (windows, steps)
    return Scores(
        name=walk.name,
        windows=len(walk.origins),
        crps=losses.mean(axis=0),
        crps_by_window=losses.mean(axis=1),
        pinball=metrics.pinball(walk.samples, walk.actual).mean(axis=1),
        bands=metrics.bands(walk.samples, walk.actual),
        pit_histogram=metrics.pit_histogram(metrics.pit(walk.samples, walk.actual)),
        points=metrics.point_errors(walk.samples, walk.actual),
        direction=metrics.direction(walk.samples, walk.actual),
        rank_ic=metrics.rank_ic(walk.samples, walk.actual),
    )


def compare(first: WalkForward, second: WalkForward) -> Comparison:
    """Diebold-Mariano between two walks over the same windows."""
    losses = [metrics.crps(walk.samples, walk.actual) for walk in (first, second)]
    horizon = first.actual.shape[1]

    def test(a: Array, b: Array, reach: int) -> DieboldMariano:
        return diebold_mariano(a, b, overlap=-(-reach // first.stride))

    steps = {s: test(losses[0][:, s - 1], losses[1][:, s - 1], s) for s in shown_steps(horizon)}
    overall = test(losses[0].mean(axis=1), losses[1].mean(axis=1), horizon)
    return Comparison(first.name, second.name, overall, steps)


def shown_steps(horizon: int) -> tuple[int, ...]:
    """Steps (from 1) that tables show: the first, the last, and two between."""
    return tuple(sorted({1, max(horizon // 4, 1), max(horizon // 2, 1), horizon}))


def evaluate(
    series: CandleSeries,
    split: Split,
    protocol: Protocol,
    models: Sequence[PathSampler],
    baselines: Sequence[PathSampler],
    tell: Tell = lambda sentence: None,
) -> Evaluation:
    """Walk forward over the test part; recalibrate each model on the validation part.

    Raises:
        ValueError: too few candles for a single origin, or for recalibration.
    """
    where = {"context": protocol.context, "horizon": protocol.horizon, "stride": protocol.stride}
    validation = forecast_origins(series, split.validation, **where)
    test = forecast_origins(series, split.test, **where)

    def walk(sampler: PathSampler, origins: NDArray[np.int64], part: str) -> WalkForward:
        tell(f"{sampler.name}: {len(origins)} origins of the {part} part")
        how = {"horizon": protocol.horizon, "paths": protocol.paths, "stride": protocol.stride}
        return walk_forward(sampler, series, origins, **how)

    walks: dict[str, WalkForward] = {}
    recalibrators: dict[str, Recalibrator] = {}
    for model in models:
        known, unseen = walk(model, validation, "validation"), walk(model, test, "test")
        walks[model.name] = unseen
        fitted: dict[str, Recalibrator] = {
            CONFORMAL: ConformalRecalibrator.fit(known.samples, known.actual),
            MAPPED: QuantileMappingRecalibrator.fit(known.samples, known.actual),
        }
        for kind, recalibrator in fitted.items():
            name = f"{model.name}, {kind}"
            recalibrators[name] = recalibrator
            walks[name] = unseen.with_samples(name, recalibrator.apply(unseen.samples))
    ours = [name for name in walks if not name.endswith(MAPPED)]
    for baseline in baselines:
        walks[baseline.name] = walk(baseline, test, "test")
    scores = tuple(score(walk) for walk in walks.values())
    pairs = tuple(compare(walks[name], walks[baseline.name]) for name in ours for baseline in baselines)
    return Evaluation(protocol, scores, pairs, walks, recalibrators)
