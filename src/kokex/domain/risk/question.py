"""One order before the gate, with what several rules want to know of it worked out once."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from kokex.domain.instrument import Side
from kokex.domain.limits import RiskLimits
from kokex.domain.order import Order, OrderRequest
from kokex.domain.risk.state import RiskState


@dataclass(frozen=True)
class Question:
    """May `request` go out under `limits` in `state`? Figures are meaningful once quantity and price are known to be sound.

    Attributes:
        amends: the order that would become `request` by a change; None for a new one. Until the change is known to be made or
            not, either may fill: the larger counts.
    """

    request: OrderRequest
    limits: RiskLimits
    state: RiskState
    amends: Order | None = None

    @cached_property
    def price(self) -> Decimal:
        """Price at which the request is held against limits in money: the dearer of its own and the last."""
        last = self.state.last_price or Decimal(0)
        own = last if self.request.price is None else max(self.request.price, last)
        before = None if self.amends is None else self.amends.keenest_price
        return own if before is None else max(own, before)

    @cached_property
    def notional(self) -> Decimal:
        """What the request is worth, in quote currency."""
        return self.state.instrument.notional(self.request.quantity, self.price)

    @cached_property
    def lowers(self) -> bool:
        """Whether the request is a change that asks for no more, at no keener a price, than the order that it changes."""
        before, request = self.amends, self.request
        if before is None or request.quantity > before.filled_quantity + before.remaining:
            return False
        if request.price is None or before.price is None:
            return request.price == before.price
        return request.side.sign * (request.price - before.price) <= 0

    @cached_property
    def quantity(self) -> Decimal:
        """What may fill because of the request: all of a new order; of a changed one what is left, before or after."""
        if self.amends is None:
            return self.request.quantity
        return max(self.request.quantity - self.amends.filled_quantity, self.amends.remaining)

    @cached_property
    def pending(self) -> Decimal:
        """What the plan's other pending orders on the request's side may still fill."""
        own = Decimal(0) if self.amends is None else self.amends.remaining
        return _pending(self.state, self.request.side) - own

    @cached_property
    def reach(self) -> Decimal:
        """The holding if everything pending on the request's side, and the request, were to fill."""
        return self.state.quantity + self.request.side.sign * (self.pending + self.quantity)

    @cached_property
    def reduces(self) -> bool:
        """Whether the request, with all that is pending on its side, can at most close the holding, or lowers what is open."""
        return self.lowers or self.request.side.sign * self.reach <= 0

    @cached_property
    def position(self) -> Decimal:
        """Quote currency of the largest holding, whatever side, that the request and all that is pending could lead to."""
        side = self.request.side
        other = Side.SELL if side is Side.BUY else Side.BUY
        opposite = self.state.quantity + other.sign * _pending(self.state, other)
        furthest = max(abs(self.reach), abs(opposite), abs(self.state.quantity))
        return self.state.instrument.notional(furthest, self.price)

    @cached_property
    def added(self) -> Decimal:
        """Quote currency that the request may add beyond zero in its direction, behind what is pending there; zero if it reduces."""
        end = self.request.side.sign * self.reach
        start = end - self.quantity
        beyond = max(end, Decimal(0)) - max(start, Decimal(0))
        worth = self.state.instrument.notional(beyond, self.price)
        return (
            worth if self.amends is None else max(worth - self._added_before(self.amends, start), Decimal(0))
        )

    @cached_property
    def cash(self) -> Decimal:
        """Quote currency that the request may take beyond what the order that it changes has taken already."""
        if self.amends is None:
            return self.notional
        left = max(self.request.quantity - self.amends.filled_quantity, Decimal(0))
        held = self.state.instrument.notional(self.amends.remaining, self.amends.keenest_price or Decimal(0))
        return max(self.state.instrument.notional(left, self.request.price or self.price) - held, Decimal(0))

    def _added_before(self, order: Order, start: Decimal) -> Decimal:
        """What the order adds as it is, valued as it was when it went out: at its own price or the last, the dearer."""
        beyond = max(start + order.remaining, Decimal(0)) - max(start, Decimal(0))
        price = max(order.keenest_price or Decimal(0), self.state.last_price or Decimal(0))
        return self.state.instrument.notional(beyond, price)


def _pending(state: RiskState, side: Side) -> Decimal:
    return sum((order.remaining for order in state.pending if order.side is side), Decimal(0))
