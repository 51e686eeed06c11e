"""From logits to one token: temperature, truncation, and where the random numbers come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from kokex.kronos.errors import RequestError
from kokex.kronos.inference.philox import path_uniforms

S1, S2 = 0, 1
"""Which of a candle's two tokens is drawn."""

DrawMode = Literal["counter", "torch"]
"""``counter``: a draw depends on seed, path and step alone. ``torch``: torch's generator in the published order."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a token is chosen from its logits."""

    temperature: float = 1.0
    """Below 1 narrows, above 1 widens the distribution."""
    top_k: int = 0
    """Keep the k likeliest tokens and those tied with the last; 0 keeps all. 1 is greedy. Overrides ``top_p``."""
    top_p: float = 1.0
    """Keep the likeliest tokens until their probability reaches this; 1 keeps all. The published default is 0.9."""

    def __post_init__(self) -> None:
        if not self.temperature > 0 or self.temperature == float("inf"):
            raise RequestError(f"temperature must be above 0 and finite, not {self.temperature}")
        if self.top_k < 0:
            raise RequestError(f"top_k must be 0 (keep all) or more, not {self.top_k}")
        if not 0 < self.top_p <= 1:
            raise RequestError(f"top_p must be above 0 and at most 1, not {self.top_p}")

    def probabilities(self, logits: Tensor) -> Tensor:
        """logits (..., V) -> probabilities (..., V), float32, zero where truncated."""
        scaled = logits.float() / self.temperature  # (..., V)
        if self.top_k > 0:
            kth = scaled.topk(min(self.top_k, scaled.shape[-1]), dim=-1).values[..., -1:]  # (..., 1)
            return scaled.masked_fill(scaled < kth, float("-inf")).softmax(-1)  # (..., V)
        if self.top_p < 1:
            scaled = scaled.masked_fill(self._beyond_nucleus(scaled), float("-inf"))  # (..., V)
        return scaled.softmax(-1)  # (..., V)

    def _beyond_nucleus(self, scaled: Tensor) -> Tensor:
        """Which tokens of scaled (..., V) come after the one that crosses ``top_p``."""
        ordered, order = scaled.sort(dim=-1, descending=True)  # (..., V) each
        probabilities = ordered.softmax(-1)  # (..., V)
        before = probabilities.cumsum(-1).roll(1, dims=-1)  # (..., V), mass of the likelier tokens
        before[..., 0] = 0.0
        return torch.zeros_like(before, dtype=torch.bool).scatter_(-1, order, before > self.top_p)


class Draws(Protocol):
    """A source of random choices."""

    def draw(self, probabilities: Tensor, step: int, token: int) -> Tensor:
        """probabilities (S, P, V) of the first S series -> ids (S, P) for S1 or S2 of a step."""
        ...


class CounterDraws:
    """Draws that depend on a series' seed, the path's number and the step, and on nothing else."""

    def __init__(self, seeds: Sequence[int], paths: range, horizon: int, device: torch.device) -> None:
        numbers = np.stack([path_uniforms(seed, paths, horizon) for seed in seeds])  # (S, P, horizon, 2)
        self._wide = torch.float32 if device.type == "mps" else torch.float64  # MPS has no float64
        self._uniforms = torch.from_numpy(numbers).to(self._wide).to(device)

    def draw(self, probabilities: Tensor, step: int, token: int) -> Tensor:
        """Invert the cumulative distribution at the uniform number of this place."""
        cumulative = probabilities.to(self._wide).cumsum(-1)  # (S, P, V)
        uniform = self._uniforms[: len(probabilities), :, step, token, None]  # (S, P, 1)
        target = uniform * cumulative[..., -1:]  # (S, P, 1)
        ids = torch.searchsorted(cumulative, target, right=True)[..., 0]  # (S, P)
        return ids.clamp_(max=probabilities.shape[-1] - 1)


class GeneratorDraws:
    """Draws as the published code makes them: one multinomial over all rows, s1 then s2, at every step."""

    def __init__(self, seed: int, device: torch.device) -> None:
        self._generator = torch.Generator(device=device).manual_seed(seed)

    def draw(self, probabilities: Tensor, step: int, token: int) -> Tensor:
        """Consume the generator; equal seeds give equal tokens only for equal calls."""
        rows = probabilities.flatten(0, 1)  # (S*P, V)
        return torch.multinomial(rows, 1, generator=self._generator).view(probabilities.shape[:2])
