"""What each stage minimises, as modules whose forward gives the loss, so that Fabric can wrap them."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from kokex.kronos.model import DependencyForm, Kronos
from kokex.kronos.tokenizer import KronosTokenizer, Tokens
from kokex.kronos.training.tokens import TokenisedWindows
from kokex.kronos.training.windows import WindowSet

Rows = NDArray[np.int64]


class Batch(NamedTuple):
    """Inputs of one piece of a step."""

    tensors: tuple[Tensor, ...]
    weight: float
    """What the piece counts for: loss-bearing positions, weighted."""


class Losses(NamedTuple):
    """Mean loss over a batch, and what it is made of."""

    total: Tensor
    parts: dict[str, Tensor]


class Objective(Protocol):
    """A stage, as the loop sees it."""

    module: nn.Module
    """Its forward takes a batch's tensors and gives `Losses`."""

    def __len__(self) -> int:
        """Training windows."""
        ...

    def batch(self, rows: Rows, device: torch.device) -> Batch:
        """Training windows `rows`."""
        ...

    def validation_rows(self) -> int:
        """Validation windows."""
        ...

    def validation_batch(self, rows: Rows, device: torch.device) -> Batch:
        """Validation windows `rows`."""
        ...


class TokenizerLossModule(nn.Module):
    """The published tokenizer loss; in eval mode the mean square error of the full reconstruction."""

    def __init__(self, tokenizer: KronosTokenizer) -> None:
        super().__init__()
        self.tokenizer = tokenizer

    def forward(self, x: Tensor) -> Losses:
        """Normalised windows x (B, T, 6) -> losses."""
        if self.training:
            loss = self.tokenizer.loss(x)
            parts = {"coarse": loss.coarse_mse, "full": loss.full_mse, "quantizer": loss.quantizer.total}
            return Losses(loss.total, parts)
        rebuilt = self.tokenizer(x)
        full = F.mse_loss(rebuilt.full, x)  # ()
        return Losses(full, {"full": full, "coarse": F.mse_loss(rebuilt.coarse, x)})


class TokenizerObjective:
    """Reconstruct normalised windows."""

    def __init__(self, tokenizer: KronosTokenizer, train: WindowSet, validation: WindowSet) -> None:
        self.module: nn.Module = TokenizerLossModule(tokenizer)
        self._train, self._validation = train, validation

    def __len__(self) -> int:
        return len(self._train)

    def batch(self, rows: Rows, device: torch.device) -> Batch:
        """See `Objective.batch`."""
        return Batch((torch.from_numpy(self._train.normalised(rows)).to(device),), float(len(rows)))

    def validation_rows(self) -> int:
        """See `Objective.validation_rows`."""
        return len(self._validation)

    def validation_batch(self, rows: Rows, device: torch.device) -> Batch:
        """See `Objective.validation_batch`."""
        return Batch((torch.from_numpy(self._validation.normalised(rows)).to(device),), float(len(rows)))


class PredictorLossModule(nn.Module):
    """Cross-entropy of the next candle's two tokens, position by position, weighted.

    In eval mode the second token is always conditioned on the true first one and the dependency layer has the form
    of inference, in which no position sees a later one: the likelihood of what happened, as forecasts would have it.
    """

    def __init__(self, model: Kronos, dependency: DependencyForm, sample_s1: bool) -> None:
        super().__init__()
        self.model, self.dependency, self.sample_s1 = model, dependency, sample_s1

    def forward(self, s1: Tensor, s2: Tensor, stamps: Tensor, weights: Tensor) -> Losses:
        """s1, s2 (B, T), stamps (B, T, 5), weights (B, T-1) of the targets -> losses."""
        inputs = Tokens(s1[:, :-1], s2[:, :-1])  # (B, T-1) each
        sampled = self.training and self.sample_s1
        form: DependencyForm = self.dependency if self.training else "inference"
        logits = self.model(inputs, stamps[:, :-1], None if sampled else s1[:, 1:], form)
        coarse = _weighted_cross_entropy(logits.s1, s1[:, 1:], weights)  # ()
        fine = _weighted_cross_entropy(logits.s2, s2[:, 1:], weights)  # ()
        return Losses((coarse + fine) / 2, {"s1": coarse, "s2": fine})


class PredictorObjective:
    """Predict the next candle's tokens, mostly or only after the context that normalised them."""

    def __init__(
        self,
        module: PredictorLossModule,
        train: TokenisedWindows,
        validation: TokenisedWindows,
        context_loss_weight: float,
    ) -> None:
        self.module: nn.Module = module
        self._train, self._validation = train, validation
        self._inside = context_loss_weight

    def __len__(self) -> int:
        return len(self._train)

    def batch(self, rows: Rows, device: torch.device) -> Batch:
        """See `Objective.batch`."""
        return self._batch(self._train, rows, self._inside, device)

    def validation_rows(self) -> int:
        """See `Objective.validation_rows`."""
        return len(self._validation)

    def validation_batch(self, rows: Rows, device: torch.device) -> Batch:
        """See `Objective.validation_batch`; only the future of each window counts."""
        return self._batch(self._validation, rows, 0.0, device)

    @staticmethod
    def _batch(windows: TokenisedWindows, rows: Rows, inside: float, device: torch.device) -> Batch:
        s1, s2, stamps, contexts = windows.rows(rows, device)
        targets = torch.arange(1, s1.shape[1], device=device)  # (T-1,)
        weights = torch.where(targets >= contexts[:, None], 1.0, inside)  # (B, T-1)
        return Batch((s1, s2, stamps, weights), float(weights.sum()))


def _weighted_cross_entropy(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """logits (B, T, V), targets and weights (B, T) -> weighted mean ()."""
    each = F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), reduction="none")  # (B*T,)
    return (each * weights.flatten()).sum() / weights.sum()
