"""Tradable contracts and their steps: what a price and a quantity may be."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal
from enum import StrEnum

_LARGEST_EXPONENT = 15
"""Numbers of more digits than this before the point are no order; exact arithmetic stays within its 28 digits."""


class InstrumentKind(StrEnum):
    """What is traded: the coin itself, or a perpetual contract on it."""

    SPOT = "spot"
    SWAP = "swap"


class Side(StrEnum):
    """Direction of an order or a fill."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """+1 for buy, -1 for sell."""
        return 1 if self is Side.BUY else -1


class PositionSide(StrEnum):
    """Which of an instrument's positions: the one net position, or one of the two of long/short mode."""

    NET = "net"
    LONG = "long"
    SHORT = "short"


@dataclass(frozen=True, slots=True)
class Instrument:
    """One tradable contract of one exchange.

    Quantities are in base currency for spot and in contracts for swaps.

    Attributes:
        tick_size: smallest step of the price, in quote currency.
        lot_size: smallest step of the quantity.
        min_quantity: smallest quantity of an order.
        contract_value: base currency per contract; 1 for spot.
        max_limit_quantity, max_market_quantity: largest order, None where the exchange names none.
        exchange_code: the exchange's integer code (OKX `instIdCode`; differs by environment).
        tradable: whether orders are taken now.
    """

    inst_id: str
    kind: InstrumentKind
    base_currency: str
    quote_currency: str
    settle_currency: str
    tick_size: Decimal
    lot_size: Decimal
    min_quantity: Decimal
    contract_value: Decimal = Decimal(1)
    max_limit_quantity: Decimal | None = None
    max_market_quantity: Decimal | None = None
    exchange_code: int | None = None
    tradable: bool = True

    def notional(self, quantity: Decimal, price: Decimal) -> Decimal:
        """Value of `quantity` at `price`, in quote currency (linear contracts)."""
        return quantity * self.contract_value * price

    def quantity_for(self, notional: Decimal, price: Decimal) -> Decimal:
        """Largest whole number of lots worth at most `notional` quote currency at `price`."""
        return self.round_quantity(notional / (price * self.contract_value))

    def round_quantity(self, quantity: Decimal) -> Decimal:
        """`quantity` rounded down to the lot size."""
        return (quantity / self.lot_size).to_integral_value(ROUND_DOWN) * self.lot_size

    def round_price(self, price: Decimal) -> Decimal:
        """`price` rounded to the nearest tick."""
        return (price / self.tick_size).to_integral_value(ROUND_HALF_EVEN) * self.tick_size

    def quantity_fault(self, quantity: Decimal) -> str | None:
        """Why an order of `quantity` cannot be sent, as one sentence; None if it can."""
        if not quantity.is_finite() or quantity <= 0:
            return f"quantity {quantity} of {self.inst_id} must be more than zero"
        if quantity.adjusted() > _LARGEST_EXPONENT:
            return f"quantity {quantity:.3E} of {self.inst_id} is larger than any market"
        if quantity < self.min_quantity:
            return f"quantity {quantity} of {self.inst_id} is below the minimum of {self.min_quantity}"
        if quantity % self.lot_size:
            return f"quantity {quantity} of {self.inst_id} is not a multiple of the lot size {self.lot_size}"
        return None

    def price_fault(self, price: Decimal) -> str | None:
        """Why a limit price of `price` cannot be sent, as one sentence; None if it can."""
        if not price.is_finite() or price <= 0:
            return f"price {price} of {self.inst_id} must be more than zero"
        if price.adjusted() > _LARGEST_EXPONENT:
            return f"price {price:.3E} of {self.inst_id} is larger than any market's"
        if price % self.tick_size:
            return f"price {price} of {self.inst_id} is not a multiple of the tick size {self.tick_size}"
        return None
