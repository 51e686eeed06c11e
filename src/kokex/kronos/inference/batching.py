"""Which series are continued together: weights read once serve them all, as long as memory holds them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from kokex.kronos.candles import Candles, Times
from kokex.kronos.decoding import ContextBatch
from kokex.kronos.inference.network import PackedTokenizer
from kokex.kronos.normalisation import Normalisation, time_features
from kokex.kronos.tokenizer import Tokens

PADDED_SHARE = 0.5
"""Share of a group's longest context by which its shortest may fall short: every step attends over the padding."""
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
        lengths = [len(job) for job in group]
        normalised = np.concatenate([job.normalisation.apply(job.candles.values) for job in group])  # (N, 6)
        encoded = tokenizer.encode(torch.from_numpy(normalised).to(tokenizer.device), lengths)  # (N,) each
        parts = zip(*(torch.split(ids, lengths) for ids in encoded), strict=True)
        for job, (s1, s2) in zip(group, parts, strict=True):
            job.tokens = Tokens(s1, s2)


def decoding_groups(jobs: Sequence[Job], max_context: int, most_tokens: int) -> Iterator[list[Job]]:
    """Split into groups that are continued together, each in order of falling horizon.

    Args:
        jobs: tokenised series.
        max_context: tokens that the predictor looks back on.
        most_tokens: context tokens, padding included, whose keys and values fit into memory together.
    """
    for run in _alike(jobs, max_context):
        group: list[Job] = []
        for job in run:  # from short to long contexts
            kept = min(len(job), max_context)
            too_uneven = bool(group) and len(group[0]) < (1 - PADDED_SHARE) * kept
            if group and (too_uneven or (len(group) + 1) * kept > most_tokens):
                yield _by_falling_horizon(group)
                group = []
            group.append(job)
        yield _by_falling_horizon(group)


def context_batch(group: Sequence[Job], max_context: int, device: torch.device) -> ContextBatch:
    """The tensors of a group."""
    kept = [min(len(job), max_context) for job in group]
    tokens = [job.tokens for job in group if job.tokens is not None]
    ahead = np.zeros((len(group), group[0].horizon, 5), dtype=np.int64)
    for row, job in zip(ahead, group, strict=True):
        row[: job.horizon] = time_features(job.times_ahead)
    past = [time_features(job.candles.times[-length:]) for job, length in zip(group, kept, strict=True)]
    return ContextBatch(
        tokens=Tokens(
            torch.cat([ids.s1[-length:] for ids, length in zip(tokens, kept, strict=True)]),  # (N,)
            torch.cat([ids.s2[-length:] for ids, length in zip(tokens, kept, strict=True)]),  # (N,)
        ),
        lengths=tuple(kept),
        stamps=torch.from_numpy(np.concatenate(past)).to(device),
        future_stamps=torch.from_numpy(ahead).to(device),
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
    for job in jobs:
        if group and sum(map(len, group)) + len(job) > TOKENS_AT_ONCE:
            yield group
            group = []
        group.append(job)
    yield group


def _by_falling_horizon(group: Sequence[Job]) -> list[Job]:
    return sorted(group, key=lambda job: -job.horizon)
