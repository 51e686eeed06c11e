"""Entering and leaving by several orders at better and better prices, so that the price paid or received is an average: pure and exact."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, Decimal

from kokex.domain.instrument import Instrument, Side

_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class BatchRules:
    """How a quantity is laid out.

    Attributes:
        orders: how many at most.
        step: distance of each price from the one before, as a share of that.
        most: worth of the largest order, quote currency; None: as large as it is.
        last: price at which the gate counts a cheaper order too.
        lowest, highest: prices outside are not asked for.
    """

    instrument: Instrument
    orders: int
    step: Decimal
    most: Decimal | None
    last: Decimal
    lowest: Decimal = _NOTHING
    highest: Decimal = Decimal("1e15")


@dataclass(frozen=True, slots=True)
class BatchOrder:
    """One of a batch."""

    price: Decimal
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Batch:
    """Orders, the nearest first, and what of the quantity they leave: their sum and `left` are exactly what was wished."""

    orders: tuple[BatchOrder, ...]
    left: Decimal

    @property
    def quantity(self) -> Decimal:
        """Of all orders together."""
        return sum((order.quantity for order in self.orders), _NOTHING)


def lay_out(side: Side, quantity: Decimal, price: Decimal, rules: BatchRules) -> Batch:
    """`quantity` as equal orders from `price` on, away from the market: cheaper and cheaper buys, dearer and dearer sells.

    Prices are on tick, quantities on lot and at least the least order, each order within `most`. Where the quantity is too small for so
    many, there are fewer; what no order may carry is left.
    """
    instrument = rules.instrument
    lots = int((max(quantity, _NOTHING) / instrument.lot_size).to_integral_value(ROUND_DOWN))
    least = int((instrument.min_quantity / instrument.lot_size).to_integral_value(ROUND_CEILING)) or 1
    prices = [rung for rung in _prices(side, price, rules) if _most_lots(rung, rules) >= least]
    count = min(len(prices), lots // least)
    orders = []
    for place in range(count):
        even = lots // count + (place < lots % count)
        mine = min(even, _most_lots(prices[place], rules))
        orders.append(BatchOrder(prices[place], mine * instrument.lot_size))
    batch = Batch(tuple(orders), _NOTHING)
    return Batch(batch.orders, quantity - batch.quantity)


def _prices(side: Side, price: Decimal, rules: BatchRules) -> list[Decimal]:
    """On tick, each at least a step further than the one before."""
    towards = ROUND_FLOOR if side is Side.BUY else ROUND_CEILING
    tick, factor = rules.instrument.tick_size, 1 - side.sign * rules.step
    found: list[Decimal] = []
    rung = (price / tick).to_integral_value(towards) * tick
    while len(found) < rules.orders and rung > 0 and rules.lowest <= rung <= rules.highest:
        found.append(rung)
        rung = (rung * factor / tick).to_integral_value(towards) * tick
    return found


def _most_lots(price: Decimal, rules: BatchRules) -> int:
    instrument = rules.instrument
    caps = [Decimal(10) ** 15]
    if instrument.max_limit_quantity is not None:
        caps.append(instrument.max_limit_quantity)
    if rules.most is not None:
        caps.append(instrument.quantity_for(max(rules.most, _NOTHING), max(price, rules.last)))
    return int((min(caps) / instrument.lot_size).to_integral_value(ROUND_DOWN))
