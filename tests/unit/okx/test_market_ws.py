"""The market streams: candles over one socket, prices over the other."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from kokex.adapters.okx.market_ws import OKXMarketWebSocket
from kokex.domain.candle import Interval
from kokex.domain.instrument import Side
from kokex.domain.market import BookTop, MarkPrice, Trade
from tests.unit.okx.okx_fakes import (
    RememberingListener,
    SkippingClock,
    SocketServer,
    connection_setting,
    payload,
    socket_server,
    until,
)


async def streaming(public: SocketServer, business: SocketServer, act: Any) -> RememberingListener:
    """Run a market stream on both servers while `act(stream, listener)` plays."""
    listener = RememberingListener()
    clock = SkippingClock(longest=1.0)
    stream = OKXMarketWebSocket(
        connection_setting(public.url, clock), connection_setting(business.url, clock), listener
    )
    running = asyncio.create_task(stream.run())
    try:
        await act(stream, listener)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
    return listener


async def test_each_channel_goes_over_its_own_socket_and_back_to_the_listener() -> None:
    """Tickers are public, candles business; days are UTC days; no login on either."""

    async def act(stream: OKXMarketWebSocket, listener: RememberingListener) -> None:
        stream.subscribe_ticker("ETH-USDT")
        stream.subscribe_candles("ETH-USDT", Interval("1Dutc"))
        await until(lambda: listener.count("market subscribed") == 2)
        assert public.received == [
            [{"id": "s1", "op": "subscribe", "args": [{"channel": "tickers", "instId": "ETH-USDT"}]}]
        ]
        assert business.subscribed() == [{"channel": "candle1Dutc", "instId": "ETH-USDT"}]
        await public.push(payload("ws_ticker_one_sided.json"))
        await business.push(payload("ws_candle.json"))
        await until(lambda: bool(listener.tickers) and bool(listener.candles))
        inst_id, interval, candle = listener.candles[0]
        assert (inst_id, interval, candle.closed, candle.close) == (
            "ETH-USDT",
            Interval("1Dutc"),
            True,
            2001.0,
        )
        assert listener.tickers[0].ask is None
        assert stream.status["public"].events == stream.status["business"].events == 1

    async with socket_server() as public, socket_server() as business:
        await streaming(public, business, act)


async def test_trades_and_the_top_of_the_book_come_as_values() -> None:
    """Over the public socket, with what is wanted of them and no more."""

    async def act(stream: OKXMarketWebSocket, listener: RememberingListener) -> None:
        stream.subscribe_trades("ETH-USDT")
        stream.subscribe_book_top("BTC-USDT")
        await until(lambda: len(public.subscribed()) == 2)
        assert {one["channel"] for one in public.subscribed()} == {"trades", "bbo-tbt"}
        await public.push(payload("ws_trades.json"), payload("ws_book_top.json"))
        await until(lambda: bool(listener.trades) and bool(listener.tops))
        assert listener.trades == [
            Trade("ETH-USDT", "130639474", Decimal("2219.9"), Decimal("0.12060306"), Side.BUY, moment, 3)
        ]
        assert listener.tops == [BookTop("BTC-USDT", Decimal("8476.97"), Decimal("256"), None, None, moment)]
        stream.unsubscribe_trades("ETH-USDT")
        await until(lambda: public.received[-1][-1]["op"] == "unsubscribe")
        stream.unsubscribe_book_top("BTC-USDT")
        await until(lambda: public.sockets[-1].closed)

    moment = datetime(2026, 11, 22, 10, 0, 0, 125000, tzinfo=UTC)
    async with socket_server() as public, socket_server() as business:
        await streaming(public, business, act)


async def test_mark_prices_come_as_values() -> None:
    """Over the public socket. OKX v5: `markPx` and `ts`, with the instrument's name in the item."""
    item = {"instType": "SWAP", "instId": "ETH-USDT-SWAP", "markPx": "2000.55", "ts": "1795341600125"}
    frame = {"arg": {"channel": "mark-price", "instId": "ETH-USDT-SWAP"}, "data": [item]}

    async def act(stream: OKXMarketWebSocket, listener: RememberingListener) -> None:
        stream.subscribe_mark_price("ETH-USDT-SWAP")
        await until(lambda: public.subscribed() == [frame["arg"]])
        await public.push(frame)
        await until(lambda: bool(listener.marks))
        moment = datetime.fromtimestamp(1795341600.125, UTC)
        assert listener.marks == [MarkPrice("ETH-USDT-SWAP", Decimal("2000.55"), moment)]
        stream.unsubscribe_mark_price("ETH-USDT-SWAP")
        await until(lambda: public.sockets[-1].closed)

    async with socket_server() as public, socket_server() as business:
        await streaming(public, business, act)


async def test_a_socket_that_nothing_is_wanted_of_stays_closed() -> None:
    """Candles alone open the business socket alone."""

    async def act(stream: OKXMarketWebSocket, listener: RememberingListener) -> None:
        stream.subscribe_candles("ETH-USDT", Interval("1H"))
        await until(lambda: listener.count("market subscribed") == 1)
        assert public.attempts == 0
        stream.subscribe_ticker("ETH-USDT")
        await until(lambda: public.attempts == 1)

    async with socket_server() as public, socket_server() as business:
        await streaming(public, business, act)


async def test_a_reconnect_subscribes_again_and_tells_that_candles_may_be_missing() -> None:
    """Also after 64008, and with what is wanted then."""

    async def act(stream: OKXMarketWebSocket, listener: RememberingListener) -> None:
        stream.subscribe_candles("ETH-USDT", Interval("1H"))
        stream.subscribe_candles("BTC-USDT-SWAP", Interval("5m"))
        await until(lambda: listener.count("market subscribed") >= 1 and len(business.subscribed()) == 2)
        stream.unsubscribe_candles("ETH-USDT", Interval("1H"))
        await until(lambda: business.received[-1][-1]["op"] == "unsubscribe")
        before = listener.count("market subscribed")
        business.cut()
        await until(lambda: listener.count("market subscribed") == before + 1)
        assert business.subscribed() == [{"channel": "candle5m", "instId": "BTC-USDT-SWAP"}]
        assert stream.status["business"].reconnects == 1

    async with socket_server() as public, socket_server() as business:
        await streaming(public, business, act)


async def test_a_bad_candle_harms_only_itself() -> None:
    """Of a channel that is not ours, with too few values, with a word for a number."""

    async def act(stream: OKXMarketWebSocket, listener: RememberingListener) -> None:
        stream.subscribe_candles("ETH-USDT", Interval("1Dutc"))
        await until(lambda: listener.count("market subscribed") == 1)
        good = payload("ws_candle.json")
        row = good["data"][0]
        foreign = {**good, "arg": {"channel": "candle7D", "instId": "ETH-USDT"}}
        batch = {**good, "data": [row[:6], ["x", *row[1:]], row]}
        await business.push(foreign, batch)
        await until(lambda: len(listener.candles) == 1)
        assert stream.status["business"].malformed_count == 3

    async with socket_server() as public, socket_server() as business:
        await streaming(public, business, act)
