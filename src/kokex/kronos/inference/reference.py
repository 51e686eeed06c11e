"""The plain decoder: the whole window is recomputed for every step and path. The yardstick of tests and benchmarks."""

from __future__ import annotations

import torch
from torch import Tensor

from kokex.kronos.model import Kronos
from kokex.kronos.sampling import S1, S2, Draws, Sampling
from kokex.kronos.tokenizer import KronosTokenizer, Tokens


@torch.inference_mode()
def sample_plainly(
    model: Kronos,
    context: Tokens,
    stamps: Tensor,
    paths: int,
    max_context: int,
    sampling: Sampling,
    draws: Draws,
) -> Tokens:
    """Continue one series: context, each (T,), stamps (T + horizon, 5) -> tokens, each (paths, horizon)."""
    s1, s2 = (ids.expand(paths, -1) for ids in context)  # (P, T) each
    length = s1.shape[1]
    for step in range(len(stamps) - length):
        known = length + step
        start = max(0, known - max_context)
        window = Tokens(s1[:, start:], s2[:, start:])  # (P, W) each
        window_stamps = stamps[start:known].expand(paths, -1, -1)  # (P, W, 5)
        hidden = model.context(window, window_stamps)  # (P, W, C)
        s1_probabilities = sampling.probabilities(model.s1_logits(hidden[:, -1]))  # (P, V1)
        next_s1 = draws.draw(s1_probabilities[None], step, S1).T  # (P, 1)
        s2_probabilities = sampling.probabilities(model.next_s2_logits(hidden, next_s1))  # (P, V2)
        next_s2 = draws.draw(s2_probabilities[None], step, S2).T  # (P, 1)
        s1, s2 = torch.cat((s1, next_s1), 1), torch.cat((s2, next_s2), 1)  # (P, known + 1) each
    return Tokens(s1[:, length:], s2[:, length:])


@torch.inference_mode()
def decode_plainly(tokenizer: KronosTokenizer, context: Tokens, future: Tokens, max_context: int) -> Tensor:
    """context, each (T,), future, each (P, horizon) -> normalised candles (P, horizon, d_in)."""
    paths, horizon = future.s1.shape
    whole = Tokens(
        *(
            torch.cat((past.expand(paths, -1), new), 1)[:, -max_context:]
            for past, new in zip(context, future, strict=True)
        )
    )  # (P, W) each
    return tokenizer.decode(whole)[:, -horizon:]  # (P, horizon, d_in)
