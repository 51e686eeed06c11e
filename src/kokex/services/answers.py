"""What an agent asks of trading, and what it is answered."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from kokex.domain.amendment import Amendment
from kokex.domain.instrument import Side
from kokex.domain.order import Order, OrderType
from kokex.domain.stops import Stops


@dataclass(frozen=True, slots=True)
class Wish:
    """What an agent asks for; `quantity` in base currency for spot, contracts for swaps.

    `reduce_only` has the exchange itself see to it that a swap's position is not turned.
    """

    side: Side
    order_type: OrderType
    quantity: Decimal
    price: Decimal | None = None
    reduce_only: bool = False
    stops: Stops | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a wish. `code` is the gate's or the exchange's, None where all went well."""

    order: Order
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Amended:
    """What became of a wish to change an order.

    Attributes:
        code, reason: the gate's or the exchange's; None where the exchange took the change (which is not done yet).
        change: as it is on record; None where the gate denied it: nothing was sent.
    """

    order: Order
    code: str | None = None
    reason: str | None = None
    change: Amendment | None = None
