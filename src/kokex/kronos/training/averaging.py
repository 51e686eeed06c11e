"""Exponential moving average of weights: steadier to validate and to keep than the last step's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class AveragedWeights:
    """Average of a module's trainable parameters over the steps.

    Args:
        module: what is trained.
        decay: weight of the old average at each step; early steps use less, so that the start is forgotten.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self._parameters = {name: p for name, p in module.named_parameters() if p.requires_grad}
        self.averages: dict[str, Tensor] = {name: p.detach().clone() for name, p in self._parameters.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after optimiser step `step` (from 1)."""
        decay = min(self.decay, step / (step + 9))
        torch._foreach_lerp_(
            list(self.averages.values()), [p.detach() for p in self._parameters.values()], 1 - decay
        )

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The module holds the averages inside the block and its own weights after it."""
        own = {name: p.detach().clone() for name, p in self._parameters.items()}
        self._write(self.averages)
        try:
            yield
        finally:
            self._write(own)

    @torch.no_grad()
    def _write(self, values: dict[str, Tensor]) -> None:
        for name, parameter in self._parameters.items():
            parameter.copy_(values[name])

    def load(self, averages: dict[str, Tensor]) -> None:
        """Continue from saved averages."""
        for name, value in averages.items():
            self.averages[name].copy_(value)
