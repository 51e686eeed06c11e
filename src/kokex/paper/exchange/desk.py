"""The trading desk: commands of accounts, from request fields to answer items, as OKX v5 words them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from kokex.paper.algo.attaching import amend_attached, parse_attached
from kokex.paper.algo.terms import Attachment
from kokex.paper.exchange.checks import (
    check_amended_funds,
    check_counts,
    check_funds,
    check_reduces,
    take_limit,
    within_band,
)
from kokex.paper.exchange.records import Records
from kokex.paper.exchange.rejection import RejectionError, malformed, missing
from kokex.paper.exchange.request import field, parse_lots, parse_order, parse_ticks, positive, required
from kokex.paper.instruments import Instrument
from kokex.paper.ledger.account import Account
from kokex.paper.matching import engine
from kokex.paper.matching.engine import Amendment
from kokex.paper.matching.execution import cancel
from kokex.paper.matching.floor import Floor
from kokex.paper.matching.order import Order

Item = dict[str, Any]
Command = Callable[[Account, Mapping[str, Any]], Item]
USER = "1"
SLICE_SOURCE = "13"
"""`source` of a slice of a larger algo order, which is not the client's to change."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a child order comes from."""

    algo_id: int
    client_id: str
    source: str
    attached: list[Attachment]


class Desk:
    """Each command answers with one item that carries `sCode`; "0" means accepted, not done."""

    def __init__(self, floor: Floor, records: Records, instruments: dict[str, Instrument]) -> None:
        self._floor = floor
        self._records = records
        self._instruments = instruments
        self.submit_to_market = engine.submit
        self.amend_in_market = engine.amend
        """Where an order meets the market; the server puts its faults in between."""
        self._by_code = {item.code: item for item in instruments.values()}

    def instrument(self, inst_id: str) -> Instrument:
        """A listed product.

        Raises:
            RejectionError: 51001, there is none.
        """
        found = self._instruments.get(inst_id)
        if found is None:
            raise RejectionError("51001", "Instrument ID, Instrument ID code, or Spread ID doesn't exist.")
        return found

    def instrument_of(self, fields: Mapping[str, Any], *, by_code: bool) -> Instrument:
        """The product of a request: `instId` over REST, the integer `instIdCode` over WebSocket."""
        if not by_code:
            return self.instrument(required(fields, "instId"))
        code = fields.get("instIdCode")
        if code is None or code == "":
            raise missing("instIdCode")
        if isinstance(code, bool) or not str(code).isdigit():
            raise malformed("instIdCode")
        found = self._by_code.get(int(code))
        if found is None:
            raise RejectionError("51001", "Instrument ID, Instrument ID code, or Spread ID doesn't exist.")
        return found

    def place(self, account: Account, fields: Mapping[str, Any], *, by_code: bool = False) -> Item:
        """Submit an order."""
        name = field(fields, "clOrdId")
        item: Item = {"ordId": "", "clOrdId": name, "tag": field(fields, "tag"), "ts": self._ts()}
        try:
            instrument = self.instrument_of(fields, by_code=by_code)
            if by_code and fields.get("attachAlgoOrds"):
                raise RejectionError("51000", "Parameter attachAlgoOrds error: not over WebSocket")
            order = self.submit(account, instrument, fields)
        except RejectionError as refusal:
            return {**item, "sCode": refusal.code, "sMsg": refusal.message, "subCode": refusal.sub_code}
        return {**item, "ordId": str(order.order_id), "sCode": "0", "sMsg": "", "subCode": ""}

    def submit(
        self,
        account: Account,
        instrument: Instrument,
        fields: Mapping[str, Any],
        *,
        origin: Origin | None = None,
    ) -> Order:
        """Check an order and let it trade; `origin` is the algo order that it comes from.

        Raises:
            RejectionError: it is refused.
        """
        order = parse_order(account, instrument, fields)
        self._check_new(account, order, reprice=field(fields, "pxAmendType") == "1")
        if origin is not None:
            order.algo_id, order.algo_client_id = origin.algo_id, origin.client_id
            order.source, order.attached = origin.source, origin.attached
        else:
            book = self._floor.books[instrument.inst_id]
            order.attached = parse_attached(fields, order, book, self._records.next_algo_id)
        order.order_id = self._records.next_order_id()
        self.submit_to_market(self._floor, order, limit=take_limit(self._floor, order))
        return order

    def cancel(self, account: Account, fields: Mapping[str, Any], *, by_code: bool = False) -> Item:
        """Cancel an open order."""
        item: Item = {"ordId": field(fields, "ordId"), "clOrdId": field(fields, "clOrdId"), "ts": self._ts()}
        try:
            order = self._named(account, fields, by_code=by_code)
            if order is None or not order.is_open:
                raise RejectionError(
                    "51400",
                    "Order cancellation failed as the order has been filled, canceled or does not exist.",
                )
        except RejectionError as refusal:
            return {**item, "sCode": refusal.code, "sMsg": refusal.message}
        cancel(self._floor, order, USER)
        return {
            **item,
            "ordId": str(order.order_id),
            "clOrdId": order.client_order_id,
            "sCode": "0",
            "sMsg": "",
        }

    def amend(self, account: Account, fields: Mapping[str, Any], *, by_code: bool = False) -> Item:
        """Change price or size of an open order."""
        item: Item = {
            "ordId": field(fields, "ordId"),
            "clOrdId": field(fields, "clOrdId"),
            "ts": self._ts(),
            "reqId": field(fields, "reqId"),
        }
        order: Order | None = None
        try:
            order = self._named(account, fields, by_code=by_code)
            if order is None or not order.is_open:
                raise RejectionError("51503", "Your order has already been filled or canceled.")
            item.update(ordId=str(order.order_id), clOrdId=order.client_order_id)
            change = self._amendment(account, order, fields)
            if fields.get("attachAlgoOrds"):
                amend_attached(order, fields["attachAlgoOrds"])
        except RejectionError as refusal:
            if order is not None and order.is_open and field(fields, "cxlOnFail") == "true":
                order.request_id, order.amend_result = field(fields, "reqId"), ""
                cancel(self._floor, order, USER)
            return {**item, "sCode": refusal.code, "sMsg": refusal.message, "subCode": refusal.sub_code}
        self.amend_in_market(self._floor, order, change)
        return {**item, "sCode": "0", "sMsg": "", "subCode": ""}

    def close_position(self, account: Account, fields: Mapping[str, Any]) -> Item:
        """Close a whole position at market; answers without an order id.

        Raises:
            RejectionError: there is no such position, or closing orders wait and `autoCxl` is not set.
        """
        instrument = self.instrument(required(fields, "instId"))
        mode = required(fields, "mgnMode")
        if account.long_short_mode and not field(fields, "posSide"):
            raise malformed("posSide")
        side = field(fields, "posSide") or "net"
        position = account.positions.get((instrument.inst_id, mode, side))
        if position is None or not position.lots:
            raise RejectionError("51023", "Position does not exist.")
        waiting = [
            order
            for order in self._records.open_orders(account.uid)
            if order.position_key == position.key and (order.is_buy == (position.lots < 0))
        ]
        if waiting and field(fields, "autoCxl") != "true":
            raise RejectionError("51115", "Cancel all pending close-orders before liquidation.")
        for order in waiting:
            cancel(self._floor, order, USER)
        answer = self.place(
            account,
            {
                "instId": instrument.inst_id,
                "tdMode": mode,
                "side": "sell" if position.lots > 0 else "buy",
                "posSide": "" if side == "net" else side,
                "ordType": "market",
                "sz": str(instrument.size(abs(position.lots))),
                "reduceOnly": "true",
                "clOrdId": field(fields, "clOrdId"),
                "tag": field(fields, "tag"),
            },
        )
        if answer["sCode"] != "0":
            raise RejectionError(answer["sCode"], answer["sMsg"])
        shown = {"instId": instrument.inst_id, "posSide": side}
        return {**shown, "clOrdId": field(fields, "clOrdId"), "tag": field(fields, "tag")}

    def cancel_all(self, account: Account, source: str, *, tag: str = "") -> None:
        """Cancel every open order of an account, or those of one tag."""
        for order in self._records.open_orders(account.uid):
            if not tag or order.tag == tag:
                cancel(self._floor, order, source)

    def _check_new(self, account: Account, order: Order, *, reprice: bool) -> None:
        name = order.client_order_id
        if name and self._records.pending_with_name(account.uid, name) is not None:
            raise RejectionError("51016", "Client order ID already exists.")
        check_counts(self._floor, account, order.instrument)
        order.ticks = within_band(self._floor, order, order.ticks, reprice=reprice)
        if order.budget is not None and not order.is_buy:
            _size_sell_by_quote(self._floor, order)
        check_reduces(self._floor, account, order)
        check_funds(self._floor, account, order)

    def _named(self, account: Account, fields: Mapping[str, Any], *, by_code: bool) -> Order | None:
        instrument = self.instrument_of(fields, by_code=by_code)
        order_id, name = field(fields, "ordId"), field(fields, "clOrdId")
        if not order_id and not name:
            raise RejectionError("51003", "Either client order ID or order ID is required.")
        if not order_id:
            pending = self._records.pending_with_name(account.uid, name)
            if pending is not None and pending.instrument.inst_id == instrument.inst_id:
                return pending
        return self._records.find(account.uid, instrument.inst_id, order_id=order_id, client_order_id=name)

    def _amendment(self, account: Account, order: Order, fields: Mapping[str, Any]) -> Amendment:
        if order.source == SLICE_SOURCE:
            raise RejectionError("51506", "Order modification unavailable for the order type.")
        new_size, new_price = field(fields, "newSz"), field(fields, "newPx")
        if not new_size and not new_price and not fields.get("attachAlgoOrds"):
            raise missing("newSz or newPx")
        lots = parse_lots(order.instrument, "newSz", new_size) if new_size else None
        ticks = parse_ticks(order.instrument, "newPx", new_price) if new_price else None
        ticks = within_band(self._floor, order, ticks, reprice=field(fields, "pxAmendType") == "1")
        if order.order_type == "post_only" and ticks is not None:
            book = self._floor.books[order.instrument.inst_id]
            if book.next_match(buy=order.is_buy, limit=ticks) is not None:
                raise RejectionError(
                    "51511", "The order would take liquidity after the amendment, and it is post-only."
                )
        if order.reduce_only and lots is not None and lots > order.lots:
            position = account.positions.get(order.position_key)
            if position is None or lots - order.filled_lots > abs(position.lots):
                raise RejectionError(
                    "51112", "Your order quantity exceeds the position that is available to close."
                )
        check_amended_funds(self._floor, account, order, ticks=ticks, lots=lots)
        return Amendment(ticks, lots, field(fields, "reqId"))

    def _ts(self) -> str:
        return str(self._floor.now_ms)


def _size_sell_by_quote(floor: Floor, order: Order) -> None:
    """A spot market sell sized in quote becomes base lots at the best bid."""
    instrument = order.instrument
    assert order.budget is not None
    best = floor.books[instrument.inst_id].next_match(buy=False, limit=None)
    price = floor.marks[instrument.inst_id] if best is None else instrument.price(best.ticks)
    quantity = positive("sz", str(order.budget)) / price
    order.lots = int(quantity / instrument.lot)
    order.budget = None
    if instrument.size(order.lots) < instrument.min_size:
        raise RejectionError("51020", "Your order should meet or exceed the minimum order amount.")
