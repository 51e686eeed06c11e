"""Liquidity of everybody else: two ladders of levels that follow the market's prints.

Sizes come from a fixed table through a hash of the level, so the book costs nothing until somebody looks at it, and
the same ticks always show the same book. What clients take from a level stays taken until the market's next print.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

from kokex.paper.instruments import PROFILES, Instrument
from kokex.paper.market.candle import Tick

DEPTH = 400
"""Levels a side, as many as OKX's `books` shows."""
_TABLE = 4096
_LEVEL_STEP = 0.00002
"""Distance between levels behind the best, as a share of the price."""
_HALF_SPREAD = 0.000004


def _size_table(instrument: Instrument, seed: int) -> list[int]:
    source = random.Random(f"{seed}/{instrument.inst_id}/book")
    profile = PROFILES[instrument.underlying]
    median = profile.hourly_volume / 3000 * (2.0 if instrument.is_swap else 1.0) / float(instrument.lot_value)
    return [max(1, round(median * math.exp(source.gauss(0.0, 0.9)))) for _ in range(_TABLE)]


class OutsideBook:
    """Bids and asks of the rest of the world on one instrument."""

    def __init__(self, instrument: Instrument, seed: int, start_ticks: int) -> None:
        self.instrument = instrument
        self._table = _size_table(instrument, seed)
        self._step = max(1, round(start_ticks * _LEVEL_STEP))
        self._spread = max(1, round(start_ticks * _HALF_SPREAD * 2))
        self.prints = 0
        self.taken: dict[tuple[bool, int], int] = {}
        self.best_ask = start_ticks + self._spread
        self.best_bid = max(1, start_ticks)

    def follow(self, tick: Tick) -> None:
        """Move with a print: it happened at the best ask (taker bought) or the best bid."""
        self.prints += 1
        self.taken.clear()
        if tick.buy:
            self.best_ask, self.best_bid = tick.price, max(1, tick.price - self._spread)
        else:
            self.best_ask, self.best_bid = tick.price + self._spread, tick.price

    def size(self, *, ask: bool, ticks: int) -> int:
        """Lots on offer at a level now, 0 where there is no level."""
        best = self.best_ask if ask else self.best_bid
        behind = ticks - best if ask else best - ticks
        if behind < 0 or (behind and ticks % self._step) or ticks < 1:
            return 0
        if behind > (DEPTH + 1) * self._step:
            return 0
        return max(0, self._listed(ticks, behind) - self.taken.get((ask, ticks), 0))

    def take(self, *, ask: bool, ticks: int, lots: int) -> None:
        """Remove what a client's trade consumed."""
        key = (ask, ticks)
        self.taken[key] = self.taken.get(key, 0) + lots

    def levels(self, *, ask: bool) -> Iterator[tuple[int, int]]:
        """Non-empty levels as (ticks, lots), best first."""
        for ticks in self._ladder(ask):
            lots = self.size(ask=ask, ticks=ticks)
            if lots:
                yield ticks, lots

    def best(self, *, ask: bool) -> tuple[int, int] | None:
        """The best non-empty level."""
        return next(self.levels(ask=ask), None)

    def trade_lots(self, number: int) -> int:
        """A typical size of one trade; `number` picks it."""
        return self._table[(number * 40_503 + 17) % _TABLE]

    def _ladder(self, ask: bool) -> Iterator[int]:
        step = self._step
        if ask:
            yield self.best_ask
            first = self.best_ask // step * step + step
            yield from range(first, first + DEPTH * step, step)
        else:
            yield self.best_bid
            first = -(-self.best_bid // step) * step - step
            yield from range(first, max(0, first - DEPTH * step), -step)

    def _listed(self, ticks: int, behind: int) -> int:
        mix = (ticks * 2_654_435_761) & 0xFFFF_FFFF
        epoch = (self.prints + (mix >> 7)) >> 4
        size = self._table[(mix + epoch * 40_503) % _TABLE]
        return size + size * min(behind, 40 * self._step) // (8 * self._step)
