"""The desk for algo orders: place, cancel and amend, from request fields to answer items."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kokex.paper.algo.attaching import amend_attached_to, amended_leg
from kokex.paper.algo.engine import AlgoEngine
from kokex.paper.algo.legs import parse_order_price, parse_source
from kokex.paper.algo.order import AlgoOrder
from kokex.paper.algo.register import AlgoRegister
from kokex.paper.algo.request import attach_to_trigger, check_legs, parse_algo
from kokex.paper.algo.terms import Leg
from kokex.paper.exchange.desk import Desk, Item
from kokex.paper.exchange.records import Records
from kokex.paper.exchange.rejection import RejectionError, missing
from kokex.paper.exchange.request import field, parse_lots, parse_name, parse_ticks, positive, required
from kokex.paper.exchange.valuation import watched_price
from kokex.paper.ledger.account import Account
from kokex.paper.matching.floor import Floor

_MOST_LIVE = 500
"""Live algo orders an account; OKX has limits by type and does not list them."""
_AMENDABLE = ("conditional", "oco", "trigger")


class AlgoDesk:
    """Each command answers with one item that carries `sCode`."""

    def __init__(
        self, floor: Floor, records: Records, register: AlgoRegister, engine: AlgoEngine, desk: Desk
    ) -> None:
        self._floor = floor
        self._records = records
        self._register = register
        self._engine = engine
        self._desk = desk

    def place(self, account: Account, fields: Mapping[str, Any]) -> Item:
        """Take in an algo order. Nothing is frozen for it."""
        item: Item = {
            "algoId": "",
            "clOrdId": "",
            "algoClOrdId": field(fields, "algoClOrdId"),
            "tag": field(fields, "tag"),
        }
        try:
            instrument = self._desk.instrument(required(fields, "instId"))
            algo = parse_algo(account, instrument, fields, self._floor)
            attach_to_trigger(algo, fields, self._floor, self._records.next_algo_id)
            self._check_new(account, algo)
        except RejectionError as refusal:
            return {**item, "sCode": refusal.code, "sMsg": refusal.message}
        algo.algo_id = self._records.next_algo_id()
        self._engine.submit(algo)
        return {**item, "algoId": str(algo.algo_id), "sCode": "0", "sMsg": ""}

    def cancel(self, account: Account, fields: Mapping[str, Any]) -> Item:
        """End a live algo order."""
        item: Item = {
            "algoId": field(fields, "algoId"),
            "clOrdId": "",
            "algoClOrdId": field(fields, "algoClOrdId"),
            "tag": "",
        }
        try:
            algo = self._named(account, fields)
            if algo is None or not algo.is_live:
                raise RejectionError(
                    "51400",
                    "Order cancellation failed as the order has been filled, canceled or does not exist.",
                )
        except RejectionError as refusal:
            return {**item, "sCode": refusal.code, "sMsg": refusal.message}
        self._engine.cancel(algo)
        return {**item, "algoId": str(algo.algo_id), "sCode": "0", "sMsg": ""}

    def amend(self, account: Account, fields: Mapping[str, Any]) -> Item:
        """Change a waiting stop or trigger order."""
        item: Item = {
            "algoId": field(fields, "algoId"),
            "algoClOrdId": field(fields, "algoClOrdId"),
            "reqId": field(fields, "reqId"),
        }
        algo: AlgoOrder | None = None
        try:
            parse_name(fields, "reqId", 32)
            algo = self._named(account, fields)
            if algo is None or not algo.is_live:
                raise RejectionError("51503", "Your order has already been filled or canceled.")
            item.update(algoId=str(algo.algo_id), algoClOrdId=algo.client_id)
            self._amend(algo, fields)
        except RejectionError as refusal:
            if algo is not None and algo.is_live and field(fields, "cxlOnFail") == "true":
                self._engine.cancel(algo)
            return {**item, "sCode": refusal.code, "sMsg": refusal.message}
        algo.request_id, algo.amend_result = field(fields, "reqId"), "0"
        self._register.watch(algo)
        self._register.updated(algo)
        return {**item, "sCode": "0", "sMsg": ""}

    def _amend(self, algo: AlgoOrder, fields: Mapping[str, Any]) -> None:
        """All checks come before the first change."""
        if algo.order_type not in _AMENDABLE:
            raise RejectionError("51506", "Order modification unavailable for the order type.")
        lots, budget = self._amended_size(algo, field(fields, "newSz"))
        if algo.trigger is not None:
            trigger = self._amended_trigger(algo, algo.trigger, fields)
            if fields.get("attachAlgoOrds"):
                amend_attached_to(algo.attached, algo.instrument, algo.is_buy, fields["attachAlgoOrds"])
            algo.trigger = trigger
        else:
            profit = amended_leg(algo.instrument, algo.take_profit, fields, "Tp", rising=not algo.is_buy)
            loss = amended_leg(algo.instrument, algo.stop_loss, fields, "Sl", rising=algo.is_buy)
            self._check_stops(algo, profit, loss)
            algo.take_profit, algo.stop_loss = profit, loss
        algo.lots, algo.budget = lots, budget

    def _amended_size(self, algo: AlgoOrder, size: str) -> tuple[int, Any]:
        if not size:
            return algo.lots, algo.budget
        if algo.whole_position:
            raise RejectionError(
                "51524",
                "Unable to modify the order quantity of a stop order that closes an entire position. Please modify "
                "the trigger price instead.",
            )
        if algo.budget is not None:
            return 0, positive("newSz", size)
        return parse_lots(algo.instrument, "newSz", size), None

    def _amended_trigger(self, algo: AlgoOrder, leg: Leg, fields: Mapping[str, Any]) -> Leg:
        item = algo.instrument
        level, price = field(fields, "newTriggerPx"), field(fields, "newOrdPx")
        source_text = field(fields, "newTriggerPxType")
        if not (level or price or source_text or field(fields, "newSz") or fields.get("attachAlgoOrds")):
            raise missing("newTriggerPx")
        source = parse_source(item, "newTriggerPxType", source_text) if source_text else leg.source
        trigger = item.price(parse_ticks(item, "newTriggerPx", level)) if level else leg.trigger_price
        rising = leg.rising
        if level or source_text:
            rising = trigger >= watched_price(self._floor.marks, item, source)
        order_price = parse_order_price(item, "newOrdPx", price) if price else leg.order_price
        return Leg(trigger, rising, order_price, source)

    def _check_stops(self, algo: AlgoOrder, profit: Leg | None, loss: Leg | None) -> None:
        if profit is None and loss is None:
            raise RejectionError(
                "51531",
                "Order modification unsuccessful. The stop order must have either take profit or stop loss attached.",
            )
        changed = [(profit, algo.take_profit), (loss, algo.stop_loss)]
        if not algo.instrument.is_swap and any((new is None) != (old is None) for new, old in changed):
            raise RejectionError(
                "51543",
                "When modifying take-profit or stop-loss orders for spot or margin trading, you can only adjust the "
                "price and quantity. Cancel the order and place a new one for other actions.",
            )
        if algo.whole_position and any(
            leg is not None and leg.order_price is not None for leg in (profit, loss)
        ):
            raise RejectionError(
                "51523",
                "Unable to modify the order price of a stop order that closes an entire position. Please modify the "
                "trigger price instead.",
            )
        moved = [new if new != old else None for new, old in changed]
        check_legs(algo.instrument, moved[0], moved[1], self._floor.marks)

    def _named(self, account: Account, fields: Mapping[str, Any]) -> AlgoOrder | None:
        instrument = self._desk.instrument(required(fields, "instId"))
        algo_id, name = field(fields, "algoId"), field(fields, "algoClOrdId")
        if not algo_id and not name:
            raise missing("algoId")
        found = self._register.find(account.uid, algo_id=algo_id, client_id=name)
        return found if found is not None and found.instrument.inst_id == instrument.inst_id else None

    def _check_new(self, account: Account, algo: AlgoOrder) -> None:
        live = self._register.live(account.uid)
        if len(live) >= _MOST_LIVE:
            raise RejectionError(
                "51261", f"Each user can hold up to {_MOST_LIVE} pending stop orders at the same time."
            )
        if algo.client_id and any(other.client_id == algo.client_id for other in live):
            raise RejectionError("51065", "algoClOrdId already exists.")
        same = (other for other in live if other.whole_position and other.position_key == algo.position_key)
        if algo.whole_position and next(same, None) is not None:
            raise RejectionError("51088", "You can only place 1 TP/SL order to close an entire position")
