"""Orders that are too large to show at once, or that are to be had without taking: a parent order, and the child orders that work it.

`next_deed` says what to do at one moment, from what is known then. It is pure: the same record gives the same deed after a restart.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final, TypeAlias

from kokex.domain.instrument import Instrument, Side
from kokex.domain.order import Order, OrderStatus, OrderType

MOST_CHILDREN: Final = 1000
"""Child orders of one parent order; their steps are `MOST_CHILDREN` times one more than the parent's, and up."""
PACE: Final = timedelta(seconds=1)
"""Between a child order's start or move and its next move, or the next child order after one that ended unfilled."""


class Style(StrEnum):
    """How a parent order is worked.

    `twap`: equal slices, evenly over its time, each taking what is offered. `iceberg`: rests at the limit price, a part at a time.
    `post_only`: rests at the best price of its own side, and follows it; it never takes.
    """

    TWAP = "twap"
    ICEBERG = "iceberg"
    POST_ONLY = "post_only"


class ParentStatus(StrEnum):
    """Where a parent order is."""

    WORKING = "working"
    DONE = "done"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class ParentOrder:
    """What is to be bought or sold, and how.

    Attributes:
        step: the parent's number within its decision.
        quantity: base currency (spot) or contracts.
        limit_price: never worse than this; a TWAP may have none.
        slices: of a TWAP.
        visible: the largest child order of an iceberg.
        reduces: it was let through because it reduces a holding; so its child orders do nothing else.
        reason: why it ended, or why it does not go on now.
    """

    plan_id: int
    decision_id: int
    step: int
    side: Side
    quantity: Decimal
    style: Style
    started_at: datetime
    ends_at: datetime
    limit_price: Decimal | None = None
    slices: int | None = None
    visible: Decimal | None = None
    reduces: bool = False
    status: ParentStatus = ParentStatus.WORKING
    reason: str | None = None

    def child_step(self, number: int) -> int:
        """Step of the parent's child order `number`, counted from 0."""
        return MOST_CHILDREN * (self.step + 1) + number

    def owns(self, order: Order) -> bool:
        """Whether `order` is one of its child orders."""
        first = self.child_step(0)
        return (
            order.decision_id == self.decision_id
            and order.step is not None
            and first <= order.step < first + MOST_CHILDREN
        )


def is_child(order: Order) -> bool:
    """Whether `order` is a child order of any parent: a decision's own orders have smaller steps, those of no decision are numbered 0."""
    return bool(order.decision_id) and order.step is not None and order.step >= MOST_CHILDREN


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a parent order has come.

    Attributes:
        filled: of all child orders.
        resting: the child order that is open, in flight or unknown.
        last: the latest child order, whatever became of it.
        children: how many there were.
    """

    filled: Decimal
    resting: Order | None
    last: Order | None
    children: int


def progress_of(parent: ParentOrder, orders: list[Order]) -> Progress:
    """From the decision's orders as kept."""
    own = sorted((one for one in orders if parent.owns(one)), key=lambda one: one.step or 0)
    resting = next((one for one in own if not one.status.closed), None)
    filled = sum((one.filled_quantity for one in own), Decimal(0))
    return Progress(filled, resting, own[-1] if own else None, len(own))


@dataclass(frozen=True, slots=True)
class Touch:
    """The best prices now; None where unknown."""

    bid: Decimal | None
    ask: Decimal | None

    def own(self, side: Side) -> Decimal | None:
        """Where a resting order of `side` is the best."""
        return self.bid if side is Side.BUY else self.ask

    def opposite(self, side: Side) -> Decimal | None:
        """What an order of `side` would take."""
        return self.ask if side is Side.BUY else self.bid


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do now."""


@dataclass(frozen=True, slots=True)
class Send:
    """A new child order."""

    quantity: Decimal
    order_type: OrderType
    price: Decimal


@dataclass(frozen=True, slots=True)
class Move:
    """A new price of the resting child order."""

    name: str
    price: Decimal


@dataclass(frozen=True, slots=True)
class Withdraw:
    """The resting child order is to be cancelled."""

    name: str


@dataclass(frozen=True, slots=True)
class End:
    """The parent order is over."""

    status: ParentStatus
    reason: str


Deed: TypeAlias = Wait | Send | Move | Withdraw | End


def next_deed(
    parent: ParentOrder, progress: Progress, instrument: Instrument, touch: Touch, now: datetime
) -> Deed:
    """What to do at `now`."""
    resting = progress.resting
    if resting is not None and not resting.status.open:
        return Wait()
    if now >= parent.ends_at and resting is not None:
        return Withdraw(resting.client_order_id or "")
    over = None if resting is not None else _exhausted(parent, progress, instrument, now)
    if over is not None:
        return over
    match parent.style:
        case Style.TWAP:
            return _slice(parent, progress, instrument, touch, now)
        case Style.ICEBERG:
            return _rest(parent, progress, instrument)
        case Style.POST_ONLY:
            return _follow(parent, progress, instrument, touch, now)


def _exhausted(parent: ParentOrder, progress: Progress, instrument: Instrument, now: datetime) -> End | None:
    """Why there is no further child order."""
    left = parent.quantity - progress.filled
    if now >= parent.ends_at:
        return _over(parent, left, "its time is over")
    if left < instrument.min_quantity:
        return _over(parent, left, "what is left is too little for an order")
    if progress.children >= MOST_CHILDREN:
        return _over(parent, left, f"it had {MOST_CHILDREN} child orders")
    return None


def _over(parent: ParentOrder, left: Decimal, reason: str) -> End:
    if not left:
        return End(ParentStatus.DONE, "all of it is filled")
    done = (parent.quantity - left).normalize()
    return End(ParentStatus.STOPPED, f"{reason}; {done:f} of {parent.quantity} is filled")


def _slice(
    parent: ParentOrder, progress: Progress, instrument: Instrument, touch: Touch, now: datetime
) -> Deed:
    """One order a slot, over what ought to be filled by the slot's end; what a slot did not get is the next one's."""
    if progress.resting is not None:
        return Wait()
    slices = parent.slices or 1
    span = (parent.ends_at - parent.started_at) / slices
    slot = min(int((now - parent.started_at) / span), slices - 1)
    if progress.last is not None and progress.last.created_at >= parent.started_at + slot * span:
        return Wait()
    by_now = parent.quantity if slot == slices - 1 else parent.quantity * (slot + 1) / slices
    quantity = instrument.round_quantity(by_now - progress.filled)
    price = _not_worse(parent, touch.opposite(parent.side))
    offered = touch.opposite(parent.side)
    if quantity < instrument.min_quantity or price is None or price != offered:
        return Wait()
    return Send(quantity, OrderType.IOC, price)


def _rest(parent: ParentOrder, progress: Progress, instrument: Instrument) -> Deed:
    """One part after the other, at the limit price."""
    assert parent.limit_price is not None
    if progress.resting is not None:
        return Wait()
    last = progress.last
    if last is not None and last.status is not OrderStatus.FILLED:
        said = last.reason or last.status.value
        return _over(parent, parent.quantity - progress.filled, f"its child order ended unfilled ({said})")
    left = parent.quantity - progress.filled
    quantity = instrument.round_quantity(min(parent.visible or left, left))
    return Send(quantity, OrderType.LIMIT, parent.limit_price)


def _follow(
    parent: ParentOrder, progress: Progress, instrument: Instrument, touch: Touch, now: datetime
) -> Deed:
    """All that is left, at the best price of its own side; moved when that goes ahead of it."""
    best = _not_worse(parent, touch.own(parent.side))
    last = progress.last
    if best is None or (last is not None and now - max(last.created_at, last.updated_at) < PACE):
        return Wait()
    resting = progress.resting
    if resting is None:
        if last is not None and last.status in (OrderStatus.REJECTED, OrderStatus.DENIED):
            said = last.reason or last.status.value
            return _over(
                parent, parent.quantity - progress.filled, f"its child order was {last.status.value} ({said})"
            )
        left = instrument.round_quantity(parent.quantity - progress.filled)
        return Send(left, OrderType.POST_ONLY, best)
    if resting.amending is not None:
        return Wait()
    behind = resting.price is not None and (best - resting.price) * parent.side.sign > 0
    return Move(resting.client_order_id or "", best) if behind else Wait()


def _not_worse(parent: ParentOrder, price: Decimal | None) -> Decimal | None:
    """`price`, or the limit price where that is not as bad."""
    if price is None or parent.limit_price is None:
        return price
    return min(price, parent.limit_price) if parent.side is Side.BUY else max(price, parent.limit_price)
