"""From one candle to the prints inside it, exactly: first is open, last is close, extremes and volume agree."""

from __future__ import annotations

import numpy as np

from kokex.paper.market.candle import Candle, Tick

_SIZE_SIGMA = 1.3
"""Spread of the log of print sizes: many small prints, a few large ones."""


def expand_candle(candle: Candle, *, length_ms: int, ticks: int, seed: list[int]) -> list[Tick]:
    """Lay a plausible path of `ticks` prints (4 or more) through a candle.

    The path visits the open, both extremes in a drawn order, and the close, with bridged noise between them.
    The same candle and seed always give the same path, so history can be looked into again.
    """
    random = np.random.default_rng(seed)
    prices = _prices(candle, ticks, random)
    offsets = np.sort(random.integers(1, length_ms, ticks))
    offsets[0] = 0
    lots = _lots(candle.volume, prices, random)
    moves = np.diff(prices, prepend=prices[0])
    coins = random.random(ticks) < 0.5
    buys = np.where(moves == 0, coins, moves > 0)
    return [
        Tick(candle.start_ms + at, price, size, buy)
        for at, price, size, buy in zip(offsets.tolist(), prices.tolist(), lots, buys.tolist(), strict=True)
    ]


def _prices(candle: Candle, ticks: int, random: np.random.Generator) -> np.ndarray:
    low_first = random.random() < (0.7 if candle.close >= candle.open else 0.3)
    first, second = sorted(random.choice(np.arange(1, ticks - 1), size=2, replace=False).tolist())
    extremes = (candle.low, candle.high) if low_first else (candle.high, candle.low)
    knots = [0, first, second, ticks - 1]
    values = [candle.open, *extremes, candle.close]
    steps = np.arange(ticks)
    line = np.interp(steps, knots, values)
    noise = np.concatenate([[0.0], np.cumsum(random.standard_normal(ticks - 1))])
    bridge = noise - np.interp(steps, knots, noise[knots])
    scale = (candle.high - candle.low) * 0.5 / np.sqrt(ticks)
    path = np.rint(line + bridge * scale).astype(np.int64)
    path = np.asarray(np.clip(path, candle.low, candle.high))
    path[knots] = values
    return path


def _lots(volume: int, prices: np.ndarray, random: np.random.Generator) -> list[int]:
    weights = np.exp(_SIZE_SIGMA * random.standard_normal(len(prices)))
    span = max(1.0, float(prices.max() - prices.min()))
    weights *= 1 + 2 * np.abs(np.diff(prices, prepend=prices[0])) / span
    shares = np.cumsum(weights) / weights.sum()
    marks = [int(share * volume) for share in shares.tolist()]
    marks[-1] = volume
    return [after - before for before, after in zip([0, *marks[:-1]], marks, strict=True)]
