"""Model versions for a person, and for a program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from kokex.cli.output import market_time, say, say_table, when
from kokex.domain.model import (
    ForecasterScore,
    ModelVersion,
    evaluation_scores,
    evaluation_verdicts,
)
from kokex.ports.models import ProgressEvent

_SHARE: Final = "0.9"
_SCORE_COLUMNS: Final = ("forecaster", "windows", "CRPS %", "90 % band holds", "MAE %", "direction")


def version_document(
    version: ModelVersion, *, plan: str | None = None, brief: bool = False
) -> dict[str, Any]:
    """A version for a program; `brief` leaves out settings, curves and the evaluation's single steps."""
    whole = asdict(version) | {"name": version.name}
    if plan is not None:
        whole["plan"] = plan
    if brief:
        for name in ("parameters", "curves", "evaluation"):
            del whole[name]
    if version.evaluation:
        whole["scores"] = [asdict(score) for score in evaluation_scores(version.evaluation)]
        whole["verdicts"] = evaluation_verdicts(version.evaluation)
    return whole


def print_versions(versions: Sequence[ModelVersion], plans: Mapping[int, str]) -> None:
    """A table of versions."""
    columns = ("plan", "version", "status", "preset", "candles", "took", "CRPS %", "baseline's", "made")
    say_table("", columns, [_row(version, plans[version.plan_id]) for version in versions])


def print_version(version: ModelVersion) -> None:
    """All that is known about one version."""
    say(f"{version.name}: {version.status.value}{', active' if version.active else ''}, {version.preset}")
    for name, value in _facts(version):
        say(f"  {name:<14} {value}")
    if version.curves:
        points = [
            (point.stage, str(point.epoch), _number(point.training_loss), _number(point.validation_loss),
             "best so far" if point.best else "")
            for point in version.curves
        ]  # fmt: skip
        say_table("Training", ("stage", "epoch", "training loss", "validation loss", ""), points)
    if version.evaluation:
        print_scores(version.evaluation)


def print_scores(evaluation: Mapping[str, Any]) -> None:
    """An evaluation, the baseline beside the model."""
    rows = [_score_row(score) for score in evaluation_scores(evaluation)]
    say_table("Judged on candles after its training; lower CRPS is better", _SCORE_COLUMNS, rows)
    for sentence in evaluation_verdicts(evaluation):
        say(f"  {sentence}")


def print_comparison(versions: Sequence[ModelVersion]) -> None:
    """Versions beside each other, each with the forecasters that it was judged with."""
    rows = []
    for version in versions:
        scores = evaluation_scores(version.evaluation or {})
        judged = scores[0].windows if scores else 0
        state = "active" if version.active else version.status.value
        rows += [(version.name, state, *_score_row(score)) for score in scores]
        if not judged:
            rows.append((version.name, state, "not judged", "", "", "", "", ""))
    say_table("Each on its own windows; lower CRPS is better", ("version", "", *_SCORE_COLUMNS), rows)


def progress_line(event: ProgressEvent) -> str:
    """What a training told, as one line."""
    stage = str(event.get("stage", ""))
    kind = event.get("kind")
    if kind == "StepDone":
        minutes, seconds = divmod(round(float(event["eta_seconds"])), 60)
        parts = " ".join(f"{name} {value:.4f}" for name, value in event["parts"].items())
        return (
            f"{stage:<9} epoch {event['epoch'] + 1}/{event['epochs']} step {event['step']}/{event['steps']} "
            f"loss {event['loss']:.4f} ({parts}) {event['samples_per_second']:.1f} samples/s ETA {minutes}:{seconds:02d}"
        )
    if kind == "EpochDone":
        mark = "best so far" if event["best"] else f"best {event['best_loss']:.4f}"
        head = f"{stage:<9} epoch {event['epoch'] + 1}/{event['epochs']}"
        return f"{head} validation {event['validation_loss']:.4f} ({mark})"
    if kind == "StageDone":
        return f"{stage:<9} done after {event['step']} steps and {event['seconds']:.0f} s; best {event['best_loss']:.4f}"
    return f"{stage:<9} {event.get('message', '')}".strip()


def _facts(version: ModelVersion) -> list[tuple[str, str]]:
    data = version.data
    facts = []
    if data is not None:
        span = f"{market_time(data.first)} to {market_time(data.last)} UTC"
        facts.append(("learnt from", f"{data.candles} candles of {data.inst_id} {data.interval}, {span}"))
        facts.append(("data", f"{data.source}, fingerprint {data.fingerprint[:16]}"))
    facts += [
        ("parent", "none, from scratch" if version.parent is None else f"v{version.parent}"),
        ("code", version.code_revision or "-"),
        ("device", version.device or "-"),
        ("seeds", ", ".join(f"{name} {seed}" for name, seed in version.seeds.items()) or "-"),
        ("took", _seconds(version.seconds)),
        ("made", when(version.finished_at or version.created_at)),
        ("weights", "-" if version.content_hash is None else
            f"{version.content_hash[:16]}, {(version.content_bytes or 0) / 1e6:.1f} MB"),
    ]  # fmt: skip
    if version.error:
        facts.append(("error", version.error))
    return facts


def _row(version: ModelVersion, plan: str) -> tuple[str, ...]:
    scores = evaluation_scores(version.evaluation or {})
    baseline = next((score for score in scores if score.name == "block_bootstrap"), None)
    own = scores[0].crps if scores else None
    return (
        plan,
        version.name,
        f"{version.status.value}, active" if version.active else version.status.value,
        version.preset,
        "-" if version.data is None else str(version.data.candles),
        _seconds(version.seconds),
        _number(own),
        _number(baseline.crps if baseline else None),
        when(version.finished_at or version.created_at),
    )


def _score_row(score: ForecasterScore) -> tuple[str, ...]:
    held = score.coverage.get(_SHARE)
    return (
        score.name,
        str(score.windows),
        _number(score.crps),
        "-" if held is None else f"{held:.1%}",
        _number(score.mae),
        "-" if score.direction is None else f"{score.direction:.1%}",
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"
