"""What became of the plan's orders."""

from __future__ import annotations

from typing import Any

from kokex.ports.toolbox import ToolResult
from kokex.services.costs import cost_facts
from kokex.services.toolbox.desk import Room
from kokex.services.toolbox.facts import (
    book_facts,
    fill_facts,
    order_facts,
    parent_facts,
    refusal,
    time_text,
)


class OrderTools(Room):
    """Orders, open and past."""

    async def get_pending_orders(self) -> ToolResult:
        """The plan's orders that are open, in flight, unknown or waiting for approval, and the parent orders that are worked."""
        desk = self._desk
        parents = await desk.executing.working(desk.plan)
        told: dict[str, Any] = {"orders": [order_facts(order) for order in desk.ledger.pending.values()]}
        if parents:
            told["parent_orders"] = [parent_facts(one, desk.executing.held_up(one.number)) for one in parents]
        return told

    async def get_order_info(self, client_order_id: str) -> ToolResult:
        """One order of the plan."""
        order = await self._desk.store.orders.get(self._desk.plan.account_id, client_order_id)
        if order is None or order.plan_id != self._desk.plan.id:
            return refusal("not_found", f"this plan has no order {client_order_id!r}")
        named = [] if order.order_id is None else [order.order_id]
        fills = await self._desk.store.journal.fills_of(order.account_id, order.inst_id, named)
        return order_facts(order) | cost_facts(order, fills) | book_facts(order, self._desk.fresh_ticker())

    async def get_order_history(self, limit: int = 20) -> ToolResult:
        """The plan's latest orders, newest first, denied ones too, with the decision that asked for each."""
        desk = self._desk
        orders = await desk.store.orders.recent(desk.plan.id, limit=limit)
        return {
            "unit": desk.ledger.book.instrument.quote_currency,
            "quantity_unit": desk.quantity_unit,
            "orders": [
                order_facts(order)
                | {"decision": order.decision_id, "updated_at": time_text(order.updated_at)}
                for order in orders
            ],
        }

    async def get_fills(self, limit: int = 20) -> ToolResult:
        """The latest executions of the plan's orders, newest first. Fees below zero were paid."""
        desk = self._desk
        fills = await desk.store.journal.latest_fills(desk.plan.id, limit=limit)
        return {
            "unit": desk.ledger.book.instrument.quote_currency,
            "quantity_unit": desk.quantity_unit,
            "fills": [fill_facts(fill) for fill in fills],
        }
