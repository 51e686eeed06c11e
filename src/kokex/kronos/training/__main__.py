"""``python -m kokex.kronos.training candles.csv.gz --preset tiny --out runs/tiny``: train, or resume."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from kokex.kronos.errors import KronosError
from kokex.kronos.training.errors import BadSettingsError
from kokex.kronos.training.events import TerminalSink
from kokex.kronos.training.options import RunOptions
from kokex.kronos.training.run import train
from kokex.kronos.training.series import CandleSeries
from kokex.kronos.training.settings import PRESETS, LoraSettings, TrainingSettings, preset


def main(arguments: Sequence[str] | None = None) -> int:
    """Train as the arguments say. 0: finished; 1: an error, told in a sentence; 130: stopped, to be resumed."""
    given = _parser().parse_args(arguments)
    if given.threads:
        torch.set_num_threads(given.threads)
    try:
        series = CandleSeries.from_csv(given.candles, given.interval)
        with _stop_on_signal() as stop:
            result = train(series, _settings(given), Path(given.out), _options(given, stop))
    except KronosError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    if not result.finished:
        sys.stdout.write("stopped; the same command goes on from here\n")
        return 130
    sys.stdout.write(f"best weights: {result.folder}/tokenizer/best and {result.folder}/predictor/best\n")
    return 0


@contextmanager
def _stop_on_signal() -> Iterator[Callable[[], bool]]:
    """Turn SIGINT and SIGTERM into the end of the step, inside the block."""
    asked: list[int] = []

    def ask(number: int, frame: object) -> None:
        asked.append(number)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m kokex.kronos.training", description=__doc__)
    add = parser.add_argument
    add("candles", help="CSV file, .gz too: time, open, high, low, close and perhaps volume, amount")
    add("--out", required=True, help="folder of the run; a folder with an unfinished run resumes it")
    add("--preset", choices=sorted(PRESETS), default="tiny")
    add("--set", action="append", default=[], metavar="NAME=VALUE",
        help="any setting: context=128, predictor.epochs=5, predictor_shape.n_layers=3 (may be repeated)")  # fmt: skip
    add("--interval", help="such as 1H; found from the times when left out")
    add("--tokenizer-from", help="folder or hub id of tokenizer weights to start from")
    add("--predictor-from", help="folder or hub id of predictor weights to start from")
    add("--freeze-tokenizer", action="store_true", help="use the given tokenizer as it is")
    add("--lora", type=int, metavar="RANK", help="train adapters of this rank on the given predictor")
    add("--accelerator", default="auto", help="auto, cpu, cuda, mps")
    add("--devices", default=1, type=int, help="several are used with DDP")
    add("--threads", type=int, help="CPU threads")
    return parser


def _options(given: argparse.Namespace, stop: Callable[[], bool]) -> RunOptions:
    return RunOptions(
        tokenizer_from=given.tokenizer_from,
        predictor_from=given.predictor_from,
        freeze_tokenizer=given.freeze_tokenizer,
        accelerator=given.accelerator,
        devices=given.devices,
        sinks=(TerminalSink(),),
        should_stop=stop,
    )


def _settings(given: argparse.Namespace) -> TrainingSettings:
    settings = preset(given.preset)
    if given.lora:
        settings = settings.changed(lora=LoraSettings(rank=given.lora, alpha=2 * given.lora))
    return changed_by_text(settings, given.set)


def changed_by_text(settings: TrainingSettings, changes: Sequence[str]) -> TrainingSettings:
    """``["predictor.epochs=5"]`` -> settings with that value. Raises BadSettingsError for an unknown name or value.

    All changes come at once, so that two that belong together never meet a check alone.
    """
    together: dict[str, Any] = {}
    for change in changes:
        path, found, text = change.partition("=")
        owner, _, leaf = path.rpartition(".")
        holder = getattr(settings, owner, None) if owner else settings
        known = holder if isinstance(holder, dict) else getattr(holder, "__dataclass_fields__", {})
        if leaf not in known:
            raise BadSettingsError(f"no setting {path!r}")
        if not found:
            raise BadSettingsError(f"{change!r} is not NAME=VALUE")
        if isinstance(holder, dict):
            together.setdefault(owner, dict(holder))[leaf] = _parsed(text)
        else:
            together[f"{owner}__{leaf}" if owner else leaf] = _parsed(text)
    return settings.changed(**together)


def _parsed(text: str) -> Any:
    words: dict[str, Any] = {"none": None, "true": True, "false": False}
    if text.lower() in words:
        return words[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


if __name__ == "__main__":
    sys.exit(main())
