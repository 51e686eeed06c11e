"""Market data: candles with OKX's paging, tickers, books, trades."""

from __future__ import annotations

from kokex.paper.exchange.rejection import RejectionError, malformed
from kokex.paper.gateway.limits import Limit
from kokex.paper.instruments import Instrument
from kokex.paper.market.interval import find_bar
from kokex.paper.rest.call import Call, Data, Route
from kokex.paper.wire.market import candle_row, depth_rows, ticker_row, trade_row

_FOREVER = 1 << 62
_MAX_PAGE = 300
_RECENT_CANDLES = 1440


def candles(call: Call) -> Data:
    """The latest 1440 candles of an interval."""
    return _candles(call, recent=_RECENT_CANDLES)


def history_candles(call: Call) -> Data:
    """All candles there are."""
    return _candles(call, recent=None)


def _candles(call: Call, recent: int | None) -> Data:
    """OKX v5: newest first, both cursors exclusive, and `before` alone gives the latest page."""
    item = call.instrument()
    bar = find_bar(call.text("bar") or "1m")
    if bar is None or (recent is not None and bar.name == "1s"):
        raise malformed("bar")
    history = call.exchange.strands[item.inst_id].history
    now_ms = call.exchange.now_ms
    newer_than = call.number("before", -1)
    if recent is not None:
        newer_than = max(newer_than, bar.start_of(now_ms) - recent * bar.length_ms)
    page = history.page(
        bar,
        older_than=call.number("after", _FOREVER),
        newer_than=newer_than,
        limit=call.limit(most=_MAX_PAGE),
        now_ms=now_ms,
    )
    return [candle_row(item, candle, closed=bar.end_of(candle.start_ms) <= now_ms) for candle in page]


def ticker(call: Call) -> Data:
    """One product's ticker."""
    return [_ticker(call, call.instrument())]


def tickers(call: Call) -> Data:
    """Tickers of a type."""
    kind = call.text("instType")
    if not kind:
        raise RejectionError("50014", "Parameter instType can not be empty.")
    return [_ticker(call, item) for item in call.exchange.instruments.values() if item.inst_type == kind]


def books(call: Call) -> Data:
    """The order book, `sz` levels a side (1 unless given, at most 400)."""
    item = call.instrument()
    limit = max(1, min(400, call.number("sz", 1)))
    book = call.exchange.floor.books[item.inst_id]
    row = {
        "asks": depth_rows(book, ask=True, limit=limit),
        "bids": depth_rows(book, ask=False, limit=limit),
        "ts": str(call.exchange.now_ms),
        "seqId": book.version,
    }
    return [row]


def trades(call: Call) -> Data:
    """Recent trades, newest first."""
    item = call.instrument()
    kept = list(call.exchange.trades[item.inst_id])
    return [trade_row(trade) for trade in kept[::-1][: call.limit(most=500)]]


def history_trades(call: Call) -> Data:
    """Trades by trade id (type 1) or time (type 2), as far back as the paper exchange keeps them."""
    item = call.instrument()
    by_time = call.text("type") == "2"
    if by_time and call.text("before"):
        raise RejectionError("50039", "The before parameter is not available for timestamp pagination")
    after, before = call.number("after", _FOREVER), call.number("before", -1)
    kept = [
        trade
        for trade in reversed(call.exchange.trades[item.inst_id])
        if before < (trade.at_ms if by_time else trade.trade_id) < after
    ]
    return [trade_row(trade) for trade in kept[: call.limit()]]


def _ticker(call: Call, item: Instrument) -> dict[str, object]:
    exchange = call.exchange
    kept = exchange.trades[item.inst_id]
    history = exchange.strands[item.inst_id].history
    return ticker_row(
        history, exchange.floor.books[item.inst_id], kept[-1] if kept else None, exchange.now_ms
    )


ROUTES = {
    ("GET", "market/candles"): Route(candles, Limit(40)),
    ("GET", "market/history-candles"): Route(history_candles, Limit(20)),
    ("GET", "market/ticker"): Route(ticker, Limit(20)),
    ("GET", "market/tickers"): Route(tickers, Limit(20)),
    ("GET", "market/books"): Route(books, Limit(40)),
    ("GET", "market/books-full"): Route(books, Limit(10)),
    ("GET", "market/trades"): Route(trades, Limit(100)),
    ("GET", "market/history-trades"): Route(history_trades, Limit(20)),
}
