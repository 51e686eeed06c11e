"""The exchange as it was before an account's newest order event: what a cache that lags would answer."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

import msgspec

from kokex.paper.exchange.exchange import PaperExchange
from kokex.paper.exchange.records import OrderEvent, Records
from kokex.paper.ledger.account import FillRecord
from kokex.paper.matching.order import Order

_decode = msgspec.json.Decoder(dict[str, Any])


class PastExchange:
    """Everything as it is now, but for one account's orders and fills."""

    def __init__(self, exchange: PaperExchange, uid: str) -> None:
        self._exchange = exchange
        self.records = PastRecords(exchange.records, uid)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._exchange, name)


class PastRecords:
    """An account's registers without its newest event."""

    def __init__(self, records: Records, uid: str) -> None:
        events = records.events[uid]
        self.newest: OrderEvent | None = events[-1] if events else None
        self._records = records
        self._uid = uid
        self._orders = [order for order in map(self._before, records.orders_of(uid)) if order is not None]
        self.fills = {uid: self._fills(records.fills[uid])}

    def orders_of(self, uid: str) -> list[Order]:
        """Every order, oldest first."""
        return self._orders

    def open_orders(self, uid: str) -> list[Order]:
        """Open orders, oldest first."""
        return [order for order in self._orders if order.is_open]

    def find(self, uid: str, inst_id: str, *, order_id: str, client_order_id: str) -> Order | None:
        """An order by either id."""
        found = self._records.find(uid, inst_id, order_id=order_id, client_order_id=client_order_id)
        return next((order for order in self._orders if found and order.order_id == found.order_id), None)

    def _before(self, order: Order) -> Order | None:
        """An order without the newest event; None where that is all there is of it."""
        newest = self.newest
        if newest is None or newest.order_id != str(order.order_id):
            return order
        earlier = [
            event
            for event in self._records.events[self._uid]
            if event.order_id == newest.order_id and event.seq < newest.seq
        ]
        return _as_of(order, earlier) if earlier else None

    def _fills(self, fills: list[FillRecord]) -> list[FillRecord]:
        newest = self.newest
        if newest is None or not newest.trade_id:
            return fills
        return [
            fill
            for fill in fills
            if (fill.inst_id, fill.trade_id) != (newest.inst_id, newest.trade_id)
            or str(fill.order_id) != newest.order_id
        ]


def _as_of(order: Order, events: list[OrderEvent]) -> Order:
    """A copy of an order as its events had made it."""
    rows = [_decode.decode(event.payload) for event in events]
    last, traded = rows[-1], [row for row in rows if row["tradeId"]]
    instrument = order.instrument
    past = copy.copy(order)
    past.state = last["state"]
    past.filled_lots = int(Decimal(last["accFillSz"]) / instrument.lot)
    past.filled_value = sum(
        (Decimal(row["fillPx"]) * int(Decimal(row["fillSz"]) / instrument.lot) for row in traded), Decimal(0)
    )
    past.fee = Decimal(last["fee"])
    past.pnl = Decimal(last["pnl"])
    past.updated_ms = int(last["uTime"])
    past.cancel_source = last["cancelSource"]
    if past.is_open:
        past.closed_wall_ms = None
    if last["px"]:
        past.ticks = int(Decimal(last["px"]) / instrument.tick)
    if past.budget is None:
        past.lots = int(Decimal(last["sz"]) / instrument.lot)
    if order.last_fill is not None and (not traded or traded[-1]["tradeId"] != order.last_fill.trade_id):
        past.last_fill = None
        if traded:
            fill = traded[-1]
            past.last_fill = copy.copy(order.last_fill)
            past.last_fill.trade_id = fill["tradeId"]
            past.last_fill.ticks = int(Decimal(fill["fillPx"]) / instrument.tick)
            past.last_fill.lots = int(Decimal(fill["fillSz"]) / instrument.lot)
            past.last_fill.at_ms = int(fill["fillTime"])
    return past
