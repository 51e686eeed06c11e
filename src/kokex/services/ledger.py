"""What each plan holds and has pending: the state that the risk gate asks.

One owner, one thread: orders enter when they are intended, and move only when the journal has committed an event. Between
the exchange's fill and our commit an order therefore still counts as pending, never as nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

from kokex.domain.events import OrderEvent
from kokex.domain.instrument import Instrument, Side
from kokex.domain.order import Fill, Order, OrderStatus
from kokex.domain.position import PlanBook

_MINUTE = timedelta(minutes=1)


@dataclass(slots=True)
class PlanLedger:
    """One plan's holding, cash and pending orders, in memory."""

    book: PlanBook
    pending: dict[str, Order] = field(default_factory=dict)
    _fills_seen: set[tuple[str, str | None]] = field(default_factory=set)
    _let_through: deque[datetime] = field(default_factory=deque)

    def add(self, order: Order) -> None:
        """Count an order that is about to be sent."""
        if order.client_order_id and not order.status.closed:
            self.pending[order.client_order_id] = order
            self._let_through.append(order.created_at)

    def settle(
        self, client_order_id: str, status: OrderStatus, *, order_id: str | None, reason: str | None
    ) -> None:
        """A command's outcome, where the order is still in flight."""
        order = self.pending.get(client_order_id)
        if order is None or not order.status.in_flight:
            return
        settled = replace(order, status=status, order_id=order_id or order.order_id, reason=reason)
        self._keep(client_order_id, settled)

    def apply(self, event: OrderEvent) -> None:
        """A journalled event of this plan's own order."""
        if event.external:
            return
        update = event.update
        if update.fill is not None:
            self.apply_fill(update.fill)
        order = self.pending.get(update.client_order_id or "")
        if order is not None and update.client_order_id:
            self._keep(update.client_order_id, order.apply(update))

    def orders_since(self, moment: datetime) -> int:
        """Orders let through at or after `moment` (kept for a minute)."""
        while self._let_through and self._let_through[0] < moment - _MINUTE:
            self._let_through.popleft()
        return sum(1 for at in self._let_through if at >= moment)

    def committed_cash(self) -> Decimal:
        """Quote currency that pending buys with a limit price may still take."""
        return sum(
            (
                self.book.instrument.notional(order.remaining, order.price)
                for order in self.pending.values()
                if order.side is Side.BUY and order.price is not None
            ),
            Decimal(0),
        )

    def _keep(self, client_order_id: str, order: Order) -> None:
        if order.status.closed:
            self.pending.pop(client_order_id, None)
        else:
            self.pending[client_order_id] = order

    def close(self, client_order_id: str) -> None:
        """An order was settled elsewhere: it is pending no more."""
        self.pending.pop(client_order_id, None)

    def use(self, instrument: Instrument) -> None:
        """The exchange changed the instrument's steps."""
        self.book = replace(self.book, instrument=instrument)

    def apply_fill(self, fill: Fill) -> None:
        """Count an execution, once."""
        key = (fill.order_id, fill.trade_id)
        if key not in self._fills_seen:
            self._fills_seen.add(key)
            self.book = self.book.apply(fill)


class Ledgers:
    """The ledgers of all plans that this process runs."""

    def __init__(self) -> None:
        self._ledgers: dict[int, PlanLedger] = {}

    def open(
        self, plan_id: int, instrument: Instrument, fills: Iterable[Fill], pending: Iterable[Order]
    ) -> PlanLedger:
        """Start a plan's ledger from what is kept; orders last seen on their way out count as unknown."""
        ledger = PlanLedger(PlanBook(instrument))
        for fill in fills:
            ledger.apply_fill(fill)
        for order in pending:
            if order.status is OrderStatus.SUBMITTED:
                ledger.add(replace(order, status=OrderStatus.UNKNOWN))
            else:
                ledger.add(order)
        self._ledgers[plan_id] = ledger
        return ledger

    def get(self, plan_id: int) -> PlanLedger | None:
        """A plan's ledger; None for a plan that this process does not run."""
        return self._ledgers.get(plan_id)

    def pending(self) -> list[Order]:
        """The pending orders of every plan."""
        return [order for ledger in self._ledgers.values() for order in ledger.pending.values()]

    def drop(self, plan_id: int) -> None:
        """This process runs the plan no longer."""
        self._ledgers.pop(plan_id, None)

    def of(self, plan_id: int) -> PlanLedger:
        """A plan's ledger. Raises `KeyError` for a plan that this process does not run."""
        return self._ledgers[plan_id]

    def apply(self, event: OrderEvent) -> None:
        """Move the ledger of the event's plan, if it is here."""
        ledger = self._ledgers.get(event.plan_id)
        if ledger is not None:
            ledger.apply(event)
