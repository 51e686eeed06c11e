"""The tools that an agent may use in one turn of one plan, room by room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Protocol

from kokex.domain.indicator import Indicator
from kokex.domain.instrument import Side
from kokex.domain.notice import AlertDirection
from kokex.domain.order import OrderType
from kokex.domain.parent_order import Style

ToolResult = Mapping[str, Any]
"""JSON-ready: text, numbers, booleans, None, lists and mappings. Money is text. A refusal has `error` and `code`."""


class MarketTools(Protocol):
    """What the market does."""

    async def get_current_price(self) -> ToolResult:
        """Last price, bid and ask, with their time."""
        ...

    async def get_current_utc_time(self) -> ToolResult:
        """The present."""
        ...

    async def query_historical_kline_data(self, limit: int = 50) -> ToolResult:
        """The latest closed candles, oldest first."""
        ...

    async def get_order_book(self, depth: int = 10) -> ToolResult:
        """The best prices of both sides, with what is on offer at each."""
        ...

    async def get_funding_rate(self) -> ToolResult:
        """What holding the plan's swap costs or earns at the next funding."""
        ...

    async def get_indicators(self, names: Sequence[Indicator], limit: int = 5) -> ToolResult:
        """Indicators of the plan's closed candles, at the latest of them, oldest first."""
        ...


class AccountTools(Protocol):
    """What the plan holds, what its account has, and what it may do."""

    async def get_positions(self) -> ToolResult:
        """The plan's holding, cost and profit or loss so far."""
        ...

    async def get_account_balance(self) -> ToolResult:
        """The account's balances, as last reported by the exchange."""
        ...

    async def get_trading_limits(self) -> ToolResult:
        """The plan's limits and the instrument's steps."""
        ...


class OrderTools(Protocol):
    """What became of the plan's orders."""

    async def get_pending_orders(self) -> ToolResult:
        """The plan's orders that are open, in flight, unknown or waiting for approval."""
        ...

    async def get_order_info(self, client_order_id: str) -> ToolResult:
        """One order of the plan."""
        ...

    async def get_order_history(self, limit: int = 20) -> ToolResult:
        """The plan's latest orders, newest first, with what became of them; denied ones too."""
        ...

    async def get_fills(self, limit: int = 20) -> ToolResult:
        """The latest executions of the plan's orders, newest first."""
        ...


class ForecastTools(Protocol):
    """What the forecaster says."""

    async def query_prediction_data(self) -> ToolResult:
        """The latest forecast's distribution: quantiles per step, probability_up, expected return, spread."""
        ...

    async def run_latest_model_inference(self) -> ToolResult:
        """A new forecast now, where the candles allow one; told like `query_prediction_data`."""
        ...

    async def get_prediction_history(self, limit: int = 10) -> ToolResult:
        """The plan's latest forecasts, newest first, each with what came of it so far."""
        ...

    async def get_latest_prediction_analysis(self) -> ToolResult:
        """The latest forecast against what has happened since."""
        ...

    async def get_forecast_skill(self, limit: int = 100) -> ToolResult:
        """How the latest forecasts whose horizon has passed did, beside a baseline."""
        ...


class CapitalTools(Protocol):
    """How much to hold."""

    async def get_position_size(
        self, side: Side, order_type: OrderType = OrderType.POST_ONLY, price: Decimal | None = None
    ) -> ToolResult:
        """The holding that the plan's sizing argues for on that side, with each factor, and a batch of orders to enter it. Permits nothing."""
        ...


class DecisionTools(Protocol):
    """What the plan decided before."""

    async def get_past_decisions(self, limit: int = 5, *, only_with_orders: bool = False) -> ToolResult:
        """The plan's latest decisions, newest first: what woke them, reasons, orders and what became of those."""
        ...


class NoteTools(Protocol):
    """What the agent keeps for later turns. Nothing of it trades or moves a limit."""

    async def set_price_alert(self, price: Decimal, direction: AlertDirection, note: str = "") -> ToolResult:
        """Have the agent woken once when the last price is at `price` or beyond."""
        ...

    async def remember(self, text: str) -> ToolResult:
        """Keep a note for later turns of the plan."""
        ...

    async def recall(self, query: str | None = None, limit: int = 10) -> ToolResult:
        """The plan's notes, newest first; with `query` those that have all of its words."""
        ...


class TradingTools(Protocol):
    """What reaches the exchange: all of it passes the risk gate."""

    step: int
    """Number of the turn's next command: each keeps its own when the turn is run again."""

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
        """Ask for an order, with stops that the exchange makes once it has filled. The risk gate decides; the result says denied, rejected, unknown or accepted."""
        ...

    async def amend_order(
        self, client_order_id: str, quantity: Decimal | None = None, price: Decimal | None = None
    ) -> ToolResult:
        """Ask for a change of an open order: its new total quantity, its new price, or both. The risk gate decides."""
        ...

    async def close_position(self, price: Decimal | None = None) -> ToolResult:
        """Ask for the end of the plan's holding, at market or at a limit price. Its other orders are canceled first."""
        ...

    async def cancel_order(self, client_order_id: str) -> ToolResult:
        """Ask for an open order's cancellation."""
        ...


class WorkingTools(Protocol):
    """Large orders, worked with smaller ones that all pass the risk gate."""

    async def work_order(
        self,
        side: Side,
        quantity: Decimal,
        style: Style,
        minutes: Decimal,
        limit_price: Decimal | None = None,
        slices: int | None = None,
        visible: Decimal | None = None,
    ) -> ToolResult:
        """Ask for a parent order. The gate looks at the whole, and at each child order again."""
        ...

    async def stop_working(self, number: int) -> ToolResult:
        """End a parent order; what its child orders filled stands."""
        ...


class Toolbox(
    MarketTools,
    AccountTools,
    OrderTools,
    ForecastTools,
    CapitalTools,
    DecisionTools,
    NoteTools,
    TradingTools,
    WorkingTools,
    Protocol,
):
    """Tools of one turn of one plan. Every result names its units and times (UTC)."""
