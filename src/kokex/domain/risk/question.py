"""One order before the gate, with what several rules want to know of it worked out once."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from kokex.domain.instrument import Side
from kokex.domain.limits import RiskLimits
from kokex.domain.order import OrderRequest
from kokex.domain.risk.state import RiskState


@dataclass(frozen=True)
class Question:
    """May `request` go out under `limits` in `state`? Figures are meaningful once quantity and price are known to be sound."""

    request: OrderRequest
    limits: RiskLimits
    state: RiskState

    @cached_property
    def price(self) -> Decimal:
        """Price at which the request is held against limits in money: the dearer of its own and the last."""
        last = self.state.last_price or Decimal(0)
        return last if self.request.price is None else max(self.request.price, last)

    @cached_property
    def notional(self) -> Decimal:
        """What the request is worth, in quote currency."""
        return self.state.instrument.notional(self.request.quantity, self.price)

    @cached_property
    def pending(self) -> Decimal:
        """What the plan's pending orders on the request's side may still fill."""
        return _pending(self.state, self.request.side)

    @cached_property
    def reach(self) -> Decimal:
        """The holding if everything pending on the request's side, and the request, were to fill."""
        return self.state.quantity + self.request.side.sign * (self.pending + self.request.quantity)

    @cached_property
    def reduces(self) -> bool:
        """Whether the request, with all that is pending on its side, can at most close the holding."""
        return self.request.side.sign * self.reach <= 0

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
        start = end - self.request.quantity
        beyond = max(end, Decimal(0)) - max(start, Decimal(0))
        return self.state.instrument.notional(beyond, self.price)


def _pending(state: RiskState, side: Side) -> Decimal:
    return sum((order.remaining for order in state.pending if order.side is side), Decimal(0))
