"""What each plan holds and has pending: the state that the risk gate asks.

One owner, one thread: orders enter when they are intended, and move only when the journal has committed an event. Between
the exchange's fill and our commit an order therefore still counts as pending, never as nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from kokex.domain.amendment import Amendment, AmendmentStatus
from kokex.domain.errors import StateError
from kokex.domain.events import EventSource, OrderEvent, OrderEventKind
from kokex.domain.instrument import Instrument, Side
from kokex.domain.order import Fill, Order, OrderStatus
from kokex.domain.position import PlanBook
from kokex.domain.result_tape import ResultTape
from kokex.domain.results import TradeResults
from kokex.services.order_pace import OrderPace

_ORDERS_REMEMBERED = 1000
"""Orders of a plan whose executions are known one by one. See `PlanLedger`."""


@dataclass(slots=True)
class PlanLedger:
    """One plan's holding, cash and pending orders, in memory.

    The journal keeps an event once, but it may tell one execution twice: the stream as the last of a filled order, a
    reconciliation as one on the way, or the other way round. Each is counted once: of the orders that were dealt with last, the
    ledger knows every execution. Of an older one it cannot know; then it is counted anew from the table of fills, which has
    each execution once. So memory is bounded, and forgetting costs a query, never a wrong count.

    `stops_out`: stops of the plan's orders may wait at the exchange; known not to once `StopKeeping` has looked.
    """

    book: PlanBook
    pending: dict[str, Order] = field(default_factory=dict)
    _counted: OrderedDict[str, dict[str, Decimal]] = field(default_factory=OrderedDict)
    _lacking: dict[str, Decimal] = field(default_factory=dict)
    _doubtful: set[str] = field(default_factory=set)
    pace: OrderPace = field(default_factory=OrderPace)
    stops_out: bool = True
    _tape: ResultTape = field(init=False)

    def __post_init__(self) -> None:
        self._tape = ResultTape(self.book.instrument)

    def add(self, order: Order, price: Decimal | None = None) -> None:
        """Count an order that is about to be sent; `price`: the last price, where it has none of its own."""
        if order.client_order_id and not order.status.closed:
            self.pace.add(order.side, order.price or price, order.created_at, order.client_order_id)
            self.watch(order)

    def watch(self, order: Order) -> None:
        """Count an order that was let through before."""
        if order.client_order_id and not order.status.closed:
            self.pending[order.client_order_id] = order
            self.stops_out |= order.stops is not None
            self._remember(order.client_order_id)
            if order.status not in (OrderStatus.AWAITING_APPROVAL, OrderStatus.SUBMITTED):
                self._doubtful.add(order.client_order_id)

    @contextmanager
    def without(self, waiting: Order) -> Iterator[None]:
        """As long as it lasts the ledger is as if that order had never been let through. Nothing is to be awaited meanwhile."""
        pending, pace = self.pending, self.pace
        others = {name: order for name, order in pending.items() if name != waiting.client_order_id}
        self.pending, self.pace = others, pace.without(waiting.created_at)
        try:
            yield
        finally:
            self.pending, self.pace = pending, pace

    def let_go(self, waiting: Order, order: Order, price: Decimal | None) -> None:
        """An order that waited is about to be sent, as `order`: it counts as let through now, not when it was asked for."""
        self.pace = self.pace.without(waiting.created_at)
        self.add(order, price)

    def settle(
        self, client_order_id: str, status: OrderStatus, *, order_id: str | None, reason: str | None
    ) -> None:
        """A command's outcome, where the order is still in flight."""
        order = self.pending.get(client_order_id)
        if order is None or not order.status.in_flight:
            return
        settled = replace(order, status=status, order_id=order_id or order.order_id, reason=reason)
        self._keep(client_order_id, settled)

    def amend(self, client_order_id: str, change: Amendment) -> None:
        """Count a change that is about to be sent: until it is decided the larger of both orders is pending."""
        order = self.pending.get(client_order_id)
        if order is not None:
            self.pace.add(order.side, change.price or order.price, change.asked_at, client_order_id)
            self.pending[client_order_id] = replace(order, amendments=(*order.amendments, change))

    def decide(
        self,
        client_order_id: str,
        request_id: str,
        status: AmendmentStatus,
        reason: str | None,
        *,
        applied: bool = False,
    ) -> None:
        """What is known of a change by now; an event that decided it before wins."""
        order = self.pending.get(client_order_id)
        if order is not None:
            self.pending[client_order_id] = order.decide(request_id, status, reason, applied=applied)

    def apply(self, event: OrderEvent) -> bool:
        """A journalled event of this plan's own order. False: whether its execution is counted cannot be known: `recount`."""
        update, name = event.update, event.update.client_order_id
        if event.external or not name:
            return True
        known = update.fill is None or self._count(name, update.fill, event.event_key)
        if event.kind is OrderEventKind.LIVE and event.source is EventSource.STREAM:
            self._remember(name)
        order = self.pending.get(name)
        if order is not None:
            self._keep(name, order.apply(update))
        return known

    def recount(self, fills: Iterable[Fill]) -> None:
        """Count anew, from all that the journal has of the plan."""
        self.book = PlanBook(self.book.instrument, funding=self.book.funding)
        self._tape = ResultTape(self.book.instrument)
        for fill in fills:
            self.book = self.book.apply(fill)
            self._tape.add(fill)
            if fill.client_order_id in self._doubtful and fill.trade_id is not None:
                self._remember(fill.client_order_id)[fill.trade_id] = fill.quantity
        self._doubtful.clear()
        for name in list(self._lacking):
            self._note_lack(name, self._lacking[name])

    def set_funding(self, total: Decimal) -> None:
        """What funding came to for the plan, all of it."""
        self.book = replace(self.book, funding=total)

    def orders_since(self, moment: datetime) -> int:
        """Orders let through at or after `moment` (a day back at most)."""
        return self.pace.since(moment)

    @property
    def whole(self) -> bool:
        """Whether all that orders filled which are over is counted; an execution whose push was lost or is late is not yet."""
        return not self._lacking

    @property
    def results(self) -> TradeResults:
        """What the fills came to, result by result; worked out when it is asked for."""
        return self._tape.results

    @property
    def furthest(self) -> Decimal:
        """The largest holding, whatever side, that everything pending could lead to."""
        held = self.book.quantity
        sides = dict.fromkeys(Side, held)
        for order in self.pending.values():
            sides[order.side] += order.side.sign * order.remaining
        return max(abs(held), *(abs(reached) for reached in sides.values()))

    def committed_cash(self) -> Decimal:
        """Quote currency that pending buys with a limit price may still take."""
        return sum(
            (
                self.book.instrument.notional(order.remaining, order.keenest_price)
                for order in self.pending.values()
                if order.side is Side.BUY and order.keenest_price is not None
            ),
            Decimal(0),
        )

    def _keep(self, client_order_id: str, order: Order) -> None:
        if order.status.closed:
            self.pending.pop(client_order_id, None)
            self._note_lack(client_order_id, order.filled_quantity)
        else:
            self.pending[client_order_id] = order

    def close(self, client_order_id: str) -> None:
        """An order was settled elsewhere: it is pending no more."""
        self.pending.pop(client_order_id, None)

    def use(self, instrument: Instrument) -> None:
        """The exchange changed the instrument's steps."""
        self.book = replace(self.book, instrument=instrument)
        self._tape.use(instrument)

    def _count(self, name: str, fill: Fill, event_key: str) -> bool:
        counted = self._counted.get(name)
        if counted is None:
            self._doubtful.add(name)
            return False
        key = fill.trade_id or event_key
        if key in counted:
            return True
        counted[key] = fill.quantity
        self._note_lack(name, self._lacking.get(name, Decimal(0)))
        if not self._tape.add(fill):
            return False
        self.book = self.book.apply(fill)
        return True

    def _note_lack(self, name: str, filled: Decimal) -> None:
        """Compare what an order filled with its executions that are counted, where those are remembered."""
        counted = self._counted.get(name)
        if counted is not None and sum(counted.values()) < filled:
            self._lacking[name] = filled
        else:
            self._lacking.pop(name, None)

    def _remember(self, name: str) -> dict[str, Decimal]:
        """Executions of an order that are counted, with their quantities; none where the order is new."""
        counted = self._counted.setdefault(name, {})
        self._counted.move_to_end(name)
        if len(self._counted) > _ORDERS_REMEMBERED:
            self._counted.popitem(last=False)
        return counted


class Ledgers:
    """The ledgers of all plans that this process runs."""

    def __init__(self) -> None:
        self._ledgers: dict[int, PlanLedger] = {}
        self._resting: dict[int, PlanLedger] = {}

    def open(
        self,
        plan_id: int,
        instrument: Instrument,
        fills: Iterable[Fill],
        pending: Iterable[Order],
        let_through: Iterable[Order] = (),
    ) -> PlanLedger:
        """Start a plan's ledger from what is kept; orders last seen on their way out count as unknown.

        Args:
            let_through: orders of the last day, oldest first, whatever became of them.
        """
        ledger = _ledger(instrument, fills, pending, let_through)
        self._ledgers[plan_id] = ledger
        self._resting.pop(plan_id, None)
        return ledger

    def open_resting(
        self, plan_id: int, instrument: Instrument, fills: Iterable[Fill], pending: Iterable[Order]
    ) -> None:
        """Keep the ledger of a plan that does not run, on an account where others do: what it holds counts for them."""
        if plan_id not in self._ledgers:
            self._resting[plan_id] = _ledger(instrument, fills, pending, ())

    def rest(self, plan_id: int) -> None:
        """This process runs the plan no longer, but others on its account."""
        ledger = self._ledgers.pop(plan_id, None)
        if ledger is not None:
            self._resting[plan_id] = ledger

    def get(self, plan_id: int) -> PlanLedger | None:
        """A plan's ledger; None for a plan that this process does not run."""
        return self._ledgers.get(plan_id)

    def known(self, plan_id: int) -> PlanLedger | None:
        """A plan's ledger, also of one that rests beside others at work on its account."""
        return self._ledgers.get(plan_id) or self._resting.get(plan_id)

    def pending(self) -> list[Order]:
        """The pending orders of every plan."""
        return [order for ledger in self._ledgers.values() for order in ledger.pending.values()]

    def drop(self, plan_id: int) -> None:
        """This process runs neither the plan nor, any more, another on its account."""
        self._ledgers.pop(plan_id, None)
        self._resting.pop(plan_id, None)

    def of(self, plan_id: int) -> PlanLedger:
        """A plan's ledger. Raises `StateError` for a plan that this process does not run."""
        ledger = self._ledgers.get(plan_id)
        if ledger is None:
            raise StateError(f"plan {plan_id} is not at work here: it was stopped, or left to another engine")
        return ledger

    def apply(self, event: OrderEvent) -> bool:
        """Move the ledger of the event's plan, if it is here. False: it must be counted anew."""
        ledger = self.known(event.plan_id)
        return ledger is None or ledger.apply(event)


def _ledger(
    instrument: Instrument, fills: Iterable[Fill], pending: Iterable[Order], let_through: Iterable[Order]
) -> PlanLedger:
    ledger = PlanLedger(PlanBook(instrument))
    known = {order.client_order_id: order for order in let_through}
    waiting = list(pending)
    for order in waiting:
        lost = order.status is OrderStatus.SUBMITTED
        ledger.watch(replace(order, status=OrderStatus.UNKNOWN) if lost else order.at_worst())
        known.setdefault(order.client_order_id, order)
    went_out = [(order.created_at, order, order.price or order.average_price) for order in known.values()] + [
        (change.asked_at, order, change.price or order.price)
        for order in known.values()
        for change in order.amendments
    ]
    for at, order, price in sorted(went_out, key=lambda one: one[0]):
        ledger.pace.add(order.side, price, at, order.client_order_id or "")
    ledger.recount(fills)
    return ledger
