"""What became of earlier decisions: their orders, fills and profit or loss, from the record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from kokex.domain.account import Ticker
from kokex.domain.instrument import Instrument
from kokex.domain.order import Fill, Order
from kokex.domain.position import PlanBook
from kokex.domain.trigger_facts import time_text
from kokex.ports.store import Store, TurnRecord
from kokex.ports.toolbox import ToolResult
from kokex.services.costs import cost_facts, fee_facts

_MOST_ORDERS = 200
"""Orders looked through for the decisions that asked for them."""
_LONGEST_REASON = 1000


@dataclass(frozen=True, slots=True)
class PastDecision:
    """One turn with the orders it asked for and their fills."""

    turn: TurnRecord
    orders: tuple[Order, ...]
    fills: tuple[Fill, ...]

    def fills_of(self, order: Order) -> list[Fill]:
        """Those of one of its orders."""
        return [fill for fill in self.fills if fill.order_id == order.order_id]

    def pnl(self, instrument: Instrument, price: Decimal) -> Decimal | None:
        """What its fills alone earned in quote currency by now, valued at `price`, after fees; None without fills."""
        if not self.fills:
            return None
        return PlanBook(instrument).apply_all(self.fills).pnl(price)


async def read_decision(store: Store, turn: TurnRecord) -> PastDecision:
    """One turn's orders and fills."""
    orders = await store.orders.of_decision(turn.plan_id, turn.id)
    named = [order.order_id for order in orders if order.order_id is not None]
    if not named:
        return PastDecision(turn, tuple(orders), ())
    fills = await store.journal.fills_of(orders[0].account_id, orders[0].inst_id, named)
    return PastDecision(turn, tuple(orders), tuple(fills))


async def latest_decisions(
    store: Store, plan_id: int, before: int, *, limit: int, only_with_orders: bool = False
) -> list[PastDecision]:
    """The plan's decisions before turn `before`, newest first."""
    if only_with_orders:
        orders = await store.orders.recent(plan_id, limit=_MOST_ORDERS)
        numbers = {order.decision_id for order in orders if order.decision_id is not None}
        wanted = sorted((number for number in numbers if number < before), reverse=True)[:limit]
        turns = [await store.turns.get(number) for number in wanted]
    else:
        recent = await store.turns.recent(plan_id, limit=limit + 1)
        turns = [turn for turn in recent if turn.id < before][:limit]
    return [await read_decision(store, turn) for turn in turns]


def told(past: Sequence[PastDecision], instrument: Instrument, ticker: Ticker | None) -> ToolResult:
    """Decisions as a tool tells them, with units and times."""
    return {
        "decisions": [_told(one, instrument, ticker) for one in past],
        "last": None if ticker is None else f"{ticker.last:f}",
        "unit": instrument.quote_currency,
        "quantity_unit": instrument.base_currency if instrument.contract_value == 1 else "contracts",
    }


def _told(one: PastDecision, instrument: Instrument, ticker: Ticker | None) -> dict[str, Any]:
    turn, decision = one.turn, one.turn.decision
    pnl = None if ticker is None else one.pnl(instrument, ticker.last)
    return {
        "decision": turn.id,
        "started_at": time_text(turn.started_at),
        "woken_by": turn.trigger_summary,
        "status": turn.status.value,
        "action": decision.action.value if decision else None,
        "confidence": decision.confidence if decision else None,
        "reason": (decision.reason if decision else turn.error or "")[:_LONGEST_REASON],
        "change_of_mind": decision.change_of_mind if decision else None,
        "orders": [_order(order, one.fills_of(order)) for order in one.orders],
        "fees": fee_facts(one.fills),
        "pnl_after_fees": None if pnl is None else f"{pnl:f}",
    }


def _order(order: Order, fills: Sequence[Fill]) -> dict[str, Any]:
    return cost_facts(order, fills) | {
        "client_order_id": order.client_order_id,
        "side": order.side.value,
        "order_type": order.order_type,
        "quantity": f"{order.quantity:f}",
        "price": None if order.price is None else f"{order.price:f}",
        "status": order.status.value,
        "filled_quantity": f"{order.filled_quantity:f}",
        "average_price": None if order.average_price is None else f"{order.average_price:f}",
        "reason": order.reason,
    }
