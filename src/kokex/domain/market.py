"""What a market tells besides candles and tickers: single trades, its order book, and what holding a swap costs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from kokex.domain.instrument import Side


class StreamKind(StrEnum):
    """What can be heard of an instrument besides its candles."""

    TICKER = "ticker"
    TRADES = "trades"
    BOOK_TOP = "book_top"
    MARK_PRICE = "mark_price"


@dataclass(frozen=True, slots=True)
class MarkPrice:
    """What the exchange values positions at; one trade does not move it."""

    inst_id: str
    price: Decimal
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class Trade:
    """Public executions at one price of one taker's order.

    Attributes:
        trade_id: the exchange's number of the last of them; unique within the instrument.
        quantity: in base currency for spot, in contracts for swaps.
        side: what the taker did.
        count: how many matches it sums up.
    """

    inst_id: str
    trade_id: str
    price: Decimal
    quantity: Decimal
    side: Side
    occurred_at: datetime
    count: int = 1


@dataclass(frozen=True, slots=True)
class BookTop:
    """The best prices on offer and how much there is at each; None where a side is empty. Quantities as in `Trade`."""

    inst_id: str
    bid: Decimal | None
    bid_quantity: Decimal | None
    ask: Decimal | None
    ask_quantity: Decimal | None
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class BookLevel:
    """What is on offer at one price. Quantities as in `Trade`."""

    price: Decimal
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class OrderBook:
    """The best prices of both sides, best first; a side may be empty."""

    inst_id: str
    bids: tuple[BookLevel, ...]
    asks: tuple[BookLevel, ...]
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class FundingRate:
    """What holders of a swap pay each other.

    Attributes:
        rate: share of the position's value that longs pay shorts at `due_at`; below zero, shorts pay longs.
        next_due_at: of the funding after that one; None where the exchange does not tell.
        last_rate: what was paid last; None where the exchange does not tell.
        occurred_at: when the exchange said so; None where it does not tell.
    """

    inst_id: str
    rate: Decimal
    due_at: datetime
    next_due_at: datetime | None
    last_rate: Decimal | None
    occurred_at: datetime | None
