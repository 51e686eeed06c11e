"""What a run tells while it works, and who listens.

A sink is any callable that takes an event; a run has as many as it likes. `TerminalSink` prints, `JsonLinesSink`
appends to a file that another process can follow with `follow_events`, `TensorBoardSink` draws curves, and
`QueueSink` hands events to an asyncio queue in another thread.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TextIO

from torch.utils.tensorboard import SummaryWriter

StageName = Literal["tokenizer", "predictor"]


@dataclass(frozen=True, slots=True)
class StepDone:
    """An optimiser step.

    Attributes:
        stage: of the two.
        epoch: from 0.
        epochs: in the stage.
        step: from 1, counted over the stage.
        steps: in the stage.
        loss: training loss of this step.
        parts: what the loss is made of.
        learning_rate: of this step.
        gradient_norm: before clipping.
        samples_per_second: windows a second, smoothed.
        eta_seconds: until the end of the stage.
    """

    stage: StageName
    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    parts: dict[str, float]
    learning_rate: float
    gradient_norm: float
    samples_per_second: float
    eta_seconds: float


@dataclass(frozen=True, slots=True)
class EpochDone:
    """An epoch with its validation; `best` says whether its weights are now the ones kept as best."""

    stage: StageName
    epoch: int
    epochs: int
    step: int
    validation_loss: float
    validation_parts: dict[str, float]
    best: bool
    best_loss: float
    best_epoch: int


@dataclass(frozen=True, slots=True)
class Notice:
    """Something a person should know: resumed, out of memory, stopped early, windows left out."""

    stage: StageName
    step: int
    message: str


@dataclass(frozen=True, slots=True)
class StageDone:
    """A stage has ended; `best_loss` is the validation loss of the weights kept as best."""

    stage: StageName
    step: int
    best_loss: float
    best_epoch: int
    seconds: float


TrainingEvent = StepDone | EpochDone | Notice | StageDone
EventSink = Callable[[TrainingEvent], None]


def event_record(event: TrainingEvent) -> dict[str, Any]:
    """The event as plain figures, with its `kind`."""
    return {"kind": type(event).__name__, **dataclasses.asdict(event)}


class TerminalSink:
    """One line an epoch, and one every few seconds in between."""

    def __init__(self, every_seconds: float = 5.0, out: TextIO | None = None) -> None:
        self._every = every_seconds
        self._out = out or sys.stdout
        self._last = float("-inf")

    def __call__(self, event: TrainingEvent) -> None:
        """Print the event, unless it is a step too soon after the last one printed."""
        if isinstance(event, StepDone):
            now = time.monotonic()
            if now - self._last < self._every and event.step < event.steps:
                return
            self._last = now
        self._out.write(self._line(event) + "\n")
        self._out.flush()

    @staticmethod
    def _line(event: TrainingEvent) -> str:
        head = f"{event.stage:9}"
        if isinstance(event, StepDone):
            parts = " ".join(f"{name} {value:.4f}" for name, value in event.parts.items())
            minutes, seconds = divmod(round(event.eta_seconds), 60)
            return (
                f"{head} epoch {event.epoch + 1}/{event.epochs} step {event.step}/{event.steps} "
                f"loss {event.loss:.4f} ({parts}) {event.samples_per_second:.1f} samples/s ETA {minutes}:{seconds:02d}"
            )
        if isinstance(event, EpochDone):
            mark = (
                "best so far" if event.best else f"best {event.best_loss:.4f} of epoch {event.best_epoch + 1}"
            )
            return f"{head} epoch {event.epoch + 1}/{event.epochs} validation {event.validation_loss:.4f} ({mark})"
        if isinstance(event, StageDone):
            return (
                f"{head} done after {event.step} steps and {event.seconds:.0f} s; "
                f"best validation {event.best_loss:.4f} of epoch {event.best_epoch + 1}"
            )
        return f"{head} step {event.step}: {event.message}"


class JsonLinesSink:
    """Append every event to a file, a line each, written through at once."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", encoding="utf-8")

    def __call__(self, event: TrainingEvent) -> None:
        """Append the event."""
        self._file.write(json.dumps(event_record(event)) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class TensorBoardSink:
    """Scalars for TensorBoard, tagged `stage/name`."""

    def __init__(self, folder: Path, purge_step: int | None = None) -> None:
        self._writer = SummaryWriter(str(folder), purge_step=purge_step)

    def __call__(self, event: TrainingEvent) -> None:
        """Write the event's figures."""
        if isinstance(event, StepDone):
            figures = {
                "loss": event.loss,
                "learning_rate": event.learning_rate,
                "gradient_norm": event.gradient_norm,
            }
            figures |= {"samples_per_second": event.samples_per_second, **event.parts}
        elif isinstance(event, EpochDone):
            figures = {"validation_loss": event.validation_loss}
            figures |= {f"validation_{name}": value for name, value in event.validation_parts.items()}
        else:
            return
        for name, value in figures.items():
            self._writer.add_scalar(f"{event.stage}/{name}", value, event.step)

    def close(self) -> None:
        """Write out what is buffered."""
        self._writer.close()


class QueueSink:
    """Hand events to an asyncio queue while the training runs in a thread.

    A full queue gives up its oldest event, so that a slow reader never holds up a step.

    Args:
        loop: the loop that reads.
        queue: a bounded queue of that loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, queue: asyncio.Queue[TrainingEvent]) -> None:
        self._loop, self._queue = loop, queue

    def __call__(self, event: TrainingEvent) -> None:
        """Pass the event on to the loop's thread; a closed loop drops it."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._put, event)

    def _put(self, event: TrainingEvent) -> None:
        if self._queue.full():
            self._queue.get_nowait()
        self._queue.put_nowait(event)


def trim_events(path: Path, stage: StageName, step: int) -> None:
    """Drop the steps and epochs of `stage` after `step` that a killed run had written, and a torn last line."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            continue
        if record["stage"] != stage or record["step"] <= step:
            kept.append(line + "\n")
    path.write_text("".join(kept), encoding="utf-8")


def follow_events(
    path: Path, *, poll_seconds: float = 0.5, stop: Callable[[], bool]
) -> Iterator[dict[str, Any]]:
    """Records of a run's `events.jsonl` as they are written, from the first, until `stop()` says so."""
    position = 0
    while True:
        ending = stop()
        if path.exists():
            with path.open(encoding="utf-8") as file:
                file.seek(position)
                while (line := file.readline()).endswith("\n"):
                    position = file.tell()
                    yield json.loads(line)
        if ending:
            return
        time.sleep(poll_seconds)
