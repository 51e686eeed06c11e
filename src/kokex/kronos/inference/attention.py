"""Attention of many paths over one shared past. Shapes: S series, P paths, n new tokens, H heads, D = C / H."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

LARGEST_SCORES = 16 * 2**20
"""Scores held at once, in numbers (64 MiB of float32); more paths than that go in turns."""


@dataclass(slots=True)
class Shared:
    """Keys and values of a past that all paths of a series have in common; stored once per series."""

    keys: Tensor
    """(S, H, T, D)"""
    values: Tensor
    """(S, H, T, D)"""
    mask: Tensor | None
    """(S, 1, 1, T), 0 or -inf; None where all series have T tokens."""

    def first(self, series: int) -> Shared:
        """The same for the first so many series, without a copy."""
        mask = None if self.mask is None else self.mask[:series]
        return Shared(self.keys[:series], self.values[:series], mask)


@dataclass(slots=True)
class Own:
    """Keys and values of the tokens that each path has generated; room is made once for the whole horizon."""

    keys: Tensor
    """(S, H, P, horizon, D)"""
    values: Tensor
    """(S, H, P, horizon, D)"""
    length: int = 0

    def append(self, keys: Tensor, values: Tensor) -> None:
        """Add keys and values (S', H, P, n, D) of the first S' series."""
        series, end = len(keys), self.length + keys.shape[3]
        self.keys[:series, :, :, self.length : end] = keys
        self.values[:series, :, :, self.length : end] = values
        self.length = end


def attend(query: Tensor, shared: Shared, own: Own | None, causal_from: int = 0) -> Tensor:
    """query (S, H, P, n, D), already scaled -> (S, H, P, n, D).

    The shared keys are multiplied by the queries of all paths at once, the own keys path by path, and one softmax runs
    over both. ``causal_from`` is the number of own tokens that the first of the n queries may see besides itself.
    """
    S, H, P, n, D = query.shape
    length = 0 if own is None else own.length
    T = shared.keys.shape[2]
    if P > 1 and S * H * P * n * (T + length) > LARGEST_SCORES:
        return _in_turns(query, shared, own, causal_from)
    together = query.reshape(S, H, P * n, D)  # (S, H, P*n, D)
    scores = together @ shared.keys.transpose(-1, -2)  # (S, H, P*n, T)
    if shared.mask is not None:
        scores += shared.mask.to(scores.dtype)  # (S, H, P*n, T)
    if own is None or length == 0:
        weights = scores.softmax(-1, dtype=torch.float32).to(query.dtype)  # (S, H, P*n, T)
        return (weights @ shared.values).view(S, H, P, n, D)  # (S, H, P, n, D)
    keys, values = own.keys[:S, :, :, :length], own.values[:S, :, :, :length]  # (S, H, P, m, D)
    own_scores = query @ keys.transpose(-1, -2)  # (S, H, P, n, m)
    if n > 1:
        own_scores = own_scores + _causal_mask(n, length, causal_from, query)  # (S, H, P, n, m)
    both = torch.cat((scores, own_scores.view(S, H, P * n, length)), dim=-1)  # (S, H, P*n, T+m)
    weights = both.softmax(-1, dtype=torch.float32).to(query.dtype)  # (S, H, P*n, T+m)
    mixed = (weights[..., :T] @ shared.values).view(S, H, P, n, D)  # (S, H, P, n, D)
    own_weights = weights[..., T:].reshape(S, H, P, n, length)  # (S, H, P, n, m)
    return mixed + own_weights @ values  # (S, H, P, n, D)


def _in_turns(query: Tensor, shared: Shared, own: Own | None, causal_from: int) -> Tensor:
    half = query.shape[2] // 2
    parts = []
    for paths in (slice(None, half), slice(half, None)):
        part = None if own is None else Own(own.keys[:, :, paths], own.values[:, :, paths], own.length)
        parts.append(attend(query[:, :, paths], shared, part, causal_from))
    return torch.cat(parts, dim=2)


def _causal_mask(n: int, length: int, causal_from: int, like: Tensor) -> Tensor:
    """(n, length): query i sees own tokens up to causal_from + i."""
    blocked = torch.ones(n, length, dtype=torch.bool, device=like.device).triu(causal_from + 1)
    return torch.zeros(n, length, dtype=like.dtype, device=like.device).masked_fill(blocked, float("-inf"))
