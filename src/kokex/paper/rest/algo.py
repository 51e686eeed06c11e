"""Algo orders: commands and queries (OKX v5, "algo trading")."""

from __future__ import annotations

from collections.abc import Iterable

from kokex.paper.algo.order import AlgoOrder
from kokex.paper.algo.request import TYPES
from kokex.paper.exchange.rejection import RejectionError, malformed, missing
from kokex.paper.gateway.limits import Limit
from kokex.paper.market.interval import DAY_MS
from kokex.paper.rest.call import Answer, Call, Data, Route
from kokex.paper.rest.paging import page
from kokex.paper.rest.trade import answer_items
from kokex.paper.wire.algo import algo_row

_MAX_CANCELS = 10
_HISTORY_STATES = ("effective", "canceled", "order_failed")
_TOGETHER = {"conditional", "oco"}
"""OKX v5: the only types that may be asked for in one request."""


def place(call: Call) -> Answer:
    """Take in one algo order."""
    return answer_items([call.exchange.algo_desk.place(call.account, call.params)])


def cancel(call: Call) -> Answer:
    """End up to ten algo orders."""
    if not call.items:
        raise missing("body")
    if len(call.items) > _MAX_CANCELS:
        raise RejectionError("51000", f"Parameter error: at most {_MAX_CANCELS} algo orders in a request")
    return answer_items([call.exchange.algo_desk.cancel(call.account, item) for item in call.items])


def amend(call: Call) -> Answer:
    """Change one stop or trigger order."""
    return answer_items([call.exchange.algo_desk.amend(call.account, call.params)])


def details(call: Call) -> Data:
    """One algo order by `algoId` or `algoClOrdId`."""
    algo_id, name = call.text("algoId"), call.text("algoClOrdId")
    if not algo_id and not name:
        raise missing("algoId")
    found = call.exchange.algo_orders.find(call.account.uid, algo_id=algo_id, client_id=name)
    if found is None:
        raise RejectionError("51603", "Order does not exist")
    return [algo_row(found)]


def pending(call: Call) -> Data:
    """Live algo orders of a type."""
    return _list(call, call.exchange.algo_orders.live(call.account.uid))


def history(call: Call) -> Data:
    """Algo orders of three months that are over, by state or number."""
    state = call.text("state")
    if not state and not call.text("algoId"):
        raise RejectionError("51602", "Either order status or order ID is required.")
    if state and state not in _HISTORY_STATES:
        raise malformed("state")
    since = call.exchange.now_ms - 90 * DAY_MS
    over = [
        item
        for item in call.exchange.algo_orders.of(call.account.uid)
        if not item.is_live and item.updated_ms >= since and state in ("", item.state)
    ]
    return _list(call, over)


def _list(call: Call, orders: Iterable[AlgoOrder]) -> Data:
    types = call.chosen("ordType")
    if not types:
        raise missing("ordType")
    if not types <= {*TYPES, "iceberg", "chase"} or (len(types) > 1 and not types <= _TOGETHER):
        raise malformed("ordType")
    kind, inst_id, algo_id = call.text("instType"), call.text("instId"), call.text("algoId")
    chosen = [
        item
        for item in orders
        if item.order_type in types
        and kind in ("", item.instrument.inst_type)
        and inst_id in ("", item.instrument.inst_id)
        and algo_id in ("", str(item.algo_id))
    ]
    shown = page(call, chosen, number=lambda item: item.algo_id, moment=lambda item: item.created_ms)
    return [algo_row(item) for item in shown]


_COMMAND, _QUERY = Limit(20, scope="user+inst"), Limit(20, scope="user")

ROUTES = {
    ("POST", "trade/order-algo"): Route(place, _COMMAND, private=True),
    ("POST", "trade/cancel-algos"): Route(cancel, _COMMAND, private=True),
    ("POST", "trade/amend-algos"): Route(amend, _COMMAND, private=True),
    ("GET", "trade/order-algo"): Route(details, _QUERY, private=True),
    ("GET", "trade/orders-algo-pending"): Route(pending, _QUERY, private=True),
    ("GET", "trade/orders-algo-history"): Route(history, _QUERY, private=True),
}
