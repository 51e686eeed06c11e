"""What leaves a WebSocket under each fault, as a raw client sees it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from kokex.paper import PaperServer
from kokex.paper.config import DEFAULT_ACCOUNT
from tests.integration.paper.client import SPOT, Message, RestClient, SocketClient, connect, rest, trading

QUICK_S = 0.15
"""Long enough for a frame over loopback, where its absence is to be seen."""


@asynccontextmanager
async def both(server: PaperServer) -> AsyncIterator[tuple[RestClient, SocketClient]]:
    """A REST client, and a private socket that hears of orders."""
    async with rest(server) as client, trading(server) as socket:
        yield client, socket


async def bid(client: RestClient, server: PaperServer, name: str) -> None:
    """A resting order: one push."""
    await client.place(sz="0.1", px=str(server.exchange.marks[SPOT] / 2), clOrdId=name)


async def orders_heard(socket: SocketClient) -> list[str]:
    """Client order ids of all order pushes, in order, once the socket has answered a ping behind them."""
    await socket.socket.send_str("ping")
    async with asyncio.timeout(60):
        while "pong" not in socket.received[-1:]:
            message = await socket.socket.receive()
            assert message.type is aiohttp.WSMsgType.TEXT, message
            try:
                socket.received.append("pong" if message.data == "pong" else json.loads(message.data))
            except json.JSONDecodeError:
                socket.received.append(message.data)
    pushes = [one for one in socket.received if isinstance(one, dict) and "data" in one]
    return [item["clOrdId"] for push in pushes for item in push["data"]]


async def everything(socket: SocketClient) -> list[str]:
    """Texts that arrive within a short while."""
    heard: list[str] = []
    try:
        async with asyncio.timeout(QUICK_S):
            while True:
                heard.append(str((await socket.socket.receive()).data))
    except TimeoutError:
        return heard


def struck(server: PaperServer, kind: str) -> list[dict[str, Any]]:
    return [strike.to_mapping() for strike in server.faults.strikes(kind)]


async def test_nothing_goes_wrong_unarmed(server: PaperServer) -> None:
    """Every push once, in order."""
    async with both(server) as (client, socket):
        for name in ("a", "b", "c"):
            await bid(client, server, name)
        assert await orders_heard(socket) == ["a", "b", "c"]
        assert server.faults.record.total == 0


@pytest.mark.parametrize(
    ("kind", "heard"),
    [
        ("drop_frame", ["a", "c"]),
        ("duplicate_frame", ["a", "b", "b", "c"]),
        ("reorder_frame", ["a", "c", "b"]),
        ("truncate_frame", ["a", "c"]),
        ("malformed_frame", ["a", "b", "c"]),
    ],
)
async def test_the_second_order_frame_is_struck(server: PaperServer, kind: str, heard: list[str]) -> None:
    """Lost, doubled, out of order, cut in half, or led by garbage; the record says what it was."""
    async with both(server) as (client, socket):
        server.faults.arm(kind, channel="orders", nth=2)
        for name in ("a", "b", "c"):
            await bid(client, server, name)
        assert await orders_heard(socket) == heard
        broken = [one for one in socket.received if isinstance(one, str) and one != "pong"]
        assert len(broken) == (1 if kind in ("truncate_frame", "malformed_frame") else 0)
        [strike] = struck(server, kind)
        assert (strike["path"], strike["channel"], strike["inst_id"]) == ("private", "orders", SPOT)
        assert strike["account"] in server.exchange.accounts
        assert len(server.exchange.records.events[strike["account"]]) == 3


async def test_a_frame_out_of_order_leaves_even_where_none_follows(server: PaperServer) -> None:
    """After its seconds."""
    async with both(server) as (client, socket):
        server.faults.arm("reorder_frame", channel="orders", seconds=0.05)
        await bid(client, server, "a")
        late = await socket.push("orders")
        assert [item["clOrdId"] for item in late["data"]] == ["a"]
        assert len(struck(server, "reorder_frame")) == 1


async def test_a_delayed_frame_holds_up_those_behind_it(server: PaperServer) -> None:
    """Order is kept; nothing leaves before its time."""
    async with both(server) as (client, socket):
        server.faults.arm("delay_frame", channel="orders", seconds=QUICK_S)
        began = time.monotonic()
        await bid(client, server, "a")
        await bid(client, server, "b")
        assert await orders_heard(socket) == ["a", "b"]
        assert time.monotonic() - began >= QUICK_S


async def test_other_channels_are_left_alone(server: PaperServer) -> None:
    """A fault of one channel does not strike another."""
    async with rest(server) as client, connect(server, "private") as socket:
        await socket.login()
        await socket.subscribe({"channel": "orders", "instType": "ANY"}, {"channel": "account"})
        server.faults.arm("drop_frame", channel="account", count=100)
        await bid(client, server, "a")
        await socket.push("orders")
        await bid(client, server, "b")
        await socket.push("orders")
        assert not any(
            one.get("arg", {}).get("channel") == "account" and one.get("eventType") == "event_update"
            for one in socket.received
            if isinstance(one, dict)
        )


@pytest.mark.parametrize("kind", ["stall", "stall_with_pongs"])
async def test_a_stalled_socket_stays_open_and_says_nothing(server: PaperServer, kind: str) -> None:
    """Pings are answered by one kind only; a new connection works; the orders lived on."""
    async with both(server) as (client, socket):
        await socket.next(lambda message: message.get("event") == "channel-conn-count")
        server.faults.arm(kind, channel="orders")
        await bid(client, server, "a")
        await bid(client, server, "b")
        await socket.socket.send_str("ping")
        await socket.send(op="subscribe", args=[{"channel": "account"}])
        heard = await everything(socket)
        assert heard == (["pong"] if kind == "stall_with_pongs" else [])
        assert not socket.socket.closed
        async with trading(server) as other:
            await bid(client, server, "c")
            await other.push("orders", lambda item: item["clOrdId"] == "c")
        assert len(await client.get("trade/orders-pending")) == 3


@pytest.mark.parametrize("kind", ["stall", "stall_with_pongs"])
async def test_a_protocol_s_own_ping_fares_like_the_bare_text(server: PaperServer, kind: str) -> None:
    """Answered always, but for a server that has gone deaf."""
    async with (
        rest(server) as client,
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{server.ws_url}/ws/v5/private", autoping=False) as bare,
    ):
        await bare.ping(b"before")
        answer = await bare.receive()
        assert (answer.type, bytes(answer.data)) == (aiohttp.WSMsgType.PONG, b"before")
        socket = SocketClient(bare)
        await socket.login()
        await socket.subscribe({"channel": "orders", "instType": "ANY"})
        await socket.next(lambda message: message.get("event") == "channel-conn-count")
        server.faults.arm(kind, channel="orders")
        await bid(client, server, "a")
        await bare.ping(b"after")
        heard = await everything(socket)
        assert len(heard) == (1 if kind == "stall_with_pongs" else 0)


async def test_a_stall_may_pass(server: PaperServer) -> None:
    """What was to leave meanwhile is lost; what comes later is heard."""
    async with both(server) as (client, socket):
        server.faults.arm("stall", channel="orders", seconds=QUICK_S)
        await bid(client, server, "a")
        await bid(client, server, "b")
        await asyncio.sleep(QUICK_S)
        await bid(client, server, "c")
        assert await orders_heard(socket) == ["c"]


@pytest.mark.parametrize(("kind", "code"), [("cut_socket", 1006), ("close_socket", 4006)])
async def test_a_socket_is_dropped(server: PaperServer, kind: str, code: int) -> None:
    """Without and with a close frame; only the connection that was struck."""
    async with both(server) as (client, socket), connect(server, "public") as other:
        await other.subscribe({"channel": "tickers", "instId": SPOT})
        server.faults.arm(kind, channel="orders")
        await bid(client, server, "a")
        assert await socket.closed() == code
        await other.socket.send_str("ping")
        await other.socket.receive()
        assert not other.socket.closed


async def test_a_restart_is_announced_and_then_done(server: PaperServer) -> None:
    """64008, and some time later the close."""
    async with both(server) as (client, socket):
        server.faults.arm("restart_notice", channel="orders", seconds=QUICK_S)
        began = time.monotonic()
        await bid(client, server, "a")
        notice = await socket.next(lambda message: message.get("event") == "notice")
        assert notice["code"] == "64008"
        await bid(client, server, "b")
        await socket.push("orders", lambda item: item["clOrdId"] == "b")
        assert await socket.closed() == 1001
        assert time.monotonic() - began >= QUICK_S


@pytest.mark.parametrize("code", ["60009", "63999"])
async def test_a_login_is_refused_so_many_times(server: PaperServer, code: str) -> None:
    """With the code that was asked for and close 4001, then it works."""
    server.faults.arm("refuse_login", count=2, code=code)
    for _ in range(2):
        async with connect(server, "private") as socket:
            answer = await socket.login()
            assert (answer["event"], answer["code"]) == ("error", code)
            assert await socket.closed() == 4001
    async with trading(server):
        pass


async def test_a_channel_is_full(server: PaperServer) -> None:
    """Acknowledged first, then dead; the next subscription lives."""
    server.faults.arm("channel_full", channel="orders")
    async with rest(server) as client, connect(server, "private") as socket:
        await socket.login()
        await socket.subscribe({"channel": "orders", "instType": "ANY"})
        answer = await socket.next(lambda message: "channel-conn-count" in str(message.get("event")))
        assert (answer["event"], answer["connCount"]) == ("channel-conn-count-error", "30")
        await bid(client, server, "a")
        assert await orders_heard(socket) == []
        await socket.subscribe({"channel": "orders", "instType": "ANY"})
        await bid(client, server, "b")
        assert (await socket.push("orders"))["data"][0]["clOrdId"] == "b"


async def test_an_order_push_is_repeated_with_a_later_time(server: PaperServer) -> None:
    """For every listener alike."""
    async with both(server) as (client, socket), trading(server) as other:
        server.faults.arm("duplicate_push")
        await bid(client, server, "a")
        for one in (socket, other):
            times = [int((await one.push("orders"))["data"][0]["uTime"]) for _ in range(2)]
            assert times[1] == times[0] + 1


async def test_a_full_fill_without_a_trade_id(server: PaperServer) -> None:
    """The push knows neither trade nor size, only the total; the fills list knows both."""
    async with both(server) as (client, socket):
        server.faults.arm("fill_without_trade_id")
        await client.place(ordType="market", sz="100", clOrdId="m")
        [item] = (await socket.push("orders", lambda item: item["state"] == "filled"))["data"]
        assert (item["tradeId"], item["fillSz"]) == ("", "0")
        assert float(item["accFillSz"]) > 0
        assert float(item["fee"]) < 0
        [fill] = await client.get(f"trade/fills?ordId={item['ordId']}")
        assert fill["tradeId"]


async def candles(server: PaperServer, socket: SocketClient) -> None:
    await socket.subscribe({"channel": "candle1H", "instId": SPOT})


def rows_of(socket: SocketClient) -> list[tuple[str, str]]:
    """(start, confirm) of every candle row heard."""
    pushes = [one for one in socket.received if isinstance(one, dict) and "data" in one]
    return [(row[0], row[-1]) for push in pushes for row in push["data"]]


async def step(client: RestClient, number: int = 1) -> None:
    await client.admin("POST", "clock", {"step_candles": number})


async def confirmed(socket: SocketClient, wanted: str) -> Message:
    return await socket.next(
        lambda message: (
            "data" in message and any(row[0] == wanted and row[-1] == "1" for row in message["data"])
        )
    )


async def test_a_candle_is_never_shown(server: PaperServer) -> None:
    """Neither forming nor closed; REST has it."""
    start = server.exchange.now_ms // 3_600_000 * 3_600_000
    async with rest(server) as client, connect(server, "business") as socket:
        await candles(server, socket)
        server.faults.arm("candle_gap", channel="candle1H", nth=2)
        await step(client, 3)
        await confirmed(socket, str(start + 2 * 3_600_000))
        closed = [row[0] for row in rows_of(socket) if row[1] == "1"]
        hidden = str(start + 3_600_000) if str(start) in closed else str(start)
        assert hidden not in [row[0] for row in rows_of(socket)]
        listed = await client.get(f"market/candles?instId={SPOT}&bar=1H&limit=5")
        assert hidden in [row[0] for row in listed]
        await step(client)
        await confirmed(socket, str(start + 3 * 3_600_000))
        assert len(struck(server, "candle_gap")) == 1


async def test_a_candle_is_confirmed_late(server: PaperServer) -> None:
    """Behind rows of the next one, and only once."""
    start = server.exchange.now_ms // 3_600_000 * 3_600_000
    async with rest(server) as client, connect(server, "business") as socket:
        await candles(server, socket)
        server.faults.arm("late_confirm", seconds=QUICK_S)
        await step(client)
        await confirmed(socket, str(start))
        rows = rows_of(socket)
        assert rows.index((str(start), "1")) > rows.index((str(start + 3_600_000), "0"))
        await step(client)
        await confirmed(socket, str(start + 3_600_000))


async def test_faults_of_one_account_leave_others_alone(server: PaperServer) -> None:
    """Named by uid or by key."""
    async with rest(server) as client, trading(server) as socket:
        server.faults.arm("drop_frame", account="somebody-else", count=9)
        server.faults.arm("duplicate_frame", account=DEFAULT_ACCOUNT.api_key, channel="orders")
        await bid(client, server, "a")
        assert await orders_heard(socket) == ["a", "a"]
