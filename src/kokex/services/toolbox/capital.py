"""How much: a suggestion, worked out from the plan's own settings and limits. It permits nothing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from kokex.domain.account import Ticker
from kokex.domain.capital import (
    Batch,
    BatchOrder,
    BatchRules,
    Sizing,
    SizingFacts,
    SizingMethod,
    largest_order,
    lay_out,
    size,
)
from kokex.domain.capital.sizing import HEADROOM
from kokex.domain.instrument import InstrumentKind, Side
from kokex.domain.order import OrderType
from kokex.domain.risk import RiskState
from kokex.ports.toolbox import ToolResult
from kokex.services.sizing import PositionSizing
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
        state = desk.pictures.state(desk.session, plan, desk.ledger)
        facts = await PositionSizing(desk.store, desk.market_data).facts(desk.session, plan, state, side, at)
        sized = size(facts)
        may = side is Side.BUY or (plan.limits.allow_short and instrument.kind is InstrumentKind.SWAP)
        wanted = sized.quantity if may else Decimal(0)
        missing = max(wanted - side.sign * _reach(state, side), Decimal(0))
        most = largest_order(plan.limits, facts.capital, state.neighbours.equity)
        batch = self._batch(side, missing, at, order_type, most, ticker)
        return {
            "method": sized.method.value,
            "side": side.value,
            "suggested_position": str(side.sign * wanted if wanted else wanted),
            "suggested_value": f"{instrument.notional(wanted, at):.2f}",
            "held": str(state.quantity),
            "missing": str(missing),
            "orders": [_order(one) for one in batch.orders],
            "left_for_later": str(batch.left),
            "largest_order_value": f"{most:.2f}",
            "proven": _proven(sized, facts),
            "factors": [
                {"name": one.name, "value": one.value, "because": one.because} for one in sized.factors
            ]
            + ([] if may else [_NO_SHORT]),
            "unit": instrument.quote_currency,
            "quantity_unit": desk.quantity_unit,
            "price": str(at),
            "now": time_text(desk.clock.now()),
            "note": "a suggestion: the risk gate decides on every order, and a smaller one is always fine",
        }

    def _batch(
        self, side: Side, missing: Decimal, at: Decimal, order_type: OrderType, most: Decimal, ticker: Ticker
    ) -> Batch:
        plan = self._desk.plan
        instrument, collar = self._desk.ledger.book.instrument, plan.limits.price_collar * (1 - HEADROOM)
        resting = order_type in (OrderType.LIMIT, OrderType.POST_ONLY)
        rules = BatchRules(
            instrument=instrument,
            orders=plan.capital.avg_orders_per_batch if resting else 1,
            step=max(plan.capital.batch_step, plan.limits.repeat_distance or Decimal(0)),
            most=most,
            last=ticker.last,
            lowest=ticker.last * (1 - collar),
            highest=ticker.last * (1 + collar),
        )
        return lay_out(side, missing, at, rules)


_NO_SHORT = {"name": "allow_short", "value": "no", "because": "this plan does not go short: nothing"}


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
    if sized.method is not SizingMethod.KELLY:
        return None
    return facts.skill is not None and facts.skill.factor > 0


def _order(order: BatchOrder) -> dict[str, Any]:
    return {"price": decimal_text(order.price), "quantity": str(order.quantity)}
