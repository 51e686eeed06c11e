"""Algo orders at work: watched prices, triggers, children, and what ends with them.

A trigger is looked at after every print of the market, after the orders that the print filled and before the
margin is checked. It happens once: an algo order that triggered is over, whatever becomes of its child.
"""

from __future__ import annotations

from dataclasses import replace

from kokex.paper.algo.child import child_fields
from kokex.paper.algo.order import AlgoOrder
from kokex.paper.algo.register import AlgoRegister
from kokex.paper.algo.slices import Slicer
from kokex.paper.algo.terms import Attachment, Leg
from kokex.paper.exchange.desk import Desk, Origin
from kokex.paper.exchange.records import Records
from kokex.paper.exchange.rejection import RejectionError
from kokex.paper.exchange.valuation import watched_price
from kokex.paper.matching.execution import cancel
from kokex.paper.matching.floor import Floor
from kokex.paper.matching.order import Order

_USER = "1"


class AlgoEngine:
    """Runs after each command and each print."""

    def __init__(self, floor: Floor, records: Records, register: AlgoRegister, desk: Desk) -> None:
        self._floor = floor
        self._records = records
        self._register = register
        self._desk = desk
        self._slicer = Slicer(floor, register, desk)
        self._fresh: list[AlgoOrder] = []
        self._tied: dict[int, AlgoOrder] = {}

    def submit(self, algo: AlgoOrder) -> None:
        """Take in a new algo order; it may trigger as soon as the command is done."""
        self._register.add(algo)
        self.resume(algo)
        self._fresh.append(algo)

    def resume(self, algo: AlgoOrder) -> None:
        """Go on with an algo order that a saved state brought back."""
        if algo.is_live and algo.ends_with_position:
            self._tied[algo.algo_id] = algo

    def cancel(self, algo: AlgoOrder) -> None:
        """End a live algo order, and the slice that it may have out."""
        algo.state = "canceled"
        if algo.slicing is not None and algo.slicing.open_order is not None:
            cancel(self._floor, self._records.orders[algo.slicing.open_order], _USER)
        self._register.updated(algo)

    def on_price(self, inst_id: str) -> None:
        """Look at everything that watches an instrument whose price moved."""
        for algo in self._register.watching(inst_id):
            self._look(algo)

    def settle(self) -> None:
        """Follow up on orders that ended and on new algo orders, until nothing more follows."""
        while self._records.ended or self._fresh:
            ended, self._records.ended = self._records.ended, []
            fresh, self._fresh = self._fresh, []
            for order in ended:
                self._order_ended(order)
            for algo in fresh:
                self._look(algo)
        for algo in list(self._tied.values()):
            self._check_position(algo)

    def _look(self, algo: AlgoOrder) -> None:
        if not algo.is_live:
            return
        marks = self._floor.marks
        if algo.slicing is not None:
            self._slicer.work(algo)
        elif algo.trail is not None:
            before = algo.trail.extreme
            reached = algo.trail.follow(marks[algo.instrument.inst_id])
            if algo.trail.extreme != before:
                self._register.changed(algo)
            if reached:
                self._trigger(algo, None)
        for leg in algo.legs:
            if leg.reached(watched_price(marks, algo.instrument, leg.source)):
                self._trigger(algo, leg)
                return

    def _trigger(self, algo: AlgoOrder, leg: Leg | None) -> None:
        account = self._floor.accounts[algo.account_uid]
        price = None if leg is None else leg.order_price
        algo.state = "effective"
        algo.triggered_ms = self._floor.now_ms
        if leg is not None and leg is not algo.trigger:
            algo.actual_side = "tp" if leg is algo.take_profit else "sl"
        origin = Origin(algo.algo_id, algo.client_id, algo.source, algo.attached)
        try:
            fields = child_fields(account, algo, price, self._floor.marks)
            child = self._desk.submit(account, algo.instrument, fields, origin=origin)
        except RejectionError as refusal:
            algo.state, algo.fail_code = "order_failed", refusal.code
        else:
            algo.order_ids.append(child.order_id)
            algo.actual_lots, algo.actual_price = child.lots, price
        self._register.updated(algo)

    def _order_ended(self, order: Order) -> None:
        parent = self._register.orders.get(order.algo_id)
        if parent is not None and parent.slicing is not None:
            self._slicer.ended(parent, order)
        if order.filled_lots:
            for part in order.attached:
                self.submit(self._attached(order, part))

    def _attached(self, order: Order, part: Attachment) -> AlgoOrder:
        """The algo order that protects what an order filled; it closes what the order opened."""
        swap = order.instrument.is_swap
        both = part.take_profit is not None and part.stop_loss is not None
        return AlgoOrder(
            algo_id=self._records.next_algo_id(),
            account_uid=order.account_uid,
            instrument=order.instrument,
            order_type="move_order_stop" if part.trail is not None else "oco" if both else "conditional",
            side="sell" if order.is_buy else "buy",
            trade_mode=order.trade_mode,
            position_side=order.position_side,
            lots=order.filled_lots,
            client_id=part.client_id,
            tag=order.tag,
            currency=order.currency,
            reduce_only=swap and order.position_side == "net",
            fits_balance=not swap,
            take_profit=part.take_profit,
            stop_loss=part.stop_loss,
            trail=None if part.trail is None else replace(part.trail),
            parent_id=order.order_id,
            leverage=order.leverage,
            placed_price=self._floor.marks[order.instrument.inst_id],
            created_ms=self._floor.now_ms,
            updated_ms=self._floor.now_ms - 1,
        )

    def _check_position(self, algo: AlgoOrder) -> None:
        """An algo order that belongs to a position goes with it."""
        if not algo.is_live:
            del self._tied[algo.algo_id]
            return
        position = self._floor.accounts[algo.account_uid].positions.get(algo.position_key)
        held = position is not None and position.lots != 0
        if algo.had_position and not held:
            self.cancel(algo)
            del self._tied[algo.algo_id]
        elif held and not algo.had_position:
            algo.had_position = True
            self._register.changed(algo)
