"""The exchange's registers: numbers it gives out, orders, fills, bills and the journal of order events."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from kokex.paper.algo.order import AlgoOrder
from kokex.paper.exchange.notices import FillNotice, OrderNotice, Outbox
from kokex.paper.ledger.account import Account, Bill, FillRecord
from kokex.paper.matching.order import Order
from kokex.paper.wire.orders import render_push

FIRST_ORDER_ID = 2_600_000_000_000_000_000
FIRST_BILL_ID = 1_600_000_000_000_000_000
FIRST_POSITION_ID = 1_900_000_000_000_000_000
FIRST_ALGO_ID = 2_100_000_000_000_000_000
FIRST_TRADE_ID = 900_000_000


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """One update of an order that the exchange made, whether or not anybody was connected."""

    seq: int
    uid: str
    order_id: str
    client_order_id: str
    inst_id: str
    state: str
    trade_id: str
    filled: str
    updated_ms: int
    payload: bytes


@dataclass(slots=True)
class Counters:
    """The next numbers; all ids are counters, so that a run repeats."""

    order: int = FIRST_ORDER_ID
    bill: int = FIRST_BILL_ID
    position: int = FIRST_POSITION_ID
    algo: int = FIRST_ALGO_ID
    priority: int = 0
    event: int = 0
    trades: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Unsaved:
    """What changed since the last save."""

    orders: dict[int, Order] = field(default_factory=dict)
    algos: dict[int, AlgoOrder] = field(default_factory=dict)
    fills: list[tuple[str, FillRecord]] = field(default_factory=list)
    bills: list[tuple[str, Bill]] = field(default_factory=list)
    events: list[OrderEvent] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.orders or self.algos or self.fills or self.bills or self.events)


class Records:
    """Implements the registers that matching and settlement write to."""

    def __init__(self, outbox: Outbox, marks: dict[str, Decimal]) -> None:
        self._outbox = outbox
        self._marks = marks
        self.counters = Counters()
        self.orders: dict[int, Order] = {}
        self.fills: dict[str, list[FillRecord]] = defaultdict(list)
        self.bills: dict[str, list[Bill]] = defaultdict(list)
        self.events: dict[str, list[OrderEvent]] = defaultdict(list)
        self.unsaved = Unsaved()
        self.ended: list[Order] = []
        """Orders that ended and that an algo order waits for: children, and those that bring attachments."""
        self.wall_clock: Callable[[], float] = time.time
        self._open: dict[str, dict[int, Order]] = defaultdict(dict)
        self._pending_names: dict[tuple[str, str], Order] = {}
        self._latest_names: dict[tuple[str, str, str], Order] = {}
        self._by_account: dict[str, list[Order]] = defaultdict(list)

    def wall_ms(self) -> int:
        """Wall-clock time in milliseconds."""
        return int(self.wall_clock() * 1000)

    def next_order_id(self) -> int:
        """A fresh order number of 19 digits."""
        self.counters.order += 1
        return self.counters.order

    def next_algo_id(self) -> int:
        """A fresh number of an algo order or an attachment."""
        self.counters.algo += 1
        return self.counters.algo

    def next_bill_id(self) -> int:
        """A fresh bill number."""
        self.counters.bill += 1
        return self.counters.bill

    def next_position_id(self) -> int:
        """A fresh position number."""
        self.counters.position += 1
        return self.counters.position

    def next_priority(self) -> int:
        """A fresh arrival number."""
        self.counters.priority += 1
        return self.counters.priority

    def next_trade_id(self, inst_id: str) -> int:
        """A fresh trade number; unique within its instrument only, as on OKX."""
        number = self.counters.trades.get(inst_id, FIRST_TRADE_ID) + 1
        self.counters.trades[inst_id] = number
        return number

    def add_order(self, order: Order) -> None:
        """Keep a new order."""
        self.restore_order(order)
        self.unsaved.orders[order.order_id] = order

    def restore_order(self, order: Order) -> None:
        """Keep an order that a saved state brought back."""
        uid = order.account_uid
        self.orders[order.order_id] = order
        self._by_account[uid].append(order)
        if order.is_open:
            self._open[uid][order.order_id] = order
        if order.client_order_id:
            self._latest_names[(uid, order.instrument.inst_id, order.client_order_id)] = order
            if order.is_open:
                self._pending_names[(uid, order.client_order_id)] = order

    def order_changed(self, order: Order) -> None:
        """Note a silent change."""
        self.unsaved.orders[order.order_id] = order

    def order_updated(self, order: Order) -> None:
        """Journal an update and hand it to the faces."""
        uid = order.account_uid
        if not order.is_open:
            if order.attached or order.algo_id:
                self.ended.append(order)
            self._open[uid].pop(order.order_id, None)
            name = (uid, order.client_order_id)
            if self._pending_names.get(name) is order:
                del self._pending_names[name]
        payload = render_push(order, self._marks[order.instrument.inst_id])
        self.counters.event += 1
        event = OrderEvent(
            seq=self.counters.event,
            uid=uid,
            order_id=str(order.order_id),
            client_order_id=order.client_order_id,
            inst_id=order.instrument.inst_id,
            state=order.state,
            trade_id=order.last_fill.trade_id if order.fill_in_update and order.last_fill else "",
            filled=str(order.instrument.size(order.filled_lots)),
            updated_ms=order.updated_ms,
            payload=payload,
        )
        self.events[uid].append(event)
        self.unsaved.events.append(event)
        self.unsaved.orders[order.order_id] = order
        self._outbox.add(OrderNotice(uid, order.instrument, payload))

    def record_bill(self, account: Account, bill: Bill) -> None:
        """Keep a bill."""
        self.bills[account.uid].append(bill)
        self.unsaved.bills.append((account.uid, bill))

    def record_fill(self, account: Account, fill: FillRecord) -> None:
        """Keep an execution."""
        self.fills[account.uid].append(fill)
        self.unsaved.fills.append((account.uid, fill))
        self._outbox.add(FillNotice(account.uid, self.orders[fill.order_id].instrument, fill))

    def open_orders(self, uid: str) -> list[Order]:
        """An account's open orders, oldest first."""
        return list(self._open[uid].values())

    def pending_with_name(self, uid: str, client_order_id: str) -> Order | None:
        """The open order of that client order id."""
        return self._pending_names.get((uid, client_order_id))

    def find(self, uid: str, inst_id: str, *, order_id: str, client_order_id: str) -> Order | None:
        """An order by either id; the exchange's id wins, a reused client order id gives the latest."""
        if order_id:
            order = self.orders.get(int(order_id)) if order_id.isdigit() else None
            return (
                order if order and order.account_uid == uid and order.instrument.inst_id == inst_id else None
            )
        return self._latest_names.get((uid, inst_id, client_order_id))

    def orders_of(self, uid: str) -> list[Order]:
        """Every order of an account, oldest first."""
        return self._by_account[uid]
