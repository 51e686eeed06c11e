"""Models that plans forecast with: their versions, numbered for each plan."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from kokex.domain.errors import ConfigurationError

_VERSION = re.compile(r"v?([1-9]\d{0,8})")


class VersionStatus(StrEnum):
    """How far a version is."""

    TRAINING = "training"
    """Asked for, at work, or stopped and to be gone on with."""
    READY = "ready"
    FAILED = "failed"
    PRUNED = "pruned"
    """Its weights were removed; the record stays."""


class VersionOrigin(StrEnum):
    """Where a version's weights come from."""

    TRAINED = "trained"
    IMPORTED = "imported"


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What a version learnt from and was judged on.

    Attributes:
        source: the market (`okx:live`) or the file's name.
        first, last: open times of the first and last candle, UTC.
        fingerprint: SHA-256 of times and values.
    """

    source: str
    inst_id: str
    interval: str
    candles: int
    first: datetime
    last: datetime
    fingerprint: str


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One epoch of a training. `stage`: tokenizer or predictor; `epoch` counts from 1; None: nothing was computed."""

    stage: str
    epoch: int
    training_loss: float | None
    validation_loss: float | None
    best: bool


@dataclass(frozen=True, slots=True)
class VersionWish:
    """A training as it is asked for.

    Attributes:
        preset: `tiny`, `mini`, `small` or `base`.
        changes: single settings, `predictor.epochs=5`.
        parent: number of the plan's version to start from; None: from scratch.
        base_folder: or a folder of weights to start from (pulled ones).
        freeze_tokenizer: use the parent's tokenizer as it is.
        lora_rank: train adapters of this rank on the parent; None: all weights.
        candle_file: train on this file; None: on the plan's own candles.
        most_candles: the newest so many; None: all that are kept without a gap.
    """

    preset: str = "mini"
    changes: tuple[str, ...] = ()
    parent: int | None = None
    base_folder: str | None = None
    freeze_tokenizer: bool = False
    lora_rank: int | None = None
    candle_file: str | None = None
    most_candles: int | None = None
    accelerator: str = "auto"
    activate: bool = False
    """Switch the plan to it as soon as it is ready."""


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One training of a plan, or one import, and all that is known about it.

    Attributes:
        number: counts up from 1 in each plan.
        parameters: every setting of the training.
        data: None until the training began, and for imports that do not tell.
        seeds: by what they seed.
        curves: a point an epoch.
        parent: number of the version that it started from.
        seconds: how long the training took, over all its starts.
        evaluation: scores against baselines on candles after the training's; see `EvaluationSummary`.
        content_hash: names the weights on disk; None until there are any.
        content_bytes: their size.
        active: the plan forecasts with it.
    """

    id: int
    plan_id: int
    number: int
    status: VersionStatus
    origin: VersionOrigin
    preset: str
    created_at: datetime
    parameters: Mapping[str, Any] = field(default_factory=dict)
    data: TrainingData | None = None
    code_revision: str | None = None
    device: str | None = None
    seeds: Mapping[str, int] = field(default_factory=dict)
    curves: tuple[CurvePoint, ...] = ()
    parent: int | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    seconds: float | None = None
    evaluation: Mapping[str, Any] | None = None
    content_hash: str | None = None
    content_bytes: int | None = None
    error: str | None = None
    active: bool = False

    @property
    def name(self) -> str:
        """`v3`."""
        return f"v{self.number}"

    @property
    def forecaster(self) -> str:
        """What its forecasts say they were made by."""
        return f"kronos {self.name}"


@dataclass(frozen=True, slots=True)
class ForecasterScore:
    """Scores of one forecaster over the windows of an evaluation, means over the horizon; None: not computable.

    Attributes:
        crps: continuous ranked probability score, percent of the last close; lower is better.
        coverage: share of outcomes inside the central band of that nominal share (`0.9`).
        mae: mean absolute error of the median, percent.
        direction: share of calls that were right, at the last step.
    """

    name: str
    windows: int
    crps: float | None
    coverage: Mapping[str, float | None]
    mae: float | None
    direction: float | None


def evaluation_scores(evaluation: Mapping[str, Any]) -> list[ForecasterScore]:
    """The scores inside an evaluation's record, the model's own first."""
    scores = evaluation.get("scores", {})
    return [_score(name, scores[name]) for name in evaluation.get("order", scores)]


def evaluation_verdicts(evaluation: Mapping[str, Any]) -> list[str]:
    """What the test of differences found, a sentence a pair."""
    sentences = []
    for pair in evaluation.get("diebold_mariano", ()):
        overall = pair["overall"]
        p_value = overall.get("p_value")
        words = {"better": "better than", "worse": "worse than"}.get(overall["verdict"], "no different from")
        chance = "" if p_value is None else f" (p = {p_value:.3f})"
        sentences.append(f"{pair['first']}: {words} {pair['second']}{chance}")
    return sentences


def version_number(text: str) -> int:
    """`v3` or `3` -> 3. Raises `ConfigurationError`."""
    found = _VERSION.fullmatch(text.strip().lower())
    if found is None:
        raise ConfigurationError(f"{text!r} is no version; write v1, v2 and so on")
    return int(found[1])


def _score(name: str, scores: Mapping[str, Any]) -> ForecasterScore:
    direction = scores.get("direction", {}).get("accuracy") or [None]
    mae = [value for value in scores.get("mae_median") or () if value is not None]
    return ForecasterScore(
        name=name,
        windows=int(scores.get("windows", 0)),
        crps=scores.get("crps_mean"),
        coverage={share: band.get("coverage_mean") for share, band in scores.get("bands", {}).items()},
        mae=sum(mae) / len(mae) if mae else None,
        direction=direction[-1],
    )
