"""Windows tokenised once, before the first step: the tokenizer is frozen while the predictor learns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kokex.kronos.tokenizer import KronosTokenizer
from kokex.kronos.training.windows import WindowSet

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class TokenisedWindows:
    """Tokens of every window of a set.

    Attributes:
        s1: (windows, length) int32 first tokens.
        s2: (windows, length) int32 second tokens.
        starts: (windows,) first candle of each window.
        contexts: (windows,) candles that normalised each window.
        candle_stamps: (n, 5) uint8 time features of the series' candles.
    """

    s1: Tensor
    s2: Tensor
    starts: Tensor
    contexts: Tensor
    candle_stamps: Tensor

    def __len__(self) -> int:
        return len(self.starts)

    def rows(self, rows: NDArray[np.int64], device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """s1 (b, length), s2 (b, length), stamps (b, length, 5), contexts (b,) of the windows `rows`, on `device`."""
        at = torch.from_numpy(rows)
        places = self.starts[at, None] + torch.arange(self.s1.shape[1])  # (b, length)
        chosen = (
            self.s1[at].long(),
            self.s2[at].long(),
            self.candle_stamps[places].long(),
            self.contexts[at],
        )
        s1, s2, stamps, contexts = (tensor.to(device, non_blocking=True) for tensor in chosen)
        return s1, s2, stamps, contexts


@torch.no_grad()
def tokenise(
    tokenizer: KronosTokenizer,
    windows: WindowSet,
    device: torch.device,
    *,
    batch_size: int = 64,
    progress: Progress | None = None,
) -> TokenisedWindows:
    """Encode every window in batches; the tokenizer is put in eval mode and moved to `device`.

    `progress(done, all)` is called after each batch.
    """
    tokenizer.eval().to(device)
    s1 = torch.empty((len(windows), windows.length), dtype=torch.int32)
    s2 = torch.empty_like(s1)
    for first in range(0, len(windows), batch_size):
        rows = np.arange(first, min(first + batch_size, len(windows)))
        tokens = tokenizer.encode(torch.from_numpy(windows.normalised(rows)).to(device))
        s1[first : first + len(rows)] = tokens.s1.cpu()
        s2[first : first + len(rows)] = tokens.s2.cpu()
        if progress is not None:
            progress(first + len(rows), len(windows))
    return TokenisedWindows(
        s1,
        s2,
        torch.from_numpy(windows.starts),
        torch.from_numpy(windows.contexts),
        torch.from_numpy(windows.series.stamps().astype(np.uint8)),
    )
