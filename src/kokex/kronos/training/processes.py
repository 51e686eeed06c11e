"""What the processes of a run on several devices tell each other; with one process, nothing."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from lightning.fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor, nn


class Processes:
    """Gradients are averaged once a step, after all its pieces, and not in the backward pass.

    So a process that runs out of memory can say so before the others wait for its gradients.
    """

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self._single = fabric.world_size == 1

    def own(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """This process's share of a step's or a validation's windows."""
        return np.array_split(rows, self._fabric.world_size)[self._fabric.global_rank]

    def alone(self, module: nn.Module) -> AbstractContextManager[Any]:
        """Backward passes inside the block stay within this process."""
        return nullcontext() if self._single else self._fabric.no_backward_sync(module)

    def sum(self, value: float) -> float:
        """Sum of a figure over all processes."""
        if self._single:
            return value
        own = torch.tensor(value, dtype=torch.float64, device=self._fabric.device)
        total = self._fabric.all_reduce(own, reduce_op="sum")
        assert isinstance(total, Tensor)
        return float(total)

    def anywhere(self, fact: bool) -> bool:
        """Whether it is so in any process."""
        return self.sum(float(fact)) > 0

    def average_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Replace each gradient by its mean over all processes."""
        if self._single:
            return
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        shared = self._fabric.all_reduce(torch.cat([g.flatten() for g in gradients]), reduce_op="mean")
        assert isinstance(shared, Tensor)
        sizes = [p.numel() for p in parameters]
        for parameter, values in zip(parameters, torch.split(shared, sizes), strict=True):
            parameter.grad = values.view_as(parameter).clone()
