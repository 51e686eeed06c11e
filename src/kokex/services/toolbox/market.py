"""What the market does: prices, candles and what follows from them, the order book, funding."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from math import isnan
from typing import Any

from kokex.domain.errors import ExchangeError
from kokex.domain.indicator import Indicator, IndicatorLines
from kokex.domain.instrument import InstrumentKind
from kokex.domain.market import BookLevel
from kokex.ports.toolbox import ToolResult
from kokex.services.toolbox.desk import Room
from kokex.services.toolbox.facts import decimal_text, figure, refusal, time_text

_TRADES_SHOWN = 20
_INDICATOR_CANDLES = 1000
"""Closed candles that indicators are worked out from: averages that never forget have settled well before."""


class MarketTools(Room):
    """Prices, time and candles."""

    async def get_current_price(self) -> ToolResult:
        """Last price, bid and ask, with their time."""
        ticker = await self._desk.ticker()
        return {
            **self._streamed(),
            "inst_id": ticker.inst_id,
            "last": f"{ticker.last:f}",
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
                {"price": f"{one.price:f}", "quantity": f"{one.quantity:f}", "side": one.side.value}
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

    async def get_order_book(self, depth: int = 10) -> ToolResult:
        """The best prices of both sides, best first, asked for now."""
        desk = self._desk
        try:
            book = await desk.session.exchange.order_book(desk.plan.inst_id, depth)
        except ExchangeError as error:
            return refusal("exchange_unavailable", str(error))
        return {
            "inst_id": book.inst_id,
            "unit": desk.ledger.book.instrument.quote_currency,
            "quantity_unit": desk.quantity_unit,
            "columns": ["price", "quantity"],
            "bids": _levels(book.bids[:depth]),
            "asks": _levels(book.asks[:depth]),
            "spread": f"{book.asks[0].price - book.bids[0].price:f}" if book.asks and book.bids else None,
            "bid_quantity": f"{sum((level.quantity for level in book.bids[:depth]), Decimal(0)):f}",
            "ask_quantity": f"{sum((level.quantity for level in book.asks[:depth]), Decimal(0)):f}",
            "occurred_at": time_text(book.occurred_at),
        }

    async def get_funding_rate(self) -> ToolResult:
        """What holding the swap costs or earns at the next funding; spot pays none."""
        desk = self._desk
        inst_id = desk.plan.inst_id
        if desk.ledger.book.instrument.kind is not InstrumentKind.SWAP:
            return refusal("no_funding", f"{inst_id} is spot: holding it neither costs nor earns funding")
        try:
            found = await desk.session.exchange.funding_rate(inst_id)
        except ExchangeError as error:
            return refusal("exchange_unavailable", str(error))
        return {
            "inst_id": inst_id,
            "funding_rate": f"{found.rate:f}",
            "funding_rate_unit": "share of the position's value; above zero longs pay shorts, below zero shorts pay longs",
            "due_at": time_text(found.due_at),
            "next_due_at": None if found.next_due_at is None else time_text(found.next_due_at),
            "last_funding_rate": decimal_text(found.last_rate),
            "occurred_at": None if found.occurred_at is None else time_text(found.occurred_at),
        }

    async def get_indicators(self, names: Sequence[Indicator], limit: int = 5) -> ToolResult:
        """Indicators at the latest closed candles, oldest first; None where candles are too few for a value."""
        desk = self._desk
        series = await desk.market_data.series(
            desk.session.account, desk.plan.inst_id, desk.plan.interval, _INDICATOR_CANDLES
        )
        if not len(series):
            return refusal("no_candles", "no closed candle is kept yet; wait for market data")
        found = await asyncio.to_thread(
            lambda: [desk.indicators.of(series, name) for name in dict.fromkeys(names)]
        )
        return {
            "inst_id": desk.plan.inst_id,
            "interval": str(desk.plan.interval),
            "candles_read": len(series),
            "open_times": [
                time_text(datetime.fromtimestamp(int(at), UTC)) for at in series.open_times[-limit:]
            ],
            "closes": [figure(float(close)) for close in series.closes[-limit:]],
            "unit": desk.ledger.book.instrument.quote_currency,
            "indicators": {one.indicator.value: _indicator(one, limit) for one in found},
        }


def _levels(levels: Sequence[BookLevel]) -> list[list[str]]:
    return [[f"{level.price:f}", f"{level.quantity:f}"] for level in levels]


def _indicator(found: IndicatorLines, limit: int) -> dict[str, Any]:
    lines = {
        name: [None if isnan(value) else figure(value) for value in line[-limit:].tolist()]
        for name, line in found.lines.items()
    }
    facts: dict[str, Any] = {"unit": found.unit.value, **lines}
    if any(None in line for line in lines.values()):
        facts["needs_candles"] = found.needs
    return facts
