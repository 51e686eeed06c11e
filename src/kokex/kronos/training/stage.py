"""What a stage is given, and how it ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lightning.fabric import Fabric

from kokex.kronos.training.events import EventSink


@dataclass(frozen=True, slots=True)
class StageResult:
    """How a stage ended."""

    finished: bool
    """False when it was asked to stop before its end; it can be resumed."""
    step: int
    best_loss: float
    best_epoch: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a stage is given besides its objective and settings.

    Attributes:
        fabric: device, precision, processes.
        folder: of the stage.
        seed: of the run.
        emit: hears every event; called in the first process only.
        should_stop: asked after every step; True saves the state and ends.
        keep: writes the weights that the module now holds into a folder, in the published layout.
        checkpoint_every: steps between saves of the state.
        validation_batch: windows in a validation batch.
    """

    fabric: Fabric
    folder: Path
    seed: int
    emit: EventSink
    should_stop: Callable[[], bool]
    keep: Callable[[Path], None]
    checkpoint_every: int
    validation_batch: int
