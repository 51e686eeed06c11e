"""Orders and fills: commands and queries."""

from __future__ import annotations

from collections.abc import Iterable

from kokex.paper.exchange.desk import Command, Item
from kokex.paper.exchange.rejection import RejectionError, missing
from kokex.paper.gateway.limits import COMMAND_LIMITS, Limit
from kokex.paper.market.interval import DAY_MS, HOUR_MS
from kokex.paper.matching.order import Order
from kokex.paper.rest.call import Answer, Call, Data, Route
from kokex.paper.rest.paging import page
from kokex.paper.wire.orders import fill_row, order_row

MAX_BATCH = 20
_UNFILLED_CANCEL_KEPT_MS = 2 * HOUR_MS


def answer_items(items: list[Item]) -> Answer:
    """The envelope of command items. OKX v5: code 0 all done, 1 all failed, 2 some failed."""
    failed = sum(1 for item in items if item["sCode"] != "0")
    if not failed:
        return Answer("0", "", items)
    if failed == len(items):
        return Answer("1", "All operations failed" if len(items) > 1 else "Operation failed.", items)
    return Answer("2", "Bulk operation partially succeeded.", items)


def _one(call: Call, command: Command) -> Answer:
    return answer_items([call.exchange.run(lambda: command(call.account, call.params))])


def _many(call: Call, command: Command) -> Answer:
    if not call.items:
        raise missing("body")
    if len(call.items) > MAX_BATCH:
        raise RejectionError("51000", f"Parameter error: at most {MAX_BATCH} orders in a batch")
    return answer_items(call.exchange.run(lambda: [command(call.account, item) for item in call.items]))


def place(call: Call) -> Answer:
    """Submit one order."""
    return _one(call, call.exchange.desk.place)


def place_batch(call: Call) -> Answer:
    """Submit up to 20 orders, in order, not atomically."""
    return _many(call, call.exchange.desk.place)


def cancel(call: Call) -> Answer:
    """Cancel one order."""
    return _one(call, call.exchange.desk.cancel)


def cancel_batch(call: Call) -> Answer:
    """Cancel up to 20 orders."""
    return _many(call, call.exchange.desk.cancel)


def amend(call: Call) -> Answer:
    """Amend one order."""
    return _one(call, call.exchange.desk.amend)


def amend_batch(call: Call) -> Answer:
    """Amend up to 20 orders."""
    return _many(call, call.exchange.desk.amend)


def close_position(call: Call) -> Data:
    """Close a position at market."""
    return [call.exchange.run(lambda: call.exchange.desk.close_position(call.account, call.params))]


def cancel_all_after(call: Call) -> Data:
    """Arm, re-arm or disarm the dead man's switch."""
    tag = call.text("tag")
    trigger_ms = call.timers.set(call.account.uid, tag, call.text("timeOut"), call.wall_ms)
    return [{"triggerTime": str(trigger_ms), "tag": tag, "ts": str(call.wall_ms)}]


def order(call: Call) -> Data:
    """One order by `ordId` or `clOrdId`."""
    item = call.instrument()
    order_id, name = call.text("ordId"), call.text("clOrdId")
    if not order_id and not name:
        raise RejectionError("51003", "Either client order ID or order ID is required.")
    found = call.exchange.records.find(
        call.account.uid, item.inst_id, order_id=order_id, client_order_id=name
    )
    if found is None or _purged(call, found):
        raise RejectionError("51603", "Order does not exist")
    return [order_row(found)]


def orders_pending(call: Call) -> Data:
    """Open orders."""
    return _list_orders(call, call.exchange.records.open_orders(call.account.uid))


def orders_history(call: Call) -> Data:
    """Closed orders of seven days; one canceled without a fill is kept for two hours of wall-clock time."""
    _require_type(call)
    since = call.exchange.now_ms - 7 * DAY_MS
    closed = [
        item
        for item in call.exchange.records.orders_of(call.account.uid)
        if not item.is_open and item.updated_ms >= since and not _purged(call, item)
    ]
    return _list_orders(call, closed)


def orders_history_archive(call: Call) -> Data:
    """Closed orders of three months, without those canceled unfilled."""
    _require_type(call)
    since = call.exchange.now_ms - 90 * DAY_MS
    closed = [
        item
        for item in call.exchange.records.orders_of(call.account.uid)
        if not item.is_open and item.updated_ms >= since and item.filled_lots
    ]
    return _list_orders(call, closed)


def fills(call: Call) -> Data:
    """Executions of three days."""
    return _fills(call, days=3)


def fills_history(call: Call) -> Data:
    """Executions of three months."""
    _require_type(call)
    return _fills(call, days=90)


def account_rate_limit(call: Call) -> Data:
    """The sub-account rate limit, which the paper exchange does not lower or raise."""
    row = {"accRateLimit": "1000", "fillRatio": "", "mainFillRatio": "", "nextAccRateLimit": "1000"}
    return [{**row, "ts": str(call.wall_ms)}]


def _fills(call: Call, days: int) -> Data:
    since = call.exchange.now_ms - days * DAY_MS
    kind, inst_id, order_id = call.text("instType"), call.text("instId"), call.text("ordId")
    rows = [
        fill
        for fill in call.exchange.records.fills[call.account.uid]
        if fill.recorded_ms >= since
        and kind in ("", fill.inst_type)
        and inst_id in ("", fill.inst_id)
        and order_id in ("", str(fill.order_id))
    ]
    shown = page(call, rows, number=lambda fill: fill.bill_id, moment=lambda fill: fill.recorded_ms)
    return [fill_row(fill) for fill in shown]


def _list_orders(call: Call, orders: Iterable[Order]) -> Data:
    kind, inst_id = call.text("instType"), call.text("instId")
    types, states = call.chosen("ordType"), call.chosen("state")
    chosen = [
        item
        for item in orders
        if kind in ("", item.instrument.inst_type)
        and inst_id in ("", item.instrument.inst_id)
        and (not types or item.order_type in types)
        and (not states or item.state in states)
    ]
    shown = page(call, chosen, number=lambda item: item.order_id, moment=lambda item: item.created_ms)
    return [order_row(item) for item in shown]


def _require_type(call: Call) -> None:
    if not call.text("instType"):
        raise missing("instType")


def _purged(call: Call, order: Order) -> bool:
    closed_ms = order.closed_wall_ms
    unfilled_cancel = order.state == "canceled" and not order.filled_lots
    return unfilled_cancel and closed_ms is not None and call.wall_ms - closed_ms >= _UNFILLED_CANCEL_KEPT_MS


_SIXTY, _FORTY, _TWENTY, _TEN = (Limit(count, scope="user") for count in (60, 40, 20, 10))

ROUTES = {
    ("POST", "trade/order"): Route(place, COMMAND_LIMITS["order"], private=True, command=True),
    ("POST", "trade/batch-orders"): Route(
        place_batch, COMMAND_LIMITS["batch-orders"], private=True, command=True
    ),
    ("POST", "trade/cancel-order"): Route(cancel, COMMAND_LIMITS["cancel-order"], private=True, command=True),
    ("POST", "trade/cancel-batch-orders"): Route(
        cancel_batch, COMMAND_LIMITS["cancel-batch-orders"], private=True, command=True
    ),
    ("POST", "trade/amend-order"): Route(amend, COMMAND_LIMITS["amend-order"], private=True, command=True),
    ("POST", "trade/amend-batch-orders"): Route(
        amend_batch, COMMAND_LIMITS["amend-batch-orders"], private=True, command=True
    ),
    ("POST", "trade/close-position"): Route(close_position, Limit(20, scope="user+inst"), private=True),
    ("POST", "trade/cancel-all-after"): Route(cancel_all_after, Limit(1, 1.0, scope="user"), private=True),
    ("GET", "trade/order"): Route(order, Limit(60, scope="user+inst"), private=True),
    ("GET", "trade/orders-pending"): Route(orders_pending, _SIXTY, private=True),
    ("GET", "trade/orders-history"): Route(orders_history, _FORTY, private=True),
    ("GET", "trade/orders-history-archive"): Route(orders_history_archive, _TWENTY, private=True),
    ("GET", "trade/fills"): Route(fills, _SIXTY, private=True),
    ("GET", "trade/fills-history"): Route(fills_history, _TEN, private=True),
    ("GET", "trade/account-rate-limit"): Route(account_rate_limit, Limit(1, 1.0, scope="user"), private=True),
}
