"""What a market's public streams tell besides candles and tickers: single trades, and the top of the order book."""

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
