"""Which series are continued together: the same weights serve more rows, as long as little is padded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kokex.kronos.candles import Candles, Times
from kokex.kronos.decoding import ContextBatch
from kokex.kronos.inference.network import PackedTokenizer
from kokex.kronos.normalisation import Normalisation, time_features
from kokex.kronos.tokenizer import Tokens

PADDING_PER_STEP = 16
"""Padded tokens that a group may hold per step of its horizon; reading all weights once more costs about as much."""
TOKENS_AT_ONCE = 16384
"""Context tokens that the encoder reads in one go."""


@dataclass(slots=True)
class Job:
    """One series of a call."""

    place: int
    """Its position in the call."""
    candles: Candles
    horizon: int
    seed: int
    times_ahead: Times
    """(horizon,)"""
    normalisation: Normalisation
    tokens: Tokens | None = None
    """Each (T,), the whole context, on the device."""

    def __len__(self) -> int:
        return len(self.candles)


def tokenise(jobs: Sequence[Job], tokenizer: PackedTokenizer) -> None:
    """Give every job its tokens, each context encoded once."""
    for group in _encoding_groups(jobs):
        longest = len(group[-1])
        padded = np.zeros((len(group), longest, tokenizer.config.d_in), dtype=np.float32)
        for row, job in zip(padded, group, strict=True):
            row[: len(job)] = job.normalisation.apply(job.candles.values)
        lengths = torch.tensor([len(job) for job in group], device=tokenizer.device)
        encoded = tokenizer.encode(torch.from_numpy(padded).to(tokenizer.device), lengths)  # (S, T) each
        for row_number, job in enumerate(group):
            job.tokens = Tokens(*(ids[row_number, : len(job)] for ids in encoded))


def decoding_groups(jobs: Sequence[Job], max_context: int, most_tokens: int) -> Iterator[list[Job]]:
    """Split into groups that are continued together, each in order of falling horizon.

    Args:
        most_tokens: context tokens, padding included, whose keys and values fit into memory together.
    """
    for run in _alike(jobs, max_context):
        group: list[Job] = []
        padding = 0
        for job in run:  # from short to long contexts
            kept = min(len(job), max_context)
            grown = padding + len(group) * (kept - _kept_last(group, max_context, kept))
            allowed = PADDING_PER_STEP * max(member.horizon for member in [*group, job])
            if group and (grown > allowed or (len(group) + 1) * kept > most_tokens):
                yield _by_falling_horizon(group)
                group, grown = [], 0
            group.append(job)
            padding = grown
        yield _by_falling_horizon(group)


def context_batch(group: Sequence[Job], max_context: int, device: torch.device) -> ContextBatch:
    """The tensors of a group, padded on the right."""
    kept = [min(len(job), max_context) for job in group]
    longest, steps = max(kept), group[0].horizon
    s1, s2 = torch.zeros((2, len(group), longest), dtype=torch.long, device=device)
    stamps = np.zeros((len(group), longest, 5), dtype=np.int64)
    ahead = np.zeros((len(group), steps, 5), dtype=np.int64)
    for row, (job, length) in enumerate(zip(group, kept, strict=True)):
        assert job.tokens is not None
        s1[row, :length], s2[row, :length] = job.tokens.s1[-length:], job.tokens.s2[-length:]
        stamps[row, :length] = time_features(job.candles.times[-length:])
        ahead[row, : job.horizon] = time_features(job.times_ahead)
    return ContextBatch(
        tokens=Tokens(s1, s2),
        lengths=torch.tensor(kept, device=device),
        stamps=_on(stamps, device),
        future_stamps=_on(ahead, device),
        horizons=tuple(job.horizon for job in group),
    )


def _alike(jobs: Sequence[Job], max_context: int) -> Iterator[list[Job]]:
    """Series whose window never slides together, from short to long; of the others, those of one length together."""
    still: list[Job] = []
    sliding: dict[int, list[Job]] = {}
    for job in jobs:
        kept = min(len(job), max_context)
        if kept + job.horizon - 1 <= max_context:
            still.append(job)
        else:
            sliding.setdefault(kept, []).append(job)
    if still:
        yield sorted(still, key=len)
    yield from sliding.values()


def _encoding_groups(jobs: Sequence[Job]) -> Iterator[list[Job]]:
    group: list[Job] = []
    for job in sorted(jobs, key=len):
        if group and (len(group) + 1) * len(job) > TOKENS_AT_ONCE:
            yield group
            group = []
        group.append(job)
    yield group


def _kept_last(group: Sequence[Job], max_context: int, default: int) -> int:
    return min(len(group[-1]), max_context) if group else default


def _by_falling_horizon(group: Sequence[Job]) -> list[Job]:
    return sorted(group, key=lambda job: -job.horizon)


def _on(array: NDArray[np.int64], device: torch.device) -> Tensor:
    return torch.from_numpy(array).to(device)
