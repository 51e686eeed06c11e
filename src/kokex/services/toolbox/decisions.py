"""What the plan decided before."""

from __future__ import annotations

from kokex.ports.toolbox import ToolResult
from kokex.services.past_decisions import latest_decisions, told
from kokex.services.toolbox.desk import Room


class DecisionTools(Room):
    """Past decisions and what became of them."""

    async def get_past_decisions(self, limit: int = 5, *, only_with_orders: bool = False) -> ToolResult:
        """The plan's latest decisions before this one, newest first, with their orders and outcomes."""
        ticker = self._desk.fresh_ticker()
        past = await latest_decisions(
            self._desk.store,
            self._desk.plan.id,
            self._desk.turn_id,
            limit=limit,
            only_with_orders=only_with_orders,
        )
        return told(past, self._desk.ledger.book.instrument, ticker)
