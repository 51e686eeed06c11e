"""A candle in the market's own whole units."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from kokex.paper.instruments import Instrument


@dataclass(frozen=True, slots=True)
class Candle:
    """Prices in ticks, volume in lots, `amount` in quote currency; `start_ms` is the open time."""

    start_ms: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    amount: Decimal


def typical_amount(instrument: Instrument, prices: tuple[int, int, int, int], volume: int) -> Decimal:
    """Turnover of a candle whose source does not say: volume at the mean of open, high, low and close."""
    return instrument.tick * sum(prices) / 4 * instrument.lot_value * volume


@dataclass(frozen=True, slots=True)
class Tick:
    """One market print. `lots` 0 moves the quotes without a trade; `buy` is the taker's side."""

    at_ms: int
    price: int
    lots: int
    buy: bool
