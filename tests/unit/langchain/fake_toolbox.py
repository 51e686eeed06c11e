"""A toolbox over one make-believe market, with the real risk gate in front: answers have the keys of the services' toolbox."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from kokex.domain.candle import Interval
from kokex.domain.decision import Trigger, Turn
from kokex.domain.events import EventSource, OrderEvent, classify
from kokex.domain.forecast import Forecast
from kokex.domain.grant import Grant
from kokex.domain.ids import OrderOrigin, client_order_id
from kokex.domain.indicator import Indicator
from kokex.domain.instrument import Instrument, InstrumentKind, Side
from kokex.domain.limits import RiskLimits
from kokex.domain.notice import AlertDirection
from kokex.domain.order import Order, OrderRequest, OrderStatus, OrderType, OrderUpdate
from kokex.domain.parent_order import Style
from kokex.domain.plan import AgentSettings, Plan, PlanStatus, TriggerKind
from kokex.domain.risk import Denied, RiskState, check, check_amendment
from kokex.domain.risk.question import Question
from kokex.domain.stops import Stops
from tests.builders import TRADES

START = datetime(2025, 6, 1, tzinfo=UTC)
HOUR = Interval("1H")
SPOT = Instrument(
    "ETH-USDT",
    InstrumentKind.SPOT,
    "ETH",
    "USDT",
    "",
    Decimal("0.01"),
    Decimal("0.000001"),
    Decimal("0.0001"),
)
SWAP = Instrument(
    "ETH-USDT-SWAP",
    InstrumentKind.SWAP,
    "ETH",
    "USDT",
    "USDT",
    Decimal("0.01"),
    Decimal("0.01"),
    Decimal("0.01"),
    contract_value=Decimal("0.1"),
)


@dataclass
class FakeClock:
    """Time that moves when told."""

    at: datetime = START
    seconds: float = 0.0

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        await asyncio.sleep(0)


@dataclass
class FakeToolbox:
    """One plan's market, book and orders. Attributes are the market's state; tests set them."""

    instrument: Instrument = SPOT
    limits: RiskLimits = field(default_factory=RiskLimits)
    last: Decimal = Decimal(2000)
    held: Decimal = Decimal(0)
    cash: Decimal = Decimal(10000)
    prediction: dict[str, Any] | None = None
    turn_id: int = 1
    now: datetime = START
    orders: dict[str, Order] = field(default_factory=dict)
    events: list[OrderEvent] = field(default_factory=list)
    used: list[str] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)
    past: list[dict[str, Any]] = field(default_factory=list)
    step: int = 0
    denied: int = 0
    fills: int = 0
    fee: Decimal = Decimal("0.001")
    grant: Grant | None = None
    planted: dict[str, Any] = field(default_factory=dict)
    """Texts from outside: `name` of a tool -> what is added to its results."""

    @property
    def tick(self) -> Decimal:
        return self.instrument.tick_size

    def pending(self) -> list[Order]:
        return [order for order in self.orders.values() if not order.status.closed]

    # the toolbox ---------------------------------------------------------------------------------

    async def get_current_price(self) -> dict[str, Any]:
        self.used.append("get_current_price")
        return {
            "inst_id": self.instrument.inst_id,
            "last": str(self.last),
            "bid": str(self.last - self.tick),
            "ask": str(self.last + self.tick),
            "unit": "USDT",
            "occurred_at": self.now.isoformat(),
        } | self.planted.get("get_current_price", {})

    async def get_current_utc_time(self) -> dict[str, Any]:
        self.used.append("get_current_utc_time")
        return {"now": self.now.isoformat()}

    async def get_positions(self) -> dict[str, Any]:
        self.used.append("get_positions")
        return {"quantity": str(self.held), "quantity_unit": self._unit(), "unit": "USDT"}

    async def get_account_balance(self) -> dict[str, Any]:
        self.used.append("get_account_balance")
        selling = sum((order.remaining for order in self.pending() if order.side is Side.SELL), Decimal(0))
        return {
            "balances": {
                "ETH": {"total": str(self.held), "available": str(self.held - selling)},
                "USDT": {"total": str(self.cash), "available": str(self.free_cash())},
            },
            "free_cash": str(self.free_cash()),
            "free_cash_unit": "USDT",
        }

    async def get_trading_limits(self) -> dict[str, Any]:
        self.used.append("get_trading_limits")
        limits, instrument = self.limits, self.instrument
        return {
            "max_order_notional": str(limits.max_order_notional),
            "max_position_notional": str(limits.max_position_notional),
            "max_open_orders": limits.max_open_orders,
            "max_orders_per_minute": limits.max_orders_per_minute,
            "price_collar": str(limits.price_collar),
            "cash_reserve": str(limits.cash_reserve),
            "allow_short": limits.allow_short,
            "unit": "USDT",
            "tick_size": str(instrument.tick_size),
            "lot_size": str(instrument.lot_size),
            "min_quantity": str(instrument.min_quantity),
            "quantity_unit": self._unit(),
            "contract_value": str(instrument.contract_value),
        }

    async def get_pending_orders(self) -> dict[str, Any]:
        self.used.append("get_pending_orders")
        planted = self.planted.get("get_pending_orders", {})
        return {"orders": [_row(order) | planted for order in self.pending()]} | planted

    async def get_order_info(self, client_order_id: str) -> dict[str, Any]:
        self.used.append("get_order_info")
        order = self.orders.get(client_order_id)
        return (
            _row(order)
            if order
            else {"error": f"this plan has no order {client_order_id!r}", "code": "not_found"}
        )

    async def query_historical_kline_data(self, limit: int = 50) -> dict[str, Any]:
        self.used.append("query_historical_kline_data")
        return {"candles": [], "limit": limit} | self.planted.get("query_historical_kline_data", {})

    async def get_order_book(self, depth: int = 10) -> dict[str, Any]:
        self.used.append("get_order_book")
        levels = [(self.last - self.tick, "2"), (self.last + self.tick, "3")]
        bids, asks = ([[str(price), quantity]] * min(depth, 1) for price, quantity in levels)
        return {"inst_id": self.instrument.inst_id, "bids": bids, "asks": asks, "unit": "USDT"}

    async def get_funding_rate(self) -> dict[str, Any]:
        self.used.append("get_funding_rate")
        return {"error": f"{self.instrument.inst_id} is spot", "code": "no_funding"}

    async def get_indicators(self, names: Sequence[Indicator], limit: int = 5) -> dict[str, Any]:
        self.used.append("get_indicators")
        return {"indicators": {name.value: {"unit": "", name.value: [None] * limit} for name in names}}

    async def get_order_history(self, limit: int = 20) -> dict[str, Any]:
        self.used.append("get_order_history")
        return {"orders": [_row(order) for order in reversed(self.orders.values())][:limit], "unit": "USDT"}

    async def get_fills(self, limit: int = 20) -> dict[str, Any]:
        self.used.append("get_fills")
        return {"fills": [], "unit": "USDT"}

    async def run_latest_model_inference(self) -> dict[str, Any]:
        self.used.append("run_latest_model_inference")
        return {"made_now": False} | await self.query_prediction_data()

    async def get_prediction_history(self, limit: int = 10) -> dict[str, Any]:
        self.used.append("get_prediction_history")
        return {"forecasts": [], "unit": "USDT"}

    async def get_latest_prediction_analysis(self) -> dict[str, Any]:
        self.used.append("get_latest_prediction_analysis")
        return {"error": "no forecast has been made yet", "code": "no_forecast"}

    async def get_forecast_skill(self, limit: int = 100) -> dict[str, Any]:
        self.used.append("get_forecast_skill")
        return {"verdict": "too few to say", "forecasts": 0}

    async def query_prediction_data(self) -> dict[str, Any]:
        self.used.append("query_prediction_data")
        planted = self.planted.get("query_prediction_data", {})
        return (
            self.prediction or {"error": "no forecast has been made yet", "code": "no_forecast"}
        ) | planted

    async def get_past_decisions(self, limit: int = 5, *, only_with_orders: bool = False) -> dict[str, Any]:
        self.used.append("get_past_decisions")
        kept = [one for one in self.past if one["orders"] or not only_with_orders]
        return {
            "decisions": kept[:limit],
            "last": str(self.last),
            "unit": "USDT",
            "quantity_unit": self._unit(),
        }

    async def set_price_alert(
        self, price: Decimal, direction: AlertDirection, note: str = ""
    ) -> dict[str, Any]:
        self.used.append("set_price_alert")
        return {"alert": 1, "price": str(price), "direction": direction.value, "note": note}

    async def remember(self, text: str) -> dict[str, Any]:
        self.used.append("remember")
        return {"text": text, "notes_kept": 1}

    async def recall(self, query: str | None = None, limit: int = 10) -> dict[str, Any]:
        self.used.append("recall")
        return {"notes": [], "notes_kept": 0} | self.planted.get("recall", {})

    async def place_order(
        self,
        side: Side,
        order_type: OrderType,
        quantity: Decimal,
        price: Decimal | None = None,
        *,
        stop_loss: Decimal | None = None,
        take_profit: Decimal | None = None,
    ) -> dict[str, Any]:
        self.used.append("place_order")
        step, self.step = self.step, self.step + 1
        name = client_order_id(OrderOrigin("test", 1, self.turn_id, step))
        request = OrderRequest(name, 1, self.instrument.inst_id, side, order_type, quantity, price)
        if stop_loss is not None or take_profit is not None:
            request = replace(request, stops=Stops(stop_loss, take_profit))
        state = self.state()
        verdict = check(request, self.limits, state)
        if self.grant is not None and not isinstance(verdict, Denied):
            self.grant = self.grant.spend(Question(request, self.limits, state).added)
        status = OrderStatus.DENIED if isinstance(verdict, Denied) else OrderStatus.ACCEPTED
        order = Order(
            name,
            f"x{name}",
            1,
            1,
            self.instrument.inst_id,
            side,
            order_type.value,
            quantity,
            price,
            status,
            self.now,
            self.now,
        )
        self.orders[name] = order
        self.outcomes.append(status.value)
        if isinstance(verdict, Denied):
            self.denied += 1
            return _row(order) | {"error": verdict.reason, "code": verdict.code.value}
        if order_type is OrderType.MARKET:
            self.fill(name, self.last + side.sign * self.tick)
        return _row(self.orders[name])

    async def amend_order(
        self, client_order_id: str, quantity: Decimal | None = None, price: Decimal | None = None
    ) -> dict[str, Any]:
        self.used.append("amend_order")
        order = self.orders.get(client_order_id)
        if order is None:
            return {"error": f"this plan has no order {client_order_id!r}", "code": "not_found"}
        request = OrderRequest(
            client_order_id, 1, order.inst_id, order.side, OrderType(order.order_type),
            quantity or order.quantity, price or order.price,
        )  # fmt: skip
        verdict = check_amendment(request, order, self.limits, self.state())
        if isinstance(verdict, Denied):
            self.denied += 1
            return _row(order) | {"amend": "denied", "error": verdict.reason, "code": verdict.code.value}
        if self.grant is not None:
            self.grant = self.grant.spend(verdict.added)
        self.orders[client_order_id] = replace(order, quantity=request.quantity, price=request.price)
        return _row(self.orders[client_order_id]) | {"amend": "applied"}

    async def close_position(self, price: Decimal | None = None) -> dict[str, Any]:
        self.used.append("close_position")
        if not self.held:
            return {"error": "this plan holds nothing", "code": "nothing_held"}
        for order in self.pending():
            await self.cancel_order(order.client_order_id or "")
        quantity = self.instrument.round_quantity(abs(self.held))
        kind = OrderType.MARKET if price is None else OrderType.LIMIT
        side = Side.SELL if self.held > 0 else Side.BUY
        return {"canceled": [], "remains": "0"} | await self.place_order(side, kind, quantity, price)

    async def cancel_order(self, client_order_id: str) -> dict[str, Any]:
        self.used.append("cancel_order")
        if client_order_id not in self.orders or self.orders[client_order_id].status.closed:
            return {
                "client_order_id": client_order_id,
                "cancel": "rejected",
                "error": "it is closed",
                "code": "51400",
            }
        self.conclude(client_order_id, OrderStatus.CANCELED)
        return {"client_order_id": client_order_id, "cancel": "accepted"}

    async def work_order(
        self,
        side: Side,
        quantity: Decimal,
        style: Style,
        minutes: Decimal,
        limit_price: Decimal | None = None,
        **how: Any,
    ) -> dict[str, Any]:
        """As one order at its limit price: the gate looks at the whole."""
        self.used.append("work_order")
        return await self.place_order(side, OrderType.LIMIT, quantity, limit_price or self.last)

    async def stop_working(self, number: int) -> dict[str, Any]:
        self.used.append("stop_working")
        return {"error": f"this plan works no parent order {number}", "code": "not_found"}

    # the market ----------------------------------------------------------------------------------

    def state(self) -> RiskState:
        """What the gate is told now."""
        return RiskState(
            self.instrument,
            PlanStatus.RUNNING,
            True,
            self.last,
            self.held,
            tuple(self.pending()),
            self.free_cash(),
            0,
            self.now,
            grant=self.grant,
        )

    def free_cash(self) -> Decimal:
        buying = (
            self.instrument.notional(order.remaining, order.price or self.last)
            for order in self.pending()
            if order.side is Side.BUY
        )
        return self.cash - sum(buying, Decimal(0))

    def fill(self, name: str, price: Decimal, share: Decimal = Decimal(1)) -> None:
        """Fill `share` of what remains of an order."""
        order = self.orders[name]
        quantity = self.instrument.round_quantity(order.remaining * share)
        value = self.instrument.notional(quantity, price)
        self.held += order.side.sign * quantity
        self.cash -= order.side.sign * value + value * self.fee
        self.fills += 1
        done = order.filled_quantity + quantity == order.quantity
        self.conclude(name, OrderStatus.FILLED if done else OrderStatus.PARTIALLY_FILLED, quantity, price)

    def conclude(
        self, name: str, status: OrderStatus, quantity: Decimal = Decimal(0), price: Decimal | None = None
    ) -> None:
        """Change an order and tell it as an event."""
        order = self.orders[name]
        update = OrderUpdate(
            order.inst_id,
            order.order_id or "",
            name,
            order.side,
            order.order_type,
            status,
            order.quantity,
            order.price,
            order.filled_quantity + quantity,
            price,
            None,
            None,
            order.created_at,
            self.now,
        )
        self.orders[name] = order.apply(update)
        self.events.append(event_of(update, len(self.events) + 1))

    def _unit(self) -> str:
        return "ETH" if self.instrument.kind is InstrumentKind.SPOT else "contracts"


def event_of(update: OrderUpdate, number: int = 1, *, external: bool = False) -> OrderEvent:
    """An update as the journal would tell it."""
    classified = classify(update)
    return OrderEvent(
        number,
        1,
        1,
        classified.event_type,
        classified.kind,
        classified.event_key,
        update,
        EventSource.STREAM,
        external,
        update.occurred_at,
    )


def prediction(
    probability_up: float,
    expected_return: float,
    *,
    spread: float = 0.03,
    price: float = 2000.0,
    at: datetime = START,
) -> dict[str, Any]:
    """What query_prediction_data answers."""
    return {
        "forecaster": "block_bootstrap",
        "origin_time": at.isoformat(),
        "origin_price": price,
        "horizon": 24,
        "interval": "1H",
        "probability_up": probability_up,
        "expected_return": expected_return,
        "spread": spread,
        "measured_skill": None,
    }


def prediction_of(forecast: Forecast) -> dict[str, Any]:
    """The same, from a forecast."""
    return prediction(
        forecast.probability_up(),
        forecast.expected_return(),
        spread=forecast.spread(),
        price=forecast.origin_price,
        at=forecast.origin_time,
    )


def plan(
    *, limits: RiskLimits | None = None, agent: AgentSettings | None = None, inst_id: str = "ETH-USDT"
) -> Plan:
    """A running plan."""
    return Plan(
        1,
        "test",
        1,
        inst_id,
        HOUR,
        PlanStatus.RUNNING,
        START,
        limits or RiskLimits(),
        agent or AgentSettings(trading_tools=TRADES),
    )


def turn(*triggers: Trigger, number: int = 1, of: Plan | None = None, resumed: bool = False) -> Turn:
    """A turn, woken by a forecast unless told otherwise."""
    return Turn(number, of or plan(), triggers or (woken(TriggerKind.FORECAST),), START, resumed)


def woken(kind: TriggerKind, *events: OrderEvent, text: str | None = None) -> Trigger:
    """A trigger."""
    return Trigger(kind, f"{kind.value}:1", START, events, None, text)


def _row(order: Order) -> dict[str, Any]:
    return {
        "client_order_id": order.client_order_id,
        "order_id": order.order_id,
        "side": order.side.value,
        "order_type": order.order_type,
        "quantity": str(order.quantity),
        "price": None if order.price is None else str(order.price),
        "status": order.status.value,
        "filled_quantity": str(order.filled_quantity),
        "average_price": None,
        "reason": None,
        "created_at": order.created_at.isoformat(),
    }


def hours(count: float) -> timedelta:
    """A span of market time."""
    return timedelta(hours=count)
