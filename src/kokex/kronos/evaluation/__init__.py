"""Walk-forward evaluation of forecasts against baselines, and their recalibration."""

from __future__ import annotations

from kokex.kronos.evaluation.baselines import (
    BlockBootstrap,
    Drift,
    Garch,
    Persistence,
    Seasonal,
    standard_baselines,
)
from kokex.kronos.evaluation.evaluate import Evaluation, Protocol, Scores, evaluate
from kokex.kronos.evaluation.model_sampler import ModelSampler
from kokex.kronos.evaluation.recalibration import (
    ConformalRecalibrator,
    QuantileMappingRecalibrator,
    Recalibrator,
    recalibrator_from_json,
)
from kokex.kronos.evaluation.report import write_report
from kokex.kronos.evaluation.significance import DieboldMariano, diebold_mariano
from kokex.kronos.evaluation.walk_forward import PathSampler, WalkForward, forecast_origins, walk_forward

__all__ = [
    "BlockBootstrap",
    "ConformalRecalibrator",
    "DieboldMariano",
    "Drift",
    "Evaluation",
    "Garch",
    "ModelSampler",
    "PathSampler",
    "Persistence",
    "Protocol",
    "QuantileMappingRecalibrator",
    "Recalibrator",
    "Scores",
    "Seasonal",
    "WalkForward",
    "diebold_mariano",
    "evaluate",
    "forecast_origins",
    "recalibrator_from_json",
    "standard_baselines",
    "walk_forward",
    "write_report",
]
