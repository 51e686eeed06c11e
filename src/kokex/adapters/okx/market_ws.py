"""`OKXMarketWebSocket`: candles over the business socket; prices, trades, mark prices and the top of the book over the public one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

import msgspec

from kokex.adapters.okx.connection import Connection
from kokex.adapters.okx.connection_setting import ConnectionSetting
from kokex.adapters.okx.parse.market import (
    parse_book_top,
    parse_candle,
    parse_mark_price,
    parse_ticker,
    parse_trade,
)
from kokex.adapters.okx.parse.scalars import interval_of, kind_of
from kokex.adapters.okx.stream_status import StreamStatus
from kokex.adapters.okx.wire import Argument, Frame
from kokex.adapters.okx.wishes import Channel
from kokex.domain.candle import Interval
from kokex.domain.errors import DataError
from kokex.ports.exchange import MarketStreamListener

_CANDLE = "candle"
_TICKERS = "tickers"
_TRADES = "trades"
_BOOK_TOP = "bbo-tbt"
_MARK_PRICE = "mark-price"


class OKXMarketWebSocket:
    """Public data of one environment; see `kokex.ports.exchange.MarketStream`. Each socket is open while it is of use."""

    def __init__(
        self, public: ConnectionSetting, business: ConnectionSetting, listener: MarketStreamListener
    ) -> None:
        self._listener = listener
        self._public = _MarketConnection(public, listener, self._on_price)
        self._business = _MarketConnection(business, listener, self._on_candle)

    @property
    def status(self) -> dict[str, StreamStatus]:
        """Of each socket: `public` (tickers, trades, top of the book, mark prices) and `business` (candles)."""
        return {"public": self._public.connection.status, "business": self._business.connection.status}

    def subscribe_candles(self, inst_id: str, interval: Interval) -> None:
        """Want candles, now and after every reconnect."""
        self._business.connection.want(_candle_channel(inst_id, interval))

    def unsubscribe_candles(self, inst_id: str, interval: Interval) -> None:
        """Want them no longer."""
        self._business.connection.unwant(_candle_channel(inst_id, interval))

    def subscribe_ticker(self, inst_id: str) -> None:
        """Want last prices, now and after every reconnect."""
        self._public.connection.want(Channel(_TICKERS, inst_id))

    def unsubscribe_ticker(self, inst_id: str) -> None:
        """Want them no longer."""
        self._public.connection.unwant(Channel(_TICKERS, inst_id))

    def subscribe_trades(self, inst_id: str) -> None:
        """Want public trades, now and after every reconnect."""
        self._public.connection.want(Channel(_TRADES, inst_id))

    def unsubscribe_trades(self, inst_id: str) -> None:
        """Want them no longer."""
        self._public.connection.unwant(Channel(_TRADES, inst_id))

    def subscribe_book_top(self, inst_id: str) -> None:
        """Want the best bid and ask, now and after every reconnect."""
        self._public.connection.want(Channel(_BOOK_TOP, inst_id))

    def unsubscribe_book_top(self, inst_id: str) -> None:
        """Want them no longer."""
        self._public.connection.unwant(Channel(_BOOK_TOP, inst_id))

    def subscribe_mark_price(self, inst_id: str) -> None:
        """Want mark prices, now and after every reconnect."""
        self._public.connection.want(Channel(_MARK_PRICE, inst_id))

    def unsubscribe_mark_price(self, inst_id: str) -> None:
        """Want them no longer."""
        self._public.connection.unwant(Channel(_MARK_PRICE, inst_id))

    async def run(self) -> None:
        """Connect, subscribe, receive, reconnect; until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._public.connection.run())
            group.create_task(self._business.connection.run())

    def _on_price(self, arg: Argument, item: msgspec.Raw) -> None:
        if arg.channel == _TRADES:
            self._listener.on_trades([parse_trade(item)])
        elif arg.channel == _BOOK_TOP:
            self._listener.on_book_top(parse_book_top(item, arg.inst_id or ""))
        elif arg.channel == _MARK_PRICE:
            self._listener.on_mark_price(parse_mark_price(item))
        else:
            self._listener.on_ticker(parse_ticker(item))

    def _on_candle(self, arg: Argument, item: msgspec.Raw) -> None:
        inst_id = arg.inst_id or ""
        interval = interval_of((arg.channel or "").removeprefix(_CANDLE))
        self._listener.on_candle(inst_id, interval, parse_candle(item, kind_of(inst_id)))


class _MarketConnection:
    """One of the two sockets and what it does with its pushes."""

    def __init__(
        self,
        setting: ConnectionSetting,
        listener: MarketStreamListener,
        handle: Callable[[Argument, msgspec.Raw], None],
    ) -> None:
        self._listener = listener
        self._handle = handle
        self.connection = Connection(setting, self)

    def on_push(self, frame: Frame, received_at: datetime) -> bool:
        """Prices are never held back: a newer one follows."""
        assert frame.arg is not None
        for item in frame.data or ():
            try:
                self._handle(frame.arg, item)
            except DataError as error:
                self.connection.status.keep_malformed(bytes(item), str(error), received_at)
            else:
                self.connection.status.count_events(1, received_at)
        return True

    async def room(self) -> None:
        """There is always room."""

    def on_flaw(self, reason: str) -> None:
        """A newer push follows, and the next candle shows whether one is missing; the status keeps it."""

    def on_refused(self, channel: Channel, reason: str) -> None:
        """The log tells; there is no such instrument, or no such channel here."""

    def on_ready(self) -> None:
        """All channels are open."""
        self._listener.on_market_subscribed()

    def on_dropped(self, channel: str, reason: str) -> None:
        """They are asked for again, and `on_ready` tells when they are back."""

    def on_lost(self, reason: str) -> None:
        """A new connection is on its way; the status tells."""


def _candle_channel(inst_id: str, interval: Interval) -> Channel:
    return Channel(f"{_CANDLE}{interval}", inst_id)
