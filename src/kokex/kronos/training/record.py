"""The records beside a run's weights: what was trained on what, and how it ended."""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import Any

import torch

from kokex.kronos.training.errors import RunMismatchError
from kokex.kronos.training.options import RunOptions
from kokex.kronos.training.series import CandleSeries, readable_time
from kokex.kronos.training.settings import TrainingSettings
from kokex.kronos.training.splits import Split
from kokex.kronos.training.stage import StageResult

RUN_FILE, RESULT_FILE = "run.json", "result.json"


def run_record(
    series: CandleSeries, split: Split, settings: TrainingSettings, options: RunOptions
) -> dict[str, Any]:
    """What `run.json` says: enough to make the run again, and to see what it must not be judged on."""
    parts = {
        name: {
            "start": part.start,
            "stop": part.stop,
            "from": readable_time(int(series.open_times[part.start])),
            "to": readable_time(int(series.open_times[part.stop - 1])),
        }
        for name, part in (("train", split.train), ("validation", split.validation), ("test", split.test))
        if len(part)
    }
    return {
        "settings": settings.as_json(),
        "settings_fingerprint": settings.fingerprint(),
        "candles": {
            "count": len(series),
            "interval_seconds": series.interval_seconds,
            "fingerprint": series.fingerprint(),
            "gap": split.gap,
            "parts": parts,
        },
        "tokenizer_from": options.tokenizer_from,
        "predictor_from": options.predictor_from,
        "freeze_tokenizer": options.freeze_tokenizer,
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
    }


def claim_folder(folder: Path, record: dict[str, Any]) -> None:
    """Start a run's folder, or see that it holds the same run. Raises RunMismatchError."""
    path = folder / RUN_FILE
    if path.exists():
        known = json.loads(path.read_text(encoding="utf-8"))
        for key, what in (("settings_fingerprint", "settings"), ("tokenizer_from", "a tokenizer source"),
                          ("predictor_from", "a predictor source"), ("freeze_tokenizer", "tokenizer freezing")):  # fmt: skip
            if known[key] != record[key]:
                raise RunMismatchError(
                    f"{folder} holds a run with other {what}; give another folder, or the same again"
                )
        if known["candles"]["fingerprint"] != record["candles"]["fingerprint"]:
            raise RunMismatchError(
                f"{folder} holds a run over other candles; give another folder, or the same candles"
            )
        return
    folder.mkdir(parents=True, exist_ok=True)
    write_json(path, record)


def write_json(path: Path, record: dict[str, Any]) -> None:
    """Write a record; a reader sees the old one or the new one, never half."""
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    draft.replace(path)


def result_record(tokenizer: StageResult | None, predictor: StageResult) -> dict[str, Any]:
    """What `result.json` says."""

    def plain(result: StageResult) -> dict[str, Any]:
        return {
            "steps": result.step,
            "best_loss": result.best_loss,
            "best_epoch": result.best_epoch,
            "seconds": round(result.seconds, 1),
        }

    return {"tokenizer": plain(tokenizer) if tokenizer else None, "predictor": plain(predictor)}
