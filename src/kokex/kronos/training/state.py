"""A run's folder: the state to resume from, and the best and the last weights, kept apart.

run.json                     settings, data, versions
events.jsonl, tensorboard/   what happened
tokenizer/  predictor/       per stage:
    state.pt                 everything that resuming needs
    best/ last/              config.json and model.safetensors, as `from_pretrained` reads them
    best/adapter.safetensors with LoRA: the adapters alone
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor


@dataclass(slots=True)
class StageState:
    """Where a stage stands, after a whole optimiser step."""

    step: int = 0
    """Optimiser steps done."""
    validated: int = 0
    """Epochs whose validation is done."""
    pieces: int = 1
    """Pieces that a step is computed in; grows when memory runs out."""
    best_loss: float = float("inf")
    best_epoch: int = -1
    best_step: int = 0
    typical_loss: float | None = None
    """Running mean of the training loss, to notice an explosion."""
    seconds: float = 0.0
    """Time spent in the stage, over all restarts."""
    finished: bool = False
    stopped_early: bool = False
    weights: dict[str, Tensor] = field(default_factory=dict)
    optimiser: dict[str, Any] = field(default_factory=dict)
    averages: dict[str, Tensor] | None = None

    def save(self, path: Path) -> None:
        """Write the state so that a reader, or a crash, sees the old file or the new one, never half."""
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".draft")
        with draft.open("wb") as file:
            torch.save(_plain(self), file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)

    @classmethod
    def load(cls, path: Path) -> StageState:
        """Read a state; tensors land on the CPU."""
        return cls(**torch.load(path, map_location="cpu", weights_only=True))


def _plain(state: StageState) -> dict[str, Any]:
    tensors = ("weights", "optimiser", "averages")
    record = {name: getattr(state, name) for name in tensors}
    light = StageState(**{name: getattr(state, name) for name in StageState.__slots__ if name not in tensors})
    return asdict(light) | record
