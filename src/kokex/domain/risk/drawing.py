"""How much one turn may do: drawn up from the plan's limits and state alone, before the agent is asked."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from kokex.domain.grant import Grant
from kokex.domain.halt import Halt
from kokex.domain.instrument import Instrument, InstrumentKind, Side
from kokex.domain.limits import RiskLimits
from kokex.domain.order import Order
from kokex.domain.risk.state import Neighbours, Performance
from kokex.domain.standing import Standing

_ZERO = Decimal(0)
_NONE_AROUND = Neighbours()


@dataclass(frozen=True, slots=True)
class Sketch:
    """What a grant is drawn from: as in `RiskState`, which would do too and takes far longer to put together.

    Attributes:
        performance: needed where the limits set capital apart.
        neighbours: needed where the limits look at the account.
    """

    instrument: Instrument
    quantity: Decimal
    pending: tuple[Order, ...]
    last_price: Decimal | None
    account: Standing
    halts: tuple[Halt, ...]
    performance: Performance | None = None
    neighbours: Neighbours = _NONE_AROUND


class Drawable(Protocol):
    """A `Sketch` or a `RiskState`."""

    @property
    def instrument(self) -> Instrument: ...

    @property
    def quantity(self) -> Decimal: ...

    @property
    def pending(self) -> tuple[Order, ...]: ...

    @property
    def last_price(self) -> Decimal | None: ...

    @property
    def account(self) -> Standing: ...

    @property
    def halts(self) -> tuple[Halt, ...]: ...

    @property
    def performance(self) -> Performance | None: ...

    @property
    def neighbours(self) -> Neighbours: ...


def draw_grant(limits: RiskLimits, state: Drawable, orders: int) -> Grant:
    """What is left under the limits now; nothing that adds where trading is halted or the account may only reduce.

    Args:
        orders: how many the turn may ask for.
    """
    if state.halts or state.account is not Standing.TRADING:
        return Grant(frozenset(), _ZERO, orders)
    sides = {side for side in limits.sides if side is Side.BUY or _may_short(limits, state)}
    most = largest_holding(limits, state)
    if most is None:
        return Grant(frozenset(), _ZERO, orders)
    rooms = {side: most - _taken(state, side) for side in sides}
    notional = max((room for room in rooms.values() if room > 0), default=_ZERO)
    return Grant(frozenset(side for side, room in rooms.items() if room > 0), notional, orders)


def _may_short(limits: RiskLimits, state: Drawable) -> bool:
    return limits.allow_short and state.instrument.kind is InstrumentKind.SWAP


def largest_holding(limits: RiskLimits, state: Drawable) -> Decimal | None:
    """Quote currency of the largest holding that any limit on it allows; None where one cannot be worked out now."""
    around, made = state.neighbours, state.performance
    caps = [limits.max_position_notional]
    if limits.capital is not None:
        pnl = _ZERO if made is None else made.pnl
        if pnl is None:
            return None
        caps.append(limits.capital + pnl)
    if limits.of_account and around.equity is None:
        return None
    equity = around.equity or _ZERO
    if limits.max_position_share is not None:
        caps.append(limits.max_position_share * equity)
    if limits.max_account_notional is None and limits.max_leverage is None:
        return min(caps)
    if around.exposure is None:
        return None
    if limits.max_account_notional is not None:
        caps.append(limits.max_account_notional - around.exposure)
    if limits.max_leverage is not None:
        caps.append(limits.max_leverage * equity - around.exposure)
    return min(caps)


def _taken(state: Drawable, side: Side) -> Decimal:
    """What the holding and all that is pending on that side come to beyond zero. Without a price, anything is too much."""
    pending = sum((order.remaining for order in state.pending if order.side is side), _ZERO)
    reached = side.sign * state.quantity + pending
    if reached <= 0:
        return _ZERO
    price = state.last_price
    return Decimal("Infinity") if price is None else state.instrument.notional(reached, price)
