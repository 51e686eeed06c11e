"""What reaches the exchange: all of it passes the risk gate."""

from __future__ import annotations

from decimal import Decimal

from kokex.domain.errors import NotFoundError
from kokex.domain.instrument import Side
from kokex.domain.order import OrderType
from kokex.ports.exchange import Accepted, Rejected, Unknown
from kokex.ports.toolbox import ToolResult
from kokex.services.answers import Wish
from kokex.services.toolbox.desk import Desk, Room
from kokex.services.toolbox.facts import order_facts, refusal


class TradingTools(Room):
    """Orders are numbered by step, so a turn that is run again repeats no order."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._step = 0

    def go_on_from(self, step: int) -> None:
        """Number the turn's next order `step`: those before were asked for before the turn was cut short."""
        self._step = step

    async def place_order(
        self, side: Side, order_type: OrderType, quantity: Decimal, price: Decimal | None = None
    ) -> ToolResult:
        """Ask for an order. The gate decides; the result says denied, rejected, unknown or accepted."""
        step, self._step = self._step, self._step + 1
        wish = Wish(side, order_type, quantity, price)
        answer = await self._desk.trading.submit(
            self._desk.session, self._desk.plan, self._desk.turn_id, step, wish, self._desk.budget
        )
        result = order_facts(answer.order)
        if answer.code is not None and answer.code != "already_submitted":
            result |= {"error": answer.order.reason or answer.code, "code": answer.code}
        return result

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
