"""What the registry of models and their training need from outside."""

from __future__ import annotations

import builtins
import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from kokex.domain.candle import Interval
from kokex.domain.model import CurvePoint, ModelVersion, TrainingData, VersionOrigin, VersionWish
from kokex.ports.forecaster import Forecaster

ProgressEvent = Mapping[str, Any]
"""What a training tells: `kind` (StepDone, EpochDone, StageDone, Notice) and its figures."""


@dataclass(frozen=True, slots=True)
class VersionOutcome:
    """A training's end, as the registry keeps it."""

    data: TrainingData | None
    curves: tuple[CurvePoint, ...]
    evaluation: Mapping[str, Any] | None
    content_hash: str
    content_bytes: int
    seconds: float | None


@dataclass(frozen=True, slots=True)
class VersionStart:
    """What is known once a training begins."""

    parameters: Mapping[str, Any]
    data: TrainingData
    code_revision: str
    device: str
    seeds: Mapping[str, int]


class ModelStore(Protocol):
    """The registry: `model_versions`, which of them was active when, and what their trainings told."""

    async def add(
        self, plan_id: int, wish: VersionWish, origin: VersionOrigin = VersionOrigin.TRAINED
    ) -> ModelVersion:
        """Keep a new version under the plan's next number. Raises `NotFoundError` where there is no such plan."""
        ...

    async def get(self, version_id: int) -> ModelVersion:
        """By its own number in the database. Raises `NotFoundError`."""
        ...

    async def by_number(self, plan_id: int, number: int) -> ModelVersion:
        """Of a plan. Raises `NotFoundError` that names those there are."""
        ...

    async def list(self, plan_id: int | None = None) -> list[ModelVersion]:
        """All, or a plan's, by plan and number."""
        ...

    async def wish(self, version_id: int) -> VersionWish:
        """How its training was asked for. Raises `NotFoundError`."""
        ...

    async def started(self, version_id: int, start: VersionStart, at: datetime) -> None:
        """Its training begins, or goes on after a stop: the first start's time stays."""
        ...

    async def finished(self, version_id: int, outcome: VersionOutcome, at: datetime) -> None:
        """It is ready. Finishing twice is finishing once."""
        ...

    async def imported(self, version_id: int, record: Mapping[str, Any], outcome: VersionOutcome) -> None:
        """It is ready, with what its export told of its training."""
        ...

    async def failed(self, version_id: int, error: str, at: datetime) -> None:
        """It ended with an error; a version that is ready stays so."""
        ...

    async def evaluated(self, version_id: int, evaluation: Mapping[str, Any]) -> None:
        """Replace its evaluation."""
        ...

    async def prune(self, version_ids: Collection[int]) -> builtins.list[ModelVersion]:
        """Mark these pruned, but for those that are active at this very moment; the ones marked."""
        ...

    async def hashes(self) -> set[str]:
        """Content hashes that versions, other than pruned ones, still need."""
        ...

    async def active(self, plan_id: int) -> ModelVersion | None:
        """What the plan forecasts with; None: its baseline."""
        ...

    async def activate(self, version_id: int, at: datetime) -> None:
        """Its plan forecasts with it from now on, and the engine is told.

        Raises:
            StateError: it is not ready.
        """
        ...

    async def roll_back(self, plan_id: int, at: datetime) -> ModelVersion | None:
        """Undo the last activation; what is active now, None: the baseline.

        Raises:
            StateError: nothing is active.
        """
        ...

    async def tell(self, version_id: int, events: Sequence[ProgressEvent]) -> None:
        """Append what a training told, for other processes to follow."""
        ...

    async def told(
        self, version_id: int, after: int = 0, *, limit: int = 1000
    ) -> Sequence[tuple[int, ProgressEvent]]:
        """What it told after number `after`, with its numbers."""
        ...


@dataclass(frozen=True, slots=True)
class TrainingCandles:
    """Closed candles to learn from, oldest first; gaps are allowed and no window crosses one.

    Attributes:
        open_times: (n,) int64, seconds since the epoch, UTC.
        values: (n, 6) float64: open, high, low, close, volume, amount; nan where unknown.
    """

    source: str
    inst_id: str
    interval: Interval
    open_times: NDArray[np.int64]
    values: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.open_times)

    def describe(self) -> TrainingData:
        """The range and fingerprint. There must be a candle."""
        digest = hashlib.sha256(str(self.interval.seconds).encode())
        digest.update(np.ascontiguousarray(self.open_times, dtype="<i8").tobytes())
        digest.update(np.ascontiguousarray(self.values, dtype="<f8").tobytes())
        first, last = (datetime.fromtimestamp(int(self.open_times[at]), UTC) for at in (0, -1))
        return TrainingData(
            self.source, self.inst_id, self.interval.name, len(self), first, last, digest.hexdigest()
        )


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """All that a training needs. `folder` is its own: an unfinished run in it is gone on with."""

    folder: Path
    candles: TrainingCandles
    wish: VersionWish
    base: Path | None = None
    """Weights to start from."""


@dataclass(frozen=True, slots=True)
class EvaluationWish:
    """How a model is judged.

    Attributes:
        name: what the scores call it.
        horizon: candles to forecast; None: the model's own, 24 at most.
        every_baseline: all of the library's baselines, which takes minutes; else the one that forecasts without a model.
        report: folder for the report; None: none is written.
        learn_bands: write how to correct the bands, learnt on the validation part, beside the weights.
    """

    name: str
    baseline_context: int
    horizon: int | None = None
    stride: int | None = None
    paths: int = 100
    every_baseline: bool = False
    report: Path | None = None
    learn_bands: bool = False


class Trainer(Protocol):
    """Trains, judges and loads models. Synchronous: the caller gives it a thread."""

    def parameters(self, wish: VersionWish) -> Mapping[str, Any]:
        """Every setting that `wish` comes to. Raises `ConfigurationError` for an unknown or impossible one."""
        ...

    def device(self, wish: VersionWish) -> str:
        """What it will run on, in words."""
        ...

    def train(
        self, job: TrainingJob, tell: Callable[[ProgressEvent], None], should_stop: Callable[[], bool]
    ) -> Path | None:
        """Train, or go on; the folder of the weights, None where it was asked to stop.

        Raises:
            ConfigurationError: settings that contradict each other or the candles.
            DataError: candles that cannot be learnt from.
            StateError: the training broke down (its last good weights are kept in the job's folder).
        """
        ...

    def evaluate(
        self,
        job: TrainingJob,
        weights: Path,
        wish: EvaluationWish,
        tell: Callable[[str], None],
        should_stop: Callable[[], bool],
    ) -> Mapping[str, Any] | None:
        """Walk forward over candles that the training never saw.

        None where too few were kept back for that, or it was asked to stop.
        """
        ...

    def check(self, weights: Path) -> None:
        """Raise `DataError` where the weights cannot be loaded as what their configuration says."""
        ...

    def load(self, weights: Path, name: str) -> Forecaster:
        """A forecaster called `name`. Raises `DataError` as `check` does."""
        ...


class ModelFiles(Protocol):
    """Weights on disk, by the hash of their content, and the folders that trainings work in."""

    def run_folder(self, version_id: int) -> Path:
        """Where a version's training works; made where it is not there."""
        ...

    def hold_run(self, version_id: int) -> Callable[[], None] | None:
        """Hold a training's folder for this process; what lets go of it again. None: another process that lives holds it."""
        ...

    def snapshot(self, version_id: int) -> TrainingCandles | None:
        """The candles that a training began with, so that it goes on with the same; None: it never began here."""
        ...

    def keep_snapshot(self, version_id: int, candles: TrainingCandles) -> None:
        """Keep them."""
        ...

    def keep(self, weights: Path) -> tuple[str, int]:
        """Keep a copy of a folder of weights; its content hash and bytes. Equal content is kept once."""
        ...

    def find(self, content_hash: str) -> Path:
        """The folder of these weights. Raises `NotFoundError` where they are not on this machine."""
        ...

    def finish_run(self, version_id: int) -> None:
        """Remove what only an unfinished training needs: its state and drafts of weights."""
        ...

    def remove_run(self, version_id: int) -> None:
        """Remove a training's folder."""
        ...

    def remove_except(self, content_hashes: Collection[str]) -> int:
        """Remove all other weights; bytes freed."""
        ...

    def pack(self, content_hash: str, record: Mapping[str, Any], file: Path) -> int:
        """Write weights and record as one file; its bytes. Raises `NotFoundError`, `ConfigurationError`."""
        ...

    def unpack(self, file: Path) -> tuple[Mapping[str, Any], Path]:
        """Check a packed file, or a folder of weights: its record (empty for a folder) and a folder that the caller removes.

        Raises:
            DataError: it is none, is damaged, or its content is not what its record says.
        """
        ...
