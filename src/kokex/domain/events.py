"""Order events: facts about orders as the journal keeps them, each with a name and a key.

The name (`buy_order_done`, `sell_order_partial`...) says what happened; the key tells one happening from another of the same
name, so that a fact that arrives twice is kept once:

    a fill                       fill:<trade id>
    a full fill without an id    filled
    a cancel                     canceled
    an amendment's outcome       amend:<request id>
    accepted                     live
    rejected by the exchange     rejected
    not approved by a person     rejected

(OKX v5, orders channel: pushes may repeat, even with another update time; these are the identities it prescribes.)
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from kokex.domain.instrument import Side
from kokex.domain.order import OrderStatus, OrderUpdate
from kokex.domain.quick_init import quick_init


class OrderEventKind(StrEnum):
    """What happened to an order: the ending of its event type."""

    LIVE = "live"
    PARTIAL = "partial"
    DONE = "done"
    CANCELED = "canceled"
    REJECTED = "rejected"


class EventSource(StrEnum):
    """How we learned of an event."""

    STREAM = "stream"
    RECONCILE = "reconcile"
    COMMAND = "command"


_KINDS = {
    OrderStatus.ACCEPTED: OrderEventKind.LIVE,
    OrderStatus.PARTIALLY_FILLED: OrderEventKind.PARTIAL,
    OrderStatus.FILLED: OrderEventKind.DONE,
    OrderStatus.CANCELED: OrderEventKind.CANCELED,
    OrderStatus.REJECTED: OrderEventKind.REJECTED,
    # Of orders that waited for a person's approval and never went out; the update's own status says which.
    OrderStatus.EXPIRED: OrderEventKind.REJECTED,
    OrderStatus.DENIED: OrderEventKind.REJECTED,
}


_EVENT_TYPES = {(side, kind): f"{side.value}_order_{kind.value}" for side in Side for kind in OrderEventKind}


def event_type(side: Side, kind: OrderEventKind) -> str:
    """The journal's name for it: `buy_order_done`, `sell_order_canceled`..."""
    return _EVENT_TYPES[side, kind]


@quick_init
@dataclass(frozen=True, slots=True)
class ClassifiedUpdate:
    """An update with the kind and key of what it reports: what the journal needs to keep it once."""

    update: OrderUpdate
    kind: OrderEventKind
    event_key: str

    @property
    def event_type(self) -> str:
        """The journal's name for it."""
        return event_type(self.update.side, self.kind)

    @property
    def begins_order(self) -> bool:
        """Whether it is the order's first news: that it was accepted."""
        return self.event_key == "live"


def classify(update: OrderUpdate) -> ClassifiedUpdate:
    """Kind and key of what `update` reports."""
    kind = _KINDS[update.status]
    return ClassifiedUpdate(update, kind, _event_key(update, kind))


def _event_key(update: OrderUpdate, kind: OrderEventKind) -> str:
    if kind in (OrderEventKind.CANCELED, OrderEventKind.REJECTED):
        return kind.value
    if update.fill is not None and update.fill.trade_id is not None:
        return f"fill:{update.fill.trade_id}"
    if kind is OrderEventKind.DONE:
        return "filled"
    if update.request_id is not None:
        return f"amend:{update.request_id}"
    return "live" if kind is OrderEventKind.LIVE else f"filled:{update.filled_quantity.normalize():f}"


@quick_init
@dataclass(frozen=True, slots=True)
class OrderEvent:
    """One order event of one plan, as journalled.

    Attributes:
        id: the journal's number; rises in the order of committing, within a plan.
        external: the order was not made by this plan.
    """

    id: int
    plan_id: int
    account_id: int
    event_type: str
    kind: OrderEventKind
    event_key: str
    update: OrderUpdate
    source: EventSource
    external: bool
    received_at: datetime

    @property
    def wakes_as(self) -> OrderEventKind:
        """The kind that it counts as where it is asked what wakes an agent: a change that was not made is a rejection."""
        return OrderEventKind.REJECTED if self.update.amendment_failed else self.kind
