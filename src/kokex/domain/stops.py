"""Stops that an order brings along: the exchange makes them once the order has filled, and keeps them while KOKEX is down."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Stops:
    """Trigger prices, in quote currency; at least one. What triggers closes at market what the order filled, and ends the other.

    Attributes:
        stop_loss: where a loss is taken: below the order's price for a buy, above it for a sell.
        take_profit: where a profit is taken: on the other side.
    """

    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None

    def __post_init__(self) -> None:
        if self.stop_loss is None and self.take_profit is None:
            raise ValueError("stops need a stop_loss, a take_profit or both")
