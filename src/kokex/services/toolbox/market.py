"""What the market does."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from kokex.ports.toolbox import ToolResult
from kokex.services.toolbox.desk import Room
from kokex.services.toolbox.facts import decimal_text, refusal, time_text

_TRADES_SHOWN = 20


class MarketTools(Room):
    """Prices, time and candles."""

    async def get_current_price(self) -> ToolResult:
        """Last price, bid and ask, with their time."""
        ticker = await self._desk.ticker()
        return {
            **self._streamed(),
            "inst_id": ticker.inst_id,
            "last": str(ticker.last),
            "bid": decimal_text(ticker.bid),
            "ask": decimal_text(ticker.ask),
            "unit": self._desk.ledger.book.instrument.quote_currency,
            "occurred_at": time_text(ticker.occurred_at),
        }

    def _streamed(self) -> ToolResult:
        """Top of the book and newest trades, where the plan has them streamed."""
        place = (self._desk.session.account, self._desk.plan.inst_id)
        top, trades = self._desk.market_data.book_top(*place), self._desk.market_data.trades(*place)
        seen: dict[str, Any] = {}
        if top is not None:
            seen["bid_quantity"], seen["ask_quantity"] = (
                decimal_text(top.bid_quantity),
                decimal_text(top.ask_quantity),
            )
        if trades:
            seen["trades"] = [
                {"price": str(one.price), "quantity": str(one.quantity), "side": one.side.value}
                for one in trades[-_TRADES_SHOWN:]
            ]
        return seen

    async def get_current_utc_time(self) -> ToolResult:
        """The present, by our clock and by the market's."""
        ticker = self._desk.fresh_ticker()
        return {
            "now": time_text(self._desk.clock.now()),
            "market_time": time_text(ticker.occurred_at) if ticker else None,
        }

    async def query_historical_kline_data(self, limit: int = 50) -> ToolResult:
        """The latest closed candles, oldest first."""
        if not 1 <= limit <= 500:
            return refusal("invalid_limit", f"limit {limit} must be between 1 and 500")
        series = await self._desk.market_data.series(
            self._desk.session.account, self._desk.plan.inst_id, self._desk.plan.interval, limit
        )
        return {
            "inst_id": self._desk.plan.inst_id,
            "interval": str(self._desk.plan.interval),
            "columns": ["open_time", "open", "high", "low", "close", "volume"],
            "candles": [
                [time_text(datetime.fromtimestamp(int(at), UTC)), *(float(value) for value in row[:5])]
                for at, row in zip(series.open_times, series.values, strict=True)
            ],
        }
