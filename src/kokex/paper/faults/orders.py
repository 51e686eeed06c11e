"""Faults of orders: what their pushes say, amendments that fail later, post-only orders that meet a moving market."""

from __future__ import annotations

from typing import Any

import msgspec

from kokex.paper.exchange.notices import OrderNotice
from kokex.paper.faults.injector import Faults
from kokex.paper.faults.record import Occasion
from kokex.paper.matching import engine
from kokex.paper.matching.engine import POST_ONLY_WOULD_TAKE, Amendment
from kokex.paper.matching.execution import cancel, emit
from kokex.paper.matching.floor import Floor
from kokex.paper.matching.order import Order
from kokex.paper.wire.orders import NO_FILL

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any])


class OrderFaults:
    """Stands in for the matching engine where an order meets it, and rewrites what the orders channel says."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def submit(self, floor: Floor, order: Order, *, limit: int | None) -> None:
        """`engine.submit`; a post-only order may find that the market has moved."""
        rests = (
            order.order_type == "post_only"
            and self._faults.waits("post_only_canceled")
            and floor.books[order.instrument.inst_id].next_match(buy=order.is_buy, limit=order.ticks) is None
        )
        if not rests or not self._faults.strike("post_only_canceled", _occasion(order)):
            engine.submit(floor, order, limit=limit)
            return
        order.created_ms = order.updated_ms = floor.now_ms
        order.priority = floor.registers.next_priority()
        floor.registers.add_order(order)
        cancel(floor, order, POST_ONLY_WOULD_TAKE)

    def amend(self, floor: Floor, order: Order, change: Amendment) -> None:
        """`engine.amend`; it may fail after it was acknowledged (OKX v5: amendResult -1)."""
        if not self._faults.strike("amend_fails_later", _occasion(order)):
            engine.amend(floor, order, change)
            return
        order.request_id, order.amend_result, order.amend_source = change.request_id, "-1", "1"
        emit(floor, order)

    def payloads(self, notice: OrderNotice) -> list[bytes]:
        """What the orders channel says for one update: usually just that."""
        payload = notice.payload
        if not self._faults.waits("fill_without_trade_id", "duplicate_push"):
            return [payload]
        row = _decode.decode(payload)
        occasion = Occasion(
            path="private",
            channel="orders",
            inst_id=notice.instrument.inst_id,
            account=notice.uid,
            detail=f"order {row['ordId']} {row['state']}",
        )
        full = row["state"] == "filled" and row["ordType"] == "market" and row["tradeId"]
        if full and self._faults.strike("fill_without_trade_id", occasion):
            row.update(NO_FILL)
            payload = _encode(row)
        if not self._faults.strike("duplicate_push", occasion):
            return [payload]
        row["uTime"] = str(int(row["uTime"]) + 1)
        return [payload, _encode(row)]


def _occasion(order: Order) -> Occasion:
    return Occasion(
        inst_id=order.instrument.inst_id,
        account=order.account_uid,
        detail=f"order {order.order_id} {order.client_order_id}".rstrip(),
    )
