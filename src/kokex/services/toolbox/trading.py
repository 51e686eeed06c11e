"""What reaches the exchange: all of it passes the risk gate."""

from __future__ import annotations

from decimal import Decimal

from kokex.domain.errors import NotFoundError
from kokex.domain.instrument import Side
from kokex.domain.order import Order, OrderType
from kokex.domain.stops import Stops
from kokex.ports.exchange import Accepted, Rejected, Unknown
from kokex.ports.toolbox import ToolResult
from kokex.services.answers import Wish
from kokex.services.closing import PositionClosing
from kokex.services.toolbox.desk import Desk, Room
from kokex.services.toolbox.facts import best_prices, book_facts, order_facts, refusal

_FIRST_NEWS_SECONDS = 0.3
"""How long a post-only order's end is waited for: it comes a moment after the acceptance, or never."""


class TradingTools(Room):
    """Orders are numbered by step, so a turn that is run again repeats no order."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.step = 0

    async def place_order(
        self,
        side: Side,
        order_type: OrderType,
        quantity: Decimal,
        price: Decimal | None = None,
        *,
        stop_loss: Decimal | None = None,
        take_profit: Decimal | None = None,
    ) -> ToolResult:
        """Ask for an order. The gate decides; the result says denied, rejected, unknown or accepted."""
        step, self.step = self.step, self.step + 1
        stops = None if stop_loss is None and take_profit is None else Stops(stop_loss, take_profit)
        wish = Wish(side, order_type, quantity, price, stops=stops)
        answer = await self._desk.trading.submit(
            self._desk.session, self._desk.plan, self._desk.turn_id, step, wish, self._desk.budget
        )
        order = await self._first_news(answer.order)
        result = order_facts(order) | book_facts(order, self._desk.fresh_ticker())
        if answer.code is not None and answer.code != "already_submitted":
            result |= {"error": answer.order.reason or answer.code, "code": answer.code}
        return result

    async def close_position(self, price: Decimal | None = None) -> ToolResult:
        """Ask for the end of the plan's holding, at market or at a limit price. Its other orders are canceled first."""
        desk = self._desk
        step, self.step = self.step, self.step + 1
        closing = PositionClosing(desk.clock, desk.ledger, desk.trading, desk.pictures, desk.executing)
        done = await closing.close(desk.session, desk.plan, (desk.turn_id, step), price, desk.budget)
        told = {"canceled": list(done.canceled), "remains": f"{done.remains:f}"}
        if done.answer is None:
            return told | refusal(done.code or "", done.reason or "")
        result = told | order_facts(done.answer.order)
        if done.answer.code is not None and done.answer.code != "already_submitted":
            result |= refusal(done.answer.code, done.answer.order.reason or done.answer.code)
        return result

    async def _first_news(self, order: Order) -> Order:
        """The order once the exchange has told of it, where it was to rest only: that it does not rest is told just after its acceptance."""
        desk, name = self._desk, order.client_order_id
        if order.order_type != OrderType.POST_ONLY.value or not order.status.open or name is None:
            return order
        latest = desk.clock.monotonic() + _FIRST_NEWS_SECONDS
        while name in desk.ledger.pending and desk.clock.monotonic() < latest:
            await desk.clock.sleep(_FIRST_NEWS_SECONDS / 10)
        return await desk.store.orders.get(order.account_id, name) or order

    async def amend_order(
        self, client_order_id: str, quantity: Decimal | None = None, price: Decimal | None = None
    ) -> ToolResult:
        """Ask for a change. Accepted is not done: an order event will tell."""
        desk = self._desk
        step, self.step = self.step, self.step + 1
        try:
            told = await desk.trading.amend(
                desk.session,
                desk.plan,
                client_order_id,
                quantity,
                price,
                origin=(desk.turn_id, step),
                budget=desk.budget,
            )
        except NotFoundError as error:
            return refusal("not_found", str(error))
        result = order_facts(told.order)
        if told.code is None or told.code == "already_submitted":
            return result
        if told.change is None:
            result["amend"] = "denied"
        elif told.order.order_type == OrderType.POST_ONLY.value:
            result |= best_prices(desk.fresh_ticker())
        return result | refusal(told.code, told.reason or told.code)

    async def cancel_order(self, client_order_id: str) -> ToolResult:
        """Ask for an open order's cancellation. Accepted is not done: an order event will tell."""
        try:
            outcome = await self._desk.trading.cancel(self._desk.session, self._desk.plan, client_order_id)
        except NotFoundError as error:
            return refusal("not_found", str(error))
        match outcome:
            case Accepted(order_id):
                return {"client_order_id": client_order_id, "order_id": order_id, "cancel": "accepted"}
            case Rejected(code, reason):
                return {"client_order_id": client_order_id, "cancel": "rejected"} | refusal(code, reason)
            case Unknown(reason, _):
                return {"client_order_id": client_order_id, "cancel": "unknown"} | refusal("unknown", reason)
