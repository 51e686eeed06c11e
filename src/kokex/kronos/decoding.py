"""Continue a batch of contexts, many paths each: tokenised once, read once, one cached step per candle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from kokex.kronos.inference.network import (
    PackedPredictor,
    PackedTokenizer,
    PredictorOwn,
    PredictorPast,
)
from kokex.kronos.sampling import S1, S2, Draws, Sampling
from kokex.kronos.tokenizer import Tokens


@dataclass(frozen=True, slots=True)
class ContextBatch:
    """Series that are continued together, in order of falling horizon; those whose window slides are equally long.

    The tokens of all series lie one series after the other, N in all. All tensors are on the model's device.
    """

    tokens: Tokens
    """Each (N,), at most the last ``max_context`` of a series."""
    lengths: tuple[int, ...]
    """Tokens of each series."""
    stamps: Tensor
    """(N, 5) time features of the tokens."""
    future_stamps: Tensor
    """(S, longest horizon, 5) time features of the candles to come."""
    horizons: tuple[int, ...]
    """Candles to generate for each series, falling."""

    def active(self, step: int) -> int:
        """How many series still generate at this step; they are the first ones."""
        return sum(horizon > step for horizon in self.horizons)

    def without_oldest(self, rows: Tensor, dropped: Sequence[int]) -> Tensor:
        """Rows (N, ...) that belong to the tokens, without the first so many of each series."""
        if not any(dropped):
            return rows
        parts = torch.split(rows, list(self.lengths))
        return torch.cat([part[count:] for part, count in zip(parts, dropped, strict=True)])


class Window:
    """Which tokens the predictor looks back on, and when what it has cached must be read again.

    Positions count from the oldest token kept, so dropping one changes every cached state. Exactly, the window slides by
    one token a step and is read again at every step past ``max_context``. With ``slack`` above one it drops that many
    tokens at once and is then followed with the cache: each step is exact for a context of ``max_context - slack + 1``
    to ``max_context`` tokens.
    """

    def __init__(self, length: int, max_context: int, slack: int) -> None:
        self._length, self._max_context, self._slack = length, max_context, slack

    def start(self, step: int) -> int:
        """Number of context tokens left out when ``step`` tokens have been generated."""
        surplus = max(0, self._length + step - self._max_context)
        in_blocks = -(-surplus // self._slack) * self._slack
        return max(surplus, min(in_blocks, self._length - 1))


class PathDecoder:
    """Generates tokens for a batch. One object per batch; ``generate`` may be called for several ranges of paths."""

    def __init__(self, predictor: PackedPredictor, batch: ContextBatch, max_context: int, slack: int) -> None:
        self._predictor = predictor
        self._batch = batch
        self._window = Window(max(batch.lengths), max_context, slack)
        self._future_times = predictor.time_vectors(batch.future_stamps)  # (S, horizon, C)
        self._context = predictor.embed(batch.tokens, predictor.time_vectors(batch.stamps))  # (N, C)
        self._pasts: dict[int, PredictorPast] = {}

    def generate(self, paths: int, sampling: Sampling, draws: Draws) -> Tokens:
        """Draw ``paths`` continuations of every series -> tokens, each (S, paths, longest horizon).

        Tokens past a series' own horizon are zero.
        """
        batch, predictor = self._batch, self._predictor
        series, steps = len(batch.horizons), batch.horizons[0]
        s1, s2 = torch.zeros((2, series, paths, steps), dtype=torch.long, device=predictor.device)
        generated = Tokens(s1, s2)
        start, past, own = -1, None, None
        for step in range(steps):
            active = batch.active(step)
            if start != self._window.start(step):
                start, done = self._window.start(step), 0
                past = self._past(start)
                own = predictor.room(active, paths, steps)
            assert past is not None and own is not None
            reading = past.first(active)
            context = self._advance(generated, done, step, reading, own)  # (S', P or 1, C)
            done = step
            probabilities = sampling.probabilities(predictor.s1_logits(context))  # (S', P or 1, V1)
            s1[:active, :, step] = draws.draw(probabilities.expand(-1, paths, -1), step, S1)
            logits = predictor.s2_logits(context, s1[:active, :, step], reading, own)  # (S', P, V2)
            s2[:active, :, step] = draws.draw(sampling.probabilities(logits), step, S2)
        return generated

    def _advance(
        self, generated: Tokens, done: int, step: int, past: PredictorPast, own: PredictorOwn
    ) -> Tensor:
        """Bring the cache from ``done`` to ``step`` generated tokens -> context of the last token (S', P, C).

        Before the first token all paths are alike: (S', 1, C).
        """
        if step == 0:
            return past.last
        active = len(past.last)
        new = Tokens(*(ids[:active, :, done:step] for ids in generated))  # (S', P, n) each
        hidden = self._predictor.embed(new, self._future_times[:active, None, done:step])  # (S', P, n, C)
        return self._predictor.follow(hidden, past, own)  # (S', P, C)

    def _past(self, start: int) -> PredictorPast:
        """The context without its first ``start`` tokens, read once for all paths; kept until the window moves."""
        if start not in self._pasts:
            dropped = [start] * len(self._batch.lengths)
            context = self._batch.without_oldest(self._context, dropped)  # (N', C)
            lengths = [length - start for length in self._batch.lengths]
            self._pasts = {start: self._predictor.read(context, lengths)}
        return self._pasts[start]


class PathRebuilder:
    """Turns generated tokens into candles; the decoder reads the contexts once for all paths."""

    def __init__(self, tokenizer: PackedTokenizer, batch: ContextBatch, max_context: int) -> None:
        # The decoder reads max_context tokens in all, the horizon's share last.
        surplus = [
            max(0, length + horizon - max_context)
            for length, horizon in zip(batch.lengths, batch.horizons, strict=True)
        ]
        kept = [length - count for length, count in zip(batch.lengths, surplus, strict=True)]
        context = Tokens(*(batch.without_oldest(ids, surplus) for ids in batch.tokens))  # (N',) each
        self._tokenizer = tokenizer
        self._past = tokenizer.read(context, kept)

    def rebuild(self, future: Tokens) -> Tensor:
        """Tokens, each (S, P, longest horizon) -> normalised candles (S, P, longest horizon, 6)."""
        return self._tokenizer.decode(future, self._past)
