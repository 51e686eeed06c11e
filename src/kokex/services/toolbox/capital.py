"""How much: a suggestion, worked out from the plan's own settings and limits. It permits nothing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from kokex.domain.account import Ticker
from kokex.domain.capital import (
    BatchOrder,
    BatchRules,
    Factor,
    Sizing,
    SizingFacts,
    SizingMethod,
    largest_order,
    lay_out,
    size,
)
from kokex.domain.capital.sizing import HEADROOM
from kokex.domain.instrument import Instrument, InstrumentKind, Side
from kokex.domain.order import OrderType
from kokex.domain.plan import Plan
from kokex.domain.risk import RiskState
from kokex.ports.toolbox import ToolResult
from kokex.services.sizing import PositionSizing, orderable
from kokex.services.toolbox.desk import Room
from kokex.services.toolbox.facts import decimal_text, refusal, time_text


class CapitalTools(Room):
    """Sizes by the plan's method, and batches by its settings."""

    async def get_position_size(
        self, side: Side, order_type: OrderType = OrderType.POST_ONLY, price: Decimal | None = None
    ) -> ToolResult:
        """The holding to wish for on that side, what is missing to it, and the orders by which to enter; each factor with its number."""
        desk = self._desk
        plan, instrument = desk.plan, desk.ledger.book.instrument
        ticker = await desk.ticker()
        if price is not None and instrument.price_fault(price) is not None:
            return refusal("invalid_price", instrument.price_fault(price) or "")
        at = price or _touch(ticker, side, order_type)
        await desk.budget.read(desk.store)
        state = desk.pictures.state(desk.session, plan, desk.ledger, desk.budget.left)
        sizing = PositionSizing(desk.store, desk.market_data, desk.records)
        facts = await sizing.facts(desk.session, plan, state, side, at)
        sized = size(facts)
        may = side is Side.BUY or (plan.limits.allow_short and instrument.kind is InstrumentKind.SWAP)
        wanted = sized.quantity if may else Decimal(0)
        missing = max(wanted - side.sign * _reach(state, side), Decimal(0))
        most = largest_order(plan.limits, facts.capital, state.neighbours.equity)
        now, short = orderable(side, missing, plan.limits, state, at)
        count = plan.capital.avg_orders_per_batch if order_type in _RESTING else 1
        free = max(plan.limits.max_open_orders - len(state.pending), 0)
        batch = lay_out(side, now, at, _rules(plan, instrument, min(count, free), most, ticker.last))
        return {
            "method": sized.method.value,
            "side": side.value,
            "suggested_position": f"{side.sign * wanted if wanted else wanted:f}",
            "suggested_value": f"{instrument.notional(wanted, at):.2f}",
            "held": f"{state.quantity:f}",
            "missing": f"{missing:f}",
            "orders": [_order(one) for one in batch.orders],
            "left_for_later": f"{missing - batch.quantity:f}",
            "largest_order_value": f"{most:.2f}",
            "proven": _proven(sized, facts),
            "factors": [
                {"name": one.name, "value": one.value, "because": one.because}
                for one in (*sized.factors, *short, *(() if may else (_NO_SHORT,)))
            ],
            "unit": instrument.quote_currency,
            "quantity_unit": desk.quantity_unit,
            "price": f"{at:f}",
            "now": time_text(desk.clock.now()),
            "note": "a suggestion: the risk gate decides on every order, and a smaller one is always fine",
        }


_NO_SHORT = Factor("allow_short", "no", "this plan does not go short: nothing")
_RESTING = (OrderType.LIMIT, OrderType.POST_ONLY)


def _rules(plan: Plan, instrument: Instrument, orders: int, most: Decimal, last: Decimal) -> BatchRules:
    collar = plan.limits.price_collar * (1 - HEADROOM)
    return BatchRules(
        instrument=instrument,
        orders=orders,
        step=max(plan.capital.batch_step, plan.limits.repeat_distance or Decimal(0)),
        most=most,
        last=last,
        lowest=last * (1 - collar),
        highest=last * (1 + collar),
    )


def _touch(ticker: Ticker, side: Side, order_type: OrderType) -> Decimal:
    """Where an order of that type would go in: at the touch of its own side, or through the other."""
    takes = order_type in (OrderType.MARKET, OrderType.IOC, OrderType.FOK)
    bid, ask = ticker.bid or ticker.last, ticker.ask or ticker.last
    return ask if (side is Side.BUY) == takes else bid


def _reach(state: RiskState, side: Side) -> Decimal:
    """The holding if all that is pending on `side` were to fill."""
    pending = sum((order.remaining for order in state.pending if order.side is side), Decimal(0))
    return state.quantity + side.sign * pending


def _proven(sized: Sizing, facts: SizingFacts) -> bool | None:
    """Whether a measured skill stands behind the size; None where the method asks for none."""
    return facts.proven if sized.method is SizingMethod.KELLY else None


def _order(order: BatchOrder) -> dict[str, Any]:
    return {"price": decimal_text(order.price), "quantity": f"{order.quantity:f}"}
