"""Philox4x32-10, a counter-based generator: a random number is a function of its place, not of what was drawn before.

Source: Salmon, Moraes, Dror, Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3" (SC 2011).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
KEY_STEPS = (np.uint64(0x9E3779B9), np.uint64(0xBB67AE85))
ROUNDS = 10
WORD = np.uint64(0xFFFFFFFF)
HIGH = np.uint64(32)


def philox(counters: NDArray[np.uint64], seed: int) -> NDArray[np.uint64]:
    """Counters (..., 4) of 32-bit words and a 64-bit seed -> random 32-bit words (..., 4), all held in uint64."""
    c0, c1, c2, c3 = (counters[..., word] for word in range(4))
    k0, k1 = np.uint64(seed) & WORD, np.uint64(seed) >> HIGH
    for _ in range(ROUNDS):
        low_product, high_product = c0 * MULTIPLIERS[0], c2 * MULTIPLIERS[1]
        c0, c1, c2, c3 = (
            (high_product >> HIGH) ^ c1 ^ k0,
            high_product & WORD,
            (low_product >> HIGH) ^ c3 ^ k1,
            low_product & WORD,
        )
        k0, k1 = (k0 + KEY_STEPS[0]) & WORD, (k1 + KEY_STEPS[1]) & WORD
    return np.stack((c0, c1, c2, c3), axis=-1)


def path_uniforms(seed: int, paths: range, horizon: int) -> NDArray[np.float64]:
    """Uniform numbers in (0, 1) for the tokens of some paths: (len(paths), horizon, 2), s1 then s2.

    Each depends on the seed, its path's number and its step alone.
    """
    counters = np.zeros((len(paths), horizon, 4), dtype=np.uint64)
    counters[..., 0] = np.arange(paths.start, paths.stop, dtype=np.uint64)[:, None]
    counters[..., 1] = np.arange(horizon, dtype=np.uint64)
    words = philox(counters, seed)[..., :2]
    return (words.astype(np.float64) + 0.5) / 2.0**32
