"""Large orders in slices: twap by the clock, smart_iceberg one visible order after another.

OKX varies sizes and times of slices and does not say how; here they are exactly `szLimit` and `timeInterval`, and an
iceberg keeps one order out at a time, whatever `lmtOrderNumber` says.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from kokex.paper.algo.order import AlgoOrder
from kokex.paper.algo.register import AlgoRegister
from kokex.paper.algo.terms import Slicing
from kokex.paper.decimals import ZERO
from kokex.paper.exchange.desk import Desk, Origin
from kokex.paper.exchange.rejection import RejectionError
from kokex.paper.instruments import Instrument
from kokex.paper.matching.execution import cancel
from kokex.paper.matching.floor import Floor
from kokex.paper.matching.order import Order

_REQUOTE_MS = 1000
"""An iceberg moves its order with the market at most once in this time."""
_USER = "1"


class Slicer:
    """Places the next slice when its time has come."""

    def __init__(self, floor: Floor, register: AlgoRegister, desk: Desk) -> None:
        self._floor = floor
        self._register = register
        self._desk = desk

    def work(self, algo: AlgoOrder) -> None:
        """Look at the clock and the market."""
        slicing = algo.slicing
        assert slicing is not None
        if self._floor.now_ms < slicing.next_ms:
            return
        price = self._price(algo, slicing)
        if slicing.open_order is not None:
            self._requote(algo, slicing, price)
            return
        slicing.next_ms = self._floor.now_ms + (slicing.interval_ms or _REQUOTE_MS)
        self._register.changed(algo)
        if price is not None:
            self._place(algo, slicing, price)

    def ended(self, algo: AlgoOrder, child: Order) -> None:
        """A slice is over: count what it filled, and finish when nothing tradable is left."""
        slicing = algo.slicing
        assert slicing is not None
        slicing.open_order = None
        if child.filled_lots:
            slicing.filled_lots += child.filled_lots
            algo.actual_lots = slicing.filled_lots
        if not algo.is_live:
            self._register.changed(algo)
            return
        item = algo.instrument
        if item.size(algo.lots - slicing.filled_lots) < item.min_size:
            algo.state = "effective"
        elif slicing.filled_lots:
            algo.state = "partially_effective"
        if algo.order_type == "smart_iceberg":
            slicing.next_ms = self._floor.now_ms
        self._register.updated(algo)

    def _place(self, algo: AlgoOrder, slicing: Slicing, price: Decimal) -> None:
        item = algo.instrument
        left = algo.lots - slicing.filled_lots
        lots = left if item.size(left - slicing.slice_lots) < item.min_size else slicing.slice_lots
        fields: dict[str, Any] = {
            "instId": item.inst_id,
            "tdMode": algo.trade_mode,
            "side": algo.side,
            "posSide": algo.position_side if item.is_swap else "",
            "ordType": "ioc" if algo.order_type == "twap" else "limit",
            "sz": str(item.size(lots)),
            "px": str(price),
            "reduceOnly": algo.reduce_only,
            "tag": algo.tag,
        }
        if algo.triggered_ms is None:
            algo.triggered_ms = self._floor.now_ms
        account = self._floor.accounts[algo.account_uid]
        origin = Origin(algo.algo_id, algo.client_id, algo.source, [])
        try:
            child = self._desk.submit(account, item, fields, origin=origin)
        except RejectionError as refusal:
            algo.state, algo.fail_code = "order_failed", refusal.code
            self._register.updated(algo)
            return
        algo.order_ids.append(child.order_id)
        algo.actual_price = price
        slicing.open_order = child.order_id if child.is_open else None
        self._register.updated(algo)

    def _requote(self, algo: AlgoOrder, slicing: Slicing, price: Decimal | None) -> None:
        """Take back an iceberg's order that the market has left behind; its end brings the next one."""
        open_order = next(
            (
                order
                for order in self._floor.registers.open_orders(algo.account_uid)
                if order.order_id == slicing.open_order
            ),
            None,
        )
        if open_order is None or open_order.ticks is None:
            return
        own = algo.instrument.price(open_order.ticks)
        behind = price is None or (price > own if algo.is_buy else price < own)
        if behind:
            slicing.next_ms = self._floor.now_ms + _REQUOTE_MS
            cancel(self._floor, open_order, _USER)

    def _price(self, algo: AlgoOrder, slicing: Slicing) -> Decimal | None:
        """Where the next slice goes; None while the market is beyond the price limit."""
        item = algo.instrument
        book = self._floor.books[item.inst_id]
        ask, bid = book.next_match(buy=True, limit=None), book.next_match(buy=False, limit=None)
        if ask is None or bid is None:
            return None
        asked, bidden = item.price(ask.ticks), item.price(bid.ticks)
        own, other = (bidden, asked) if algo.is_buy else (asked, bidden)
        limit = slicing.limit_price
        if limit is not None and (own > limit if algo.is_buy else own < limit):
            return None
        price = self._aim(algo, slicing, own, other)
        if limit is not None:
            price = min(price, limit) if algo.is_buy else max(price, limit)
        return _on_tick(item, price, buy=algo.is_buy)

    def _aim(self, algo: AlgoOrder, slicing: Slicing, own: Decimal, other: Decimal) -> Decimal:
        if algo.order_type == "smart_iceberg":
            if slicing.aggressiveness == "mid":
                return (own + other) / 2
            return other if slicing.aggressiveness == "radical" else own
        further = slicing.spread if slicing.spread is not None else own * (slicing.ratio or ZERO)
        return own + further if algo.is_buy else own - further


def _on_tick(item: Instrument, price: Decimal, *, buy: bool) -> Decimal:
    """The nearest price on a tick that is no worse for the owner."""
    rounding = ROUND_FLOOR if buy else ROUND_CEILING
    return (price / item.tick).to_integral_value(rounding=rounding) * item.tick
