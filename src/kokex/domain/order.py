"""Orders: what we intend, what the exchange says of it, and the machine that joins the two.

    intended ──► submitted ──► accepted ──► partially_filled ──► filled
        │            │ │ └──────────┴────────────┴──► canceled
        │            │ └──► rejected                   (by the exchange)
        │            └────► unknown ──► accepted ... or expired (never reached the exchange)
        ├──► denied                                    (by our risk gate)
        └──► awaiting_approval ──► submitted, or denied, rejected, expired, canceled (by a person, or for want of one)

*Waiting*: awaiting_approval. *In flight*: submitted, unknown. *Open*: accepted, partially_filled. *Closed*: the rest. Closed is for
ever, and the filled quantity never shrinks, whatever arrives late or twice.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from kokex.domain.amendment import Amendment, AmendmentStatus
from kokex.domain.instrument import PositionSide, Side
from kokex.domain.quick_init import quick_init
from kokex.domain.stops import Stops

WOULD_HAVE_TAKEN = "a post-only order that would have taken"
"""Why the exchange canceled an order, in its `reason`."""


class OrderType(StrEnum):
    """How an order may trade."""

    MARKET = "market"
    LIMIT = "limit"
    POST_ONLY = "post_only"
    IOC = "ioc"
    FOK = "fok"


class OrderStatus(StrEnum):
    """Where an order is in its life."""

    SUBMITTED = "submitted"
    UNKNOWN = "unknown"
    ACCEPTED = "accepted"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    REJECTED = "rejected"
    DENIED = "denied"
    EXPIRED = "expired"
    AWAITING_APPROVAL = "awaiting_approval"

    @property
    def waiting(self) -> bool:
        """Let through by our gate and not sent: a person is asked first."""
        return self is OrderStatus.AWAITING_APPROVAL

    @property
    def in_flight(self) -> bool:
        """Sent, with no word from the exchange yet."""
        return self in _IN_FLIGHT

    @property
    def open(self) -> bool:
        """Working at the exchange."""
        return self in _OPEN

    @property
    def closed(self) -> bool:
        """Nothing can happen to it any more."""
        return not (self.waiting or self.in_flight or self.open)


_IN_FLIGHT = frozenset({OrderStatus.SUBMITTED, OrderStatus.UNKNOWN})
_OPEN = frozenset({OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED})


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """What a plan wants done. `quantity` is base currency for spot, contracts for swaps; `price` None for market."""

    client_order_id: str
    plan_id: int
    inst_id: str
    side: Side
    order_type: OrderType
    quantity: Decimal
    price: Decimal | None = None
    reduce_only: bool = False
    stops: Stops | None = None


@quick_init
@dataclass(frozen=True, slots=True)
class Fill:
    """One execution of an order of ours.

    Attributes:
        trade_id: unique per instrument; None for the few fills that the exchange gives no id.
        fee: negative when charged, positive for a rebate, in `fee_currency`; None if not told.
        bill_id: the account's ledger entry, where known (REST only): the global cursor of fills.
    """

    inst_id: str
    order_id: str
    trade_id: str | None
    side: Side
    price: Decimal
    quantity: Decimal
    fee: Decimal | None
    fee_currency: str | None
    maker: bool | None
    occurred_at: datetime
    client_order_id: str | None = None
    bill_id: str | None = None


@quick_init
@dataclass(frozen=True, slots=True)
class OrderUpdate:
    """What the exchange said of one order at one moment (a push, or a REST row).

    Attributes:
        status: accepted, partially_filled, filled or canceled.
        filled_quantity: cumulative.
        fee: cumulative, negative when charged; None if not told.
        fill: the execution that this push reports; None in REST rows and pushes without one.
        never_live: the book refused it as it arrived (a post-only order that would have taken): it was never accepted.
        position_side: whose position it trades: the net one, or the long or short one of an account in long/short mode.
        request_id, amend_result: of the amendment this push answers; None otherwise.
        raw: the exchange's own JSON of it.
        late: pushed after one that had filled more: its execution counts, its cumulative figures are of before.
    """

    inst_id: str
    order_id: str
    client_order_id: str | None
    side: Side
    order_type: str
    status: OrderStatus
    quantity: Decimal
    price: Decimal | None
    filled_quantity: Decimal
    average_price: Decimal | None
    fee: Decimal | None
    fee_currency: str | None
    created_at: datetime
    occurred_at: datetime
    fill: Fill | None = None
    request_id: str | None = None
    amend_result: str | None = None
    cancel_reason: str | None = None
    never_live: bool = False
    position_side: PositionSide = PositionSide.NET
    raw: bytes = b"{}"
    late: bool = False

    @property
    def amendment_failed(self) -> bool:
        """Whether it tells that a change which the exchange had taken could not be made. OKX v5: `amendResult` 0 is done, -1 failed."""
        return self.request_id is not None and self.amend_result not in (None, "0")


@quick_init
@dataclass(frozen=True, slots=True)
class Order:
    """The life of one order as far as we know it.

    Attributes:
        created_at: when it was meant to go out; for one that a person approved, the moment after that.
        decision_id, step: what asked for it; None for orders made outside KOKEX.
        reason: why it was denied, rejected, canceled or expired.
        amendments: every change that was sent, oldest first.
        stops: what it brings along; the exchange makes them once it has filled.
        decision_mid: (best bid + best ask) / 2 when it was decided on; None where no fresh one was known.
    """

    client_order_id: str | None
    order_id: str | None
    plan_id: int
    account_id: int
    inst_id: str
    side: Side
    order_type: str
    quantity: Decimal
    price: Decimal | None
    status: OrderStatus
    created_at: datetime
    updated_at: datetime
    filled_quantity: Decimal = Decimal(0)
    average_price: Decimal | None = None
    decision_id: int | None = None
    step: int | None = None
    reason: str | None = None
    reduce_only: bool = False
    amendments: tuple[Amendment, ...] = ()
    decision_mid: Decimal | None = None
    stops: Stops | None = None

    @property
    def would_have_taken(self) -> bool:
        """Whether the exchange canceled it as it arrived, because it was to rest only and would have taken."""
        canceled = self.status is OrderStatus.CANCELED and not self.filled_quantity
        return (
            canceled
            and self.order_type == OrderType.POST_ONLY.value
            and WOULD_HAVE_TAKEN in (self.reason or "")
        )

    @property
    def slippage_bps(self) -> Decimal | None:
        """By how much, in basis points of the mid price of its decision, its fills were dearer (or cheaper: negative) than that.

        None where nothing has filled or the mid was not known. Fees are not in it.
        """
        if not self.filled_quantity or self.average_price is None or not self.decision_mid:
            return None
        return self.side.sign * (self.average_price - self.decision_mid) / self.decision_mid * 10_000

    @property
    def amending(self) -> Amendment | None:
        """The change that is under way: sent, and neither seen on the order nor known to have come to nothing."""
        if not self.amendments or self.status.closed:
            return None
        last = self.amendments[-1]
        return None if not last.status.undecided or self._has(last) else last

    @property
    def remaining(self) -> Decimal:
        """Quantity that may still fill, by the larger of what the order is and may have been changed to; zero once closed."""
        if self.status.closed:
            return Decimal(0)
        change = self.amending
        most = self.quantity
        if change is not None and change.quantity is not None:
            most = max(most, change.quantity)
        return most - self.filled_quantity

    def at_worst(self) -> Order:
        """The same, where its record may be older than its last change: as large, and as keen, as either says."""
        made = self.amendments[-1] if self.amendments else None
        if made is None or made.status is not AmendmentStatus.APPLIED or self._has(made):
            return self
        doubted = replace(made, status=AmendmentStatus.ACCEPTED)
        whole = replace(self, amendments=(*self.amendments[:-1], doubted))
        return replace(self, quantity=whole.remaining + self.filled_quantity, price=whole.keenest_price)

    @property
    def keenest_price(self) -> Decimal | None:
        """The price at which it takes most: its own, or that of a change under way; None for market orders."""
        change = self.amending
        if change is None or change.price is None or self.price is None:
            return self.price
        return max(self.price, change.price) if self.side is Side.BUY else min(self.price, change.price)

    def apply(self, update: OrderUpdate) -> Order:
        """The order after `update`; unchanged where the update is older than what is known."""
        if self.status.closed and self.status is not OrderStatus.EXPIRED:
            return self
        if update.filled_quantity < self.filled_quantity:
            return self
        if _rank(update.status) < _rank(self.status):
            return self
        return replace(
            self,
            order_id=update.order_id,
            status=update.status,
            filled_quantity=update.filled_quantity,
            average_price=update.average_price,
            quantity=update.quantity,
            price=update.price,
            updated_at=update.occurred_at,
            reason=update.cancel_reason or self.reason,
            amendments=self._decided_by(update),
        )

    def decide(
        self, request_id: str, status: AmendmentStatus, reason: str | None = None, *, applied: bool = False
    ) -> Order:
        """The order once more is known of an amendment that is undecided; unchanged where it is decided.

        Args:
            applied: the exchange was seen to have made the change.
        """
        found = [one for one in self.amendments if one.request_id == request_id and one.status.undecided]
        if not found:
            return self
        told = replace(found[0], status=status, reason=reason)
        others = tuple(told if one is found[0] else one for one in self.amendments)
        changed = replace(self, amendments=others)
        if not applied:
            return changed
        quantity = self.quantity if told.quantity is None else told.quantity
        return replace(changed, quantity=quantity, price=self.price if told.price is None else told.price)

    def _decided_by(self, update: OrderUpdate) -> tuple[Amendment, ...]:
        """The amendments, the last of them decided where `update` answers it."""
        change = self.amending
        if change is None:
            return self.amendments
        if update.request_id == change.request_id and update.amendment_failed:
            failed = replace(change, status=AmendmentStatus.FAILED, reason=_AMEND_FAILED)
            return (*self.amendments[:-1], failed)
        done = (change.quantity in (None, update.quantity)) and (change.price in (None, update.price))
        if done:
            return (*self.amendments[:-1], replace(change, status=AmendmentStatus.APPLIED, reason=None))
        return self.amendments

    def _has(self, change: Amendment) -> bool:
        """Whether the order is as `change` asks."""
        return change.quantity in (None, self.quantity) and change.price in (None, self.price)


_AMEND_FAILED = "the exchange took the change and could not make it; the order is as it was"

_RANKS = {
    OrderStatus.AWAITING_APPROVAL: 0,
    OrderStatus.SUBMITTED: 0,
    OrderStatus.UNKNOWN: 0,
    OrderStatus.EXPIRED: 0,
    OrderStatus.ACCEPTED: 1,
    OrderStatus.PARTIALLY_FILLED: 2,
}


def _rank(status: OrderStatus) -> int:
    return _RANKS.get(status, 3)
