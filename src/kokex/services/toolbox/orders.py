"""What became of the plan's orders."""

from __future__ import annotations

from kokex.ports.toolbox import ToolResult
from kokex.services.toolbox.desk import Room
from kokex.services.toolbox.facts import order_facts, refusal


class OrderTools(Room):
    """Orders, open and past."""

    async def get_pending_orders(self) -> ToolResult:
        """The plan's orders that are open, in flight or unknown."""
        return {"orders": [order_facts(order) for order in self._desk.ledger.pending.values()]}

    async def get_order_info(self, client_order_id: str) -> ToolResult:
        """One order of the plan."""
        order = await self._desk.store.orders.get(self._desk.plan.account_id, client_order_id)
        if order is None or order.plan_id != self._desk.plan.id:
            return refusal("not_found", f"this plan has no order {client_order_id!r}")
        return order_facts(order)
