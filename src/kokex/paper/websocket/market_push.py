"""Pushes of public market data, at OKX's cadence in wall-clock time."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import msgspec

from kokex.paper.decimals import text
from kokex.paper.exchange.checks import band
from kokex.paper.exchange.exchange import PaperExchange
from kokex.paper.exchange.valuation import watched_price
from kokex.paper.instruments import Instrument
from kokex.paper.market.interval import Bar
from kokex.paper.websocket.channels import Subscription
from kokex.paper.websocket.connection import Connection
from kokex.paper.websocket.hub import Hub, public_frame
from kokex.paper.wire.market import (
    Levels,
    candle_row,
    depth_rows,
    funding_row,
    instrument_row,
    mark_row,
    ticker_row,
)

_encode = msgspec.json.Encoder().encode
_DEPTH = 400
_CADENCE_S = {
    "tickers": 0.1,
    "books": 0.1,
    "books5": 0.1,
    "bbo-tbt": 0.01,
    "mark-price": 0.2,
    "price-limit": 0.2,
}
_KEEPALIVE_S = 60.0
_FORMING_S = 1.0


@dataclass(slots=True)
class BookStream:
    """The `books` channel of one instrument: the levels last sent, and their sequence number."""

    seq: int = -1
    sent_at: float = 0.0
    asks: dict[str, list[str]] = field(default_factory=dict)
    bids: dict[str, list[str]] = field(default_factory=dict)


@dataclass(slots=True)
class CandleStream:
    """A candle channel of one instrument: the bar last shown."""

    bar: Bar
    start_ms: int
    row: list[str] | None = None
    sent_at: float = 0.0


class MarketPush:
    """Remembers what was sent last, so that only changes go out."""

    def __init__(self, exchange: PaperExchange, hub: Hub) -> None:
        self._exchange = exchange
        self._hub = hub
        self._books: dict[str, BookStream] = {}
        self._candles: dict[tuple[str, str], CandleStream] = {}
        self._versions: dict[tuple[str, str], int] = {}
        self._due: dict[str, float] = {}

    def greet(self, connection: Connection, subscription: Subscription) -> None:
        """First push of a subscription: what is true now."""
        item = subscription.instrument
        channel = subscription.channel
        if channel == "instruments":
            kind = subscription.says("instType")
            rows = [
                instrument_row(one) for one in self._exchange.instruments.values() if one.inst_type == kind
            ]
            payload = _encode(rows)[1:-1]
        elif item is None or channel in ("trades", "trades-all", "status"):
            return
        elif channel == "books":
            connection.send(public_frame(subscription, self._book_snapshot(item), "snapshot"))
            return
        elif subscription.bar is not None:
            payload = self._greet_candle(item, subscription.bar)
        else:
            payload = self._current(channel, item)
        connection.send(public_frame(subscription, payload))

    def flush(self, *, force: bool) -> None:
        """Push what changed and is due; `force` ignores the cadence (a stepped market)."""
        now = time.monotonic()
        for channel, cadence in _CADENCE_S.items():
            if not force and now < self._due.get(channel, 0.0):
                continue
            self._due[channel] = now + cadence
            for inst_id in self._hub.listened(channel):
                self._flush_channel(channel, self._exchange.instruments[inst_id], now)
        self._flush_candles(now, force)

    def _flush_channel(self, channel: str, item: Instrument, now: float) -> None:
        version = self._exchange.floor.books[item.inst_id].version
        key = (channel, item.inst_id)
        changed = self._versions.get(key) != version
        self._versions[key] = version
        if channel == "books":
            self._push_book(item, now, changed=changed)
        elif changed:
            self._hub.push_public(channel, item.inst_id, self._current(channel, item))

    def _current(self, channel: str, item: Instrument) -> bytes:
        exchange = self._exchange
        now_ms = exchange.now_ms
        if channel == "tickers":
            kept = exchange.trades[item.inst_id]
            history = exchange.strands[item.inst_id].history
            book = exchange.floor.books[item.inst_id]
            return _encode(ticker_row(history, book, kept[-1] if kept else None, now_ms))
        if channel == "mark-price":
            return _encode(mark_row(item, exchange.marks[item.inst_id], now_ms))
        if channel == "funding-rate":
            return _encode(funding_row(item, now_ms, exchange.config.funding_rate))
        if channel == "index-tickers":
            price = text(watched_price(exchange.marks, item, "index"))
            return _encode({"instId": item.underlying, "idxPx": price, "ts": str(now_ms)})
        if channel == "price-limit":
            highest, lowest = band(item, exchange.marks[item.inst_id])
            limits = {"buyLmt": text(item.price(highest)), "sellLmt": text(item.price(lowest))}
            return _encode({"instId": item.inst_id, **limits, "ts": str(now_ms), "enabled": True})
        return self._depth(item, 1 if channel == "bbo-tbt" else 5)

    def _depth(self, item: Instrument, limit: int) -> bytes:
        book = self._exchange.floor.books[item.inst_id]
        return _encode(
            {
                "asks": depth_rows(book, ask=True, limit=limit),
                "bids": depth_rows(book, ask=False, limit=limit),
                "instId": item.inst_id,
                "ts": str(self._exchange.now_ms),
                "seqId": book.version,
            }
        )

    def _book_snapshot(self, item: Instrument) -> bytes:
        stream = self._books.get(item.inst_id)
        if stream is None or not self._hub.public.get(("books", item.inst_id)):
            stream = self._books[item.inst_id] = BookStream()
        if stream.seq < 0:
            book = self._exchange.floor.books[item.inst_id]
            stream.asks, stream.bids = self._levels(item)
            stream.seq = book.version
            self._versions[("books", item.inst_id)] = book.version
        return self._book_payload(list(stream.asks.values()), list(stream.bids.values()), -1, stream.seq)

    def _push_book(self, item: Instrument, now: float, *, changed: bool) -> None:
        stream = self._books[item.inst_id]
        if not changed:
            if now - stream.sent_at >= _KEEPALIVE_S:
                stream.sent_at = now
                idle = self._book_payload([], [], stream.seq, stream.seq)
                self._hub.push_public("books", item.inst_id, idle, action="update")
            return
        asks, bids = self._levels(item)
        seq = self._exchange.floor.books[item.inst_id].version
        payload = self._book_payload(_delta(stream.asks, asks), _delta(stream.bids, bids), stream.seq, seq)
        stream.asks, stream.bids, stream.seq, stream.sent_at = asks, bids, seq, now
        self._hub.push_public("books", item.inst_id, payload, action="update")

    def _levels(self, item: Instrument) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        book = self._exchange.floor.books[item.inst_id]
        asks = depth_rows(book, ask=True, limit=_DEPTH)
        bids = depth_rows(book, ask=False, limit=_DEPTH)
        return {row[0]: row for row in asks}, {row[0]: row for row in bids}

    def _book_payload(self, asks: Levels, bids: Levels, previous: int, seq: int) -> bytes:
        """OKX v5: the checksum is fixed at 0 since June 2026."""
        return _encode(
            {
                "asks": asks,
                "bids": bids,
                "ts": str(self._exchange.now_ms),
                "checksum": 0,
                "prevSeqId": previous,
                "seqId": seq,
            }
        )

    def _greet_candle(self, item: Instrument, bar: Bar) -> bytes:
        now_ms = self._exchange.now_ms
        key = (f"candle{bar.name}", item.inst_id)
        start_ms = bar.start_of(now_ms)
        if key not in self._candles or not self._hub.public.get(key):
            self._candles[key] = CandleStream(bar, start_ms)
        row = self._row(item, bar, self._candles[key].start_ms)
        return b"" if row is None else _encode(row)

    def _flush_candles(self, now: float, force: bool) -> None:
        for (channel, inst_id), stream in list(self._candles.items()):
            if not self._hub.public.get((channel, inst_id)):
                del self._candles[(channel, inst_id)]
                continue
            self._flush_stream(channel, self._exchange.instruments[inst_id], stream, now, force)

    def _flush_stream(
        self, channel: str, item: Instrument, stream: CandleStream, now: float, force: bool
    ) -> None:
        """Every bar that closed is pushed with confirm 1; the forming one at most once a second."""
        now_ms = self._exchange.now_ms
        while stream.bar.end_of(stream.start_ms) <= now_ms:
            self._push_row(channel, item, self._row(item, stream.bar, stream.start_ms))
            stream.start_ms = stream.bar.end_of(stream.start_ms)
            stream.row = None
        if not force and now - stream.sent_at < _FORMING_S:
            return
        row = self._row(item, stream.bar, stream.start_ms)
        if row is not None and row != stream.row:
            stream.row, stream.sent_at = row, now
            self._push_row(channel, item, row)

    def _push_row(self, channel: str, item: Instrument, row: list[str] | None) -> None:
        if row is not None:
            self._hub.push_public(channel, item.inst_id, _encode(row))

    def _row(self, item: Instrument, bar: Bar, start_ms: int) -> list[str] | None:
        now_ms = self._exchange.now_ms
        candle = self._exchange.strands[item.inst_id].history.bar_at(bar, start_ms, now_ms)
        return None if candle is None else candle_row(item, candle, closed=bar.end_of(start_ms) <= now_ms)


def _delta(before: dict[str, list[str]], after: dict[str, list[str]]) -> Levels:
    """Levels that changed; a level that is gone has size 0."""
    changes = [row for price, row in after.items() if before.get(price) != row]
    changes.extend([price, "0", "0", "0"] for price in before if price not in after)
    return changes
