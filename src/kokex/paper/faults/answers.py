"""What REST answers, and the order commands that share its faults over WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec
from aiohttp import web

from kokex.paper.decimals import text
from kokex.paper.exchange.exchange import PaperExchange
from kokex.paper.faults.injector import Faults
from kokex.paper.faults.kinds import KINDS
from kokex.paper.faults.past import PastExchange
from kokex.paper.faults.plan import Fault
from kokex.paper.faults.record import Occasion
from kokex.paper.ledger.account import Account
from kokex.paper.market.interval import HOUR_MS, find_bar

CANDLE_PATHS = ("market/candles", "market/history-candles")
MARKET_PATHS = (*CANDLE_PATHS, "market/ticker", "market/trades")
ORDER_PATHS = (
    "trade/order",
    "trade/orders-pending",
    "trade/orders-history",
    "trade/orders-history-archive",
    "trade/fills",
    "trade/fills-history",
)
FORGOTTEN_AFTER_MS = 2 * HOUR_MS
"""OKX v5: an order canceled without a fill is gone from every query after two hours."""

_PAGE = (
    "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n"
    "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)
_encode = msgspec.json.Encoder().encode


class AnswerFaults:
    """Faults of requests; the REST face asks at each step."""

    def __init__(self, faults: Faults, exchange: PaperExchange) -> None:
        self.faults = faults
        self._exchange = exchange

    def occasion(self, method: str, path: str, key: str, fields: Mapping[str, Any]) -> Occasion:
        """Where a request goes.

        Args:
            path: without its prefix.
            key: the API key that it names.
            fields: its parameters, or the first order of a batch.
        """
        account = self._exchange.account_with_key(key) if key else None
        names = [str(fields[name]) for name in ("clOrdId", "ordId") if fields.get(name)]
        return Occasion(
            path=f"{method} {path}",
            inst_id=str(fields.get("instId") or ""),
            account=account.uid if account is not None else "",
            detail=" ".join(names),
        )

    def instead(self, occasion: Occasion, *, command: bool) -> web.Response | Fault | None:
        """What is answered without looking at the request; a `Fault` where its connection is cut."""
        strike = self.faults.strike
        for kind in ("too_many_requests", "server_error"):
            fault = strike(kind, occasion)
            if fault is not None:
                told = KINDS[kind].codes[fault.tells]
                body = {"msg": told.message, "code": fault.tells}
                return web.Response(body=_encode(body), status=told.status, content_type="application/json")
        if strike("bad_gateway", occasion):
            return gateway_page()
        return strike("cut_before_order", occasion) if command else None

    async def linger(self, occasion: Occasion) -> None:
        """Wait before the answer leaves, where that is slow."""
        fault = self.faults.strike("slow_rest", occasion)
        if fault is not None:
            await asyncio.sleep(fault.lasts)

    def clock_shift_s(self, occasion: Occasion) -> float:
        """How far the exchange's clock is ahead for this request or login."""
        fault = self.faults.strike("clock_skew", occasion)
        return fault.lasts if fault is not None else 0.0

    def exchange_for(self, occasion: Occasion, account: Account | None) -> PaperExchange:
        """The exchange that a query sees: now, or before the account's newest event."""
        path = occasion.path.removeprefix("GET ")
        if account is None or path not in ORDER_PATHS or not self.faults.waits("stale_orders"):
            return self._exchange
        if not self._exchange.records.events[account.uid]:
            return self._exchange
        if not self.faults.strike("stale_orders", occasion):
            return self._exchange
        return cast(PaperExchange, PastExchange(self._exchange, account.uid))

    def forgotten_ms(self, occasion: Occasion) -> int:
        """How much older a query finds the orders that were canceled without a fill."""
        if occasion.path.removeprefix("GET ") not in ORDER_PATHS:
            return 0
        return FORGOTTEN_AFTER_MS if self.faults.strike("forgotten_cancel", occasion) else 0

    def market_data(
        self, occasion: Occasion, params: Mapping[str, Any], data: Sequence[Any]
    ) -> Sequence[Any]:
        """Market data as it is told: as it is, or as it was one candle ago."""
        path = occasion.path.removeprefix("GET ")
        if path not in MARKET_PATHS or not self.faults.waits("stale_market"):
            return data
        older = self._older(path, params, data)
        if older == data or not self.faults.strike("stale_market", occasion):
            return data
        return older

    def _older(self, path: str, params: Mapping[str, Any], data: Sequence[Any]) -> Sequence[Any]:
        now_ms, interval_ms = self._exchange.now_ms, self._exchange.feed.interval_ms
        if path in CANDLE_PATHS:
            bar = find_bar(str(params.get("bar") or "1m"))
            assert bar is not None  # the query was answered
            return [row for row in data if bar.end_of(int(row[0])) <= now_ms - bar.length_ms]
        if path == "market/trades":
            return [row for row in data if int(row["ts"]) <= now_ms - interval_ms]
        return [self._older_ticker(row) for row in data]

    def _older_ticker(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """The ticker at the opening of the candle before the forming one."""
        strand = self._exchange.strands[row["instId"]]
        interval_ms = strand.interval_ms
        start_ms = (self._exchange.now_ms - interval_ms) // interval_ms * interval_ms
        found = strand.history.between(start_ms, start_ms + 1)
        if not found:
            return row
        candle, item = found[0], strand.instrument
        price, above = text(item.price(candle.open)), text(item.price(candle.open + 1))
        return {**row, "last": price, "bidPx": price, "askPx": above, "ts": str(candle.start_ms)}


def gateway_page() -> web.Response:
    """What stands before the exchange says while it cannot reach it."""
    return web.Response(text=_PAGE, status=502, content_type="text/html")


def timed_out(fault: Fault, done: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], int]:
    """The answer to a command that was carried out: a time-out, and its HTTP status.

    50004 is the gateway's and comes without `data`; the others are of the order.
    """
    code = fault.tells
    told = KINDS[fault.kind].codes[code]
    if code == "50004":
        return {"msg": told.message, "code": code}, told.status
    items = [{**item, "ordId": "", "sCode": code, "sMsg": told.message} for item in done]
    return {"code": "1", "msg": "", "data": items}, told.status
