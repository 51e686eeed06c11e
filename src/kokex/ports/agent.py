"""The agent, and the tools that it may use. All that it can do to the world is a `Toolbox`."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Protocol

from kokex.domain.decision import Decision, Turn
from kokex.domain.instrument import Side
from kokex.domain.order import OrderType

ToolResult = Mapping[str, Any]
"""JSON-ready: text, numbers, booleans, None, lists and mappings. Money is text. A refusal has `error` and `code`."""


class Toolbox(Protocol):
    """Tools of one turn of one plan. Every result names its units and times (UTC)."""

    async def get_current_price(self) -> ToolResult:
        """Last price, bid and ask, with their time."""
        ...

    async def get_current_utc_time(self) -> ToolResult:
        """The present."""
        ...

    async def get_positions(self) -> ToolResult:
        """The plan's holding, cost and profit or loss so far."""
        ...

    async def get_account_balance(self) -> ToolResult:
        """The account's balances, as last reported by the exchange."""
        ...

    async def get_trading_limits(self) -> ToolResult:
        """The plan's limits and the instrument's steps."""
        ...

    async def get_pending_orders(self) -> ToolResult:
        """The plan's orders that are open, in flight or unknown."""
        ...

    async def get_order_info(self, client_order_id: str) -> ToolResult:
        """One order of the plan."""
        ...

    async def query_historical_kline_data(self, limit: int = 50) -> ToolResult:
        """The latest closed candles, oldest first."""
        ...

    async def query_prediction_data(self) -> ToolResult:
        """The latest forecast's distribution: quantiles per step, probability_up, expected return, spread."""
        ...

    async def get_past_decisions(self, limit: int = 5, *, only_with_orders: bool = False) -> ToolResult:
        """The plan's latest decisions, newest first: what woke them, reasons, orders and what became of those."""
        ...

    async def place_order(
        self, side: Side, order_type: OrderType, quantity: Decimal, price: Decimal | None = None
    ) -> ToolResult:
        """Ask for an order. The risk gate decides; the result says denied, rejected, unknown or accepted."""
        ...

    async def cancel_order(self, client_order_id: str) -> ToolResult:
        """Ask for an open order's cancellation."""
        ...


class Agent(Protocol):
    """Thinks: reads, decides, acts through the toolbox."""

    async def run_turn(self, turn: Turn, toolbox: Toolbox) -> Decision:
        """One turn to its decision.

        Raises:
            AgentError: the model failed or broke its rules; what it did through the toolbox stands.
        """
        ...
