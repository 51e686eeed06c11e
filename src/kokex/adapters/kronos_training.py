"""Training and judging of models, from the platform's values to the model library. Imports torch: never in the engine."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from kokex.adapters.bootstrap_forecaster import BlockBootstrapForecaster
from kokex.adapters.kronos_forecaster import KronosModelForecaster, Learnt, known_columns
from kokex.domain.candle import CandleSeries
from kokex.domain.errors import ConfigurationError, DataError, KokexError, StateError
from kokex.domain.model import VersionWish
from kokex.kronos import Kronos, KronosError, KronosForecaster, KronosTokenizer
from kokex.kronos import training as library
from kokex.kronos.errors import CandlesError
from kokex.kronos.evaluation import (
    ModelSampler,
    PathSampler,
    Protocol,
    evaluate,
    standard_baselines,
    write_report,
)
from kokex.kronos.evaluation.evaluate import CONFORMAL, Evaluation
from kokex.kronos.evaluation.recalibration import FEWEST_WINDOWS
from kokex.kronos.evaluation.report import as_json
from kokex.kronos.training.__main__ import changed_by_text
from kokex.kronos.training.events import event_record
from kokex.kronos.training.precision import with_precision
from kokex.kronos.training.series import readable_time
from kokex.ports.forecaster import Forecaster
from kokex.ports.models import EvaluationWish, ProgressEvent, TrainingCandles, TrainingJob

STEP_SECONDS: Final = 0.5
"""A step is told at most this often; epochs and notices always."""
LONGEST_HORIZON: Final = 24
BASELINE: Final = "block_bootstrap"


class KronosTrainer:
    """`Trainer` on `kokex.kronos.training` and `kokex.kronos.evaluation`."""

    def parameters(self, wish: VersionWish) -> Mapping[str, Any]:
        """See `Trainer`."""
        return _settings(wish).as_json()

    def device(self, wish: VersionWish) -> str:
        """See `Trainer`."""
        if wish.accelerator in ("auto", "cuda", "gpu") and torch.cuda.is_available():
            return f"cuda: {torch.cuda.get_device_name(0)}"
        if wish.accelerator in ("auto", "mps") and torch.backends.mps.is_available():
            return "mps"
        return f"cpu: {platform.processor() or platform.machine()}, {torch.get_num_threads()} threads"

    def train(
        self, job: TrainingJob, tell: Callable[[ProgressEvent], None], should_stop: Callable[[], bool]
    ) -> Path | None:
        """See `Trainer`."""
        with _translated(f"the training of {job.candles.inst_id}"):
            options = library.RunOptions(
                tokenizer_from=_stage(job.base, "tokenizer"),
                predictor_from=_stage(job.base, "predictor"),
                freeze_tokenizer=job.wish.freeze_tokenizer,
                accelerator=job.wish.accelerator,
                sinks=(_Calm(tell),),
                should_stop=should_stop,
            )
            settings = _settings(job.wish)
            result = library.train(_series(job.candles), settings, job.folder, options)
        if not result.finished:
            return None
        weights = _gathered(job.folder)
        Learnt(settings.context, settings.shortest_context).write(weights)
        return weights

    def evaluate(
        self,
        job: TrainingJob,
        weights: Path,
        wish: EvaluationWish,
        tell: Callable[[str], None],
        should_stop: Callable[[], bool],
    ) -> Mapping[str, Any] | None:
        """See `Trainer`."""
        check = _Check(should_stop)
        settings = _settings(job.wish)
        with _translated(f"the evaluation of {wish.name}"):
            series = _series(job.candles)
            horizon = wish.horizon or min(settings.horizon, LONGEST_HORIZON)
            split = library.split_by_time(
                len(series),
                settings.window,
                validation_share=settings.validation_share,
                test_share=settings.test_share,
            )
            shorter = min(len(split.validation), len(split.test)) - horizon
            if shorter < FEWEST_WINDOWS - 1:
                tell(f"too few candles were kept back to judge {wish.name}; no evaluation")
                return None
            densest = max(shorter // (FEWEST_WINDOWS - 1), 1)
            stride = wish.stride or min(max(horizon // 2, 1), densest)
            protocol = Protocol(settings.context, horizon, stride, wish.paths)
            baselines: list[PathSampler] = [_Baseline(job.candles, wish.baseline_context, check)]
            baselines += standard_baselines() if wish.every_baseline else []
            sampler = _sampler(weights, settings, wish, check)
            try:
                evaluation = evaluate(series, split, protocol, [sampler], baselines, tell)
            except _StoppedError:
                return None
        facts = _facts(job.candles, series, split, protocol)
        if wish.learn_bands:
            _learn_bands(evaluation, weights, settings, wish.name)
        if wish.report is not None:
            write_report(evaluation, wish.report, f"Evaluation of {wish.name}", facts)
        # The database keeps no order of names, and a reader wants the model's own first.
        return as_json(evaluation, facts) | {"order": [scores.name for scores in evaluation.scores]}

    def check(self, weights: Path) -> None:
        """See `Trainer`."""
        self.load(weights, "model")

    def load(self, weights: Path, name: str) -> Forecaster:
        """See `Trainer`."""
        return KronosModelForecaster(weights, name, device="cuda" if torch.cuda.is_available() else "cpu")


class _Calm:
    """Passes events on, steps not oftener than a person can read; each epoch with the mean of its training losses."""

    def __init__(self, tell: Callable[[ProgressEvent], None]) -> None:
        self._tell = tell
        self._last = float("-inf")
        self._losses: list[float] = []

    def __call__(self, event: library.TrainingEvent) -> None:
        record = event_record(event)
        if isinstance(event, library.StepDone):
            self._losses.append(event.loss)
            now = time.monotonic()
            if now - self._last < STEP_SECONDS and event.step < event.steps:
                return
            self._last = now
        elif isinstance(event, library.EpochDone):
            losses, self._losses = self._losses, []
            record["training_loss"] = float(np.mean(losses)) if losses else None
        self._tell(record)


class _StoppedError(Exception):
    """An evaluation was asked to stop."""


@dataclass(frozen=True, slots=True)
class _Check:
    """Called as an evaluation goes on; ends it where it was asked to stop."""

    should_stop: Callable[[], bool]

    def __call__(self, done: int, whole: int) -> None:
        if self.should_stop():
            raise _StoppedError


@dataclass(frozen=True, slots=True)
class _Baseline:
    """What the platform forecasts with where it has no model, as one of the forecasters that are evaluated."""

    candles: TrainingCandles
    context: int
    check: _Check
    seed: int = 0
    name: str = BASELINE

    def sample(
        self, series: library.CandleSeries, origins: NDArray[np.int64], horizon: int, paths: int
    ) -> NDArray[np.float64]:
        """See `PathSampler.sample`."""
        forecaster = BlockBootstrapForecaster()
        closes = []
        for done, origin in enumerate(origins.tolist()):
            self.check(done, len(origins))
            start = max(origin - self.context, 0)
            known = CandleSeries(
                self.candles.inst_id,
                self.candles.interval,
                series.open_times[start:origin],
                series.values[start:origin],
            )
            made = forecaster.forecast(known, horizon=horizon, paths=paths, seed=self.seed + origin)
            closes.append(made.closes.astype(np.float64))
        return np.stack(closes)


def _sampler(
    weights: Path, settings: library.TrainingSettings, wish: EvaluationWish, check: _Check
) -> ModelSampler:
    model = Kronos.from_pretrained(weights / "predictor")
    tokenizer = KronosTokenizer.from_pretrained(weights / "tokenizer")
    forecaster = KronosForecaster(model, tokenizer, max_context=max(512, 2 * settings.context))
    return ModelSampler(forecaster, settings.context, anchored=True, name=wish.name, progress=check)


def _learn_bands(
    evaluation: Evaluation, weights: Path, settings: library.TrainingSettings, name: str
) -> None:
    fitted = evaluation.recalibrators.get(f"{name}, {CONFORMAL}")
    record = None if fitted is None else fitted.as_json()
    Learnt(settings.context, settings.shortest_context, record).write(weights)


def _settings(wish: VersionWish) -> library.TrainingSettings:
    with _translated("the training's settings"):
        settings = library.preset(wish.preset)
        if wish.lora_rank is not None:
            lora = library.LoraSettings(rank=wish.lora_rank, alpha=2 * wish.lora_rank)
            settings = settings.changed(lora=lora)
        return with_precision(changed_by_text(settings, wish.changes), wish.accelerator)


def _series(candles: TrainingCandles) -> library.CandleSeries:
    return library.CandleSeries.from_arrays(known_columns(candles.values), candles.open_times)


def _gathered(folder: Path) -> Path:
    """The best weights of both stages in one folder, as they are kept."""
    weights = folder / "best"
    for stage in ("tokenizer", "predictor"):
        target = weights / stage
        target.mkdir(parents=True, exist_ok=True)
        for name in ("config.json", "model.safetensors"):
            (target / name).write_bytes((folder / stage / "best" / name).read_bytes())
    return weights


def _stage(base: Path | None, stage: str) -> str | None:
    return None if base is None else str(base / stage)


def _facts(
    candles: TrainingCandles, series: library.CandleSeries, split: library.Split, protocol: Protocol
) -> dict[str, str]:
    def span(part: library.Part) -> str:
        first, last = series.open_times[part.start], series.open_times[part.stop - 1]
        return f"{readable_time(int(first))} to {readable_time(int(last))} ({len(part)} candles)"

    return {
        "candles": f"{candles.inst_id} {candles.interval} of {candles.source}",
        "trained on": span(split.train),
        "best weights and bands chosen on": span(split.validation),
        "tested on": span(split.test),
        "protocol": f"context {protocol.context}, horizon {protocol.horizon}, an origin every {protocol.stride} candles, "
        f"{protocol.paths} paths",
    }


@contextmanager
def _translated(what: str) -> Any:
    """The library's errors as ours."""
    try:
        yield
    except KokexError:
        raise
    except CandlesError as error:
        raise DataError(f"{what} cannot use its candles: {error}") from error
    except library.TrainingDivergedError as error:
        raise StateError(f"{what} broke down: {error}") from error
    except library.RunMismatchError as error:
        raise StateError(f"{what} cannot be gone on with: {error}") from error
    except (KronosError, ValueError) as error:
        raise ConfigurationError(f"{what}: {error}") from error
