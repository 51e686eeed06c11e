"""The WebSocket face: paths, login, acknowledgements, pushes, connection rules."""

from __future__ import annotations

import asyncio
import time
from decimal import Decimal
from typing import Any

import pytest

from kokex.paper import PaperConfig, PaperServer
from kokex.paper.config import DEFAULT_ACCOUNT
from tests.integration.paper.client import SPOT, SWAP, SocketClient, connect, rest, trading

ORDERS = {"channel": "orders", "instType": "ANY"}


async def uid(server: PaperServer) -> str:
    [only] = server.exchange.accounts
    return only


async def test_ping_is_answered_with_bare_text(server: PaperServer) -> None:
    """Not JSON, on every path."""
    for path in ("public", "private", "business"):
        async with connect(server, path) as socket:
            await socket.socket.send_str("ping")
            assert (await socket.socket.receive(timeout=5)).data == "pong"


async def test_unknown_query_parameters_are_ignored(server: PaperServer) -> None:
    """Old clients append brokerId."""
    async with connect(server, "public?brokerId=9999") as socket:
        await socket.subscribe({"channel": "tickers", "instId": SPOT})
        assert (await socket.push("tickers"))["arg"]["instId"] == SPOT


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"apiKey": ""}, "60005"),
        ({"timestamp": "soon"}, "60004"),
        ({"timestamp": "1700000000"}, "60006"),
        ({"sign": "c2lnbg=="}, "60007"),
        ({"passphrase": "wrong"}, "60024"),
        ({"apiKey": "nobody"}, "60032"),
    ],
)
async def test_a_failed_login_says_why_and_closes(
    server: PaperServer, changes: dict[str, Any], code: str
) -> None:
    """The error event, then close code 4001."""
    async with connect(server, "private") as socket:
        answer = await socket.login(**changes)
        assert (answer["event"], answer["code"]) == ("error", code)
        assert await socket.closed() == 4001


async def test_login_takes_seconds_as_number_or_text_and_only_once(server: PaperServer) -> None:
    """A second login on a connection is 60031."""
    async with connect(server, "private") as socket:
        answer = await socket.login(timestamp=int(time.time()))
        assert (answer["event"], answer["code"], answer["msg"]) == ("login", "0", "")
        assert (await socket.login())["code"] == "60031"


async def test_channels_belong_to_their_paths(server: PaperServer) -> None:
    """Wrong path or unknown channel: 60018; private without login: 60011; higher tiers: 64003."""
    cases = [
        ("public", {"channel": "candle1H", "instId": SPOT}, "60018"),
        ("business", {"channel": "tickers", "instId": SPOT}, "60018"),
        ("public", {"channel": "orders", "instType": "ANY"}, "60018"),
        ("public", {"channel": "tickers", "instId": "NO-SUCH"}, "60018"),
        ("public", {"channel": "funding-rate", "instId": SPOT}, "60018"),
        ("business", {"channel": "candle7m", "instId": SPOT}, "60018"),
        ("private", ORDERS, "60011"),
        ("public", {"channel": "books-l2-tbt", "instId": SPOT}, "64003"),
    ]
    for path, arg, code in cases:
        async with connect(server, path) as socket:
            await socket.send(id="7", op="subscribe", args=[arg])
            answer = await socket.next()
            assert (answer["event"], answer["code"], answer["id"]) == ("error", code, "7")
    async with connect(server, "private") as socket:
        await socket.login()
        await socket.send(op="subscribe", args=[{"channel": "positions", "instType": "SPOT"}])
        assert (await socket.next())["code"] == "60018"
        await socket.send(op="subscribe", args=[{"channel": "orders"}])
        assert (await socket.next())["code"] == "60018"


async def test_requests_that_make_no_sense(server: PaperServer) -> None:
    """60012 with an echo, and the connection lives on."""
    async with connect(server, "public") as socket:
        await socket.socket.send_str("{not json")
        assert (await socket.next())["code"] == "60012"
        await socket.send(op="dance", args=[])
        answer = await socket.next()
        assert answer["code"] == "60012"
        assert "dance" in answer["msg"]
        await socket.send(op="subscribe", args="tickers")
        assert (await socket.next())["code"] == "60012"
        await socket.subscribe({"channel": "tickers", "instId": SPOT})


async def test_orders_has_no_snapshot_and_announces_its_connections(server: PaperServer) -> None:
    """The acknowledgement, the connection count as text, then nothing until something happens."""
    async with rest(server) as client, connect(server, "private") as socket:
        await client.place(sz="0.1", px=str(server.exchange.marks[SPOT] / 2))
        await socket.login()
        await socket.send(id="s1", op="subscribe", args=[ORDERS])
        answer = await socket.next()
        assert (answer["event"], answer["arg"], answer["id"]) == ("subscribe", ORDERS, "s1")
        count = await socket.next()
        assert (count["event"], count["channel"], count["connCount"]) == ("channel-conn-count", "orders", "1")
        assert count["connId"] == answer["connId"]
        with pytest.raises(TimeoutError):
            await socket.socket.receive(timeout=0.15)


async def test_pushes_carry_the_uid_and_the_acknowledgement_comes_first(server: PaperServer) -> None:
    """Answer, live, fills; the push names the account, which the subscription did not."""
    async with trading(server) as socket:
        code = server.exchange.instruments[SPOT].code
        order = {
            "instIdCode": code,
            "tdMode": "cash",
            "side": "buy",
            "ordType": "market",
            "sz": "100",
            "clOrdId": "a1",
        }
        await socket.send(id="o1", op="order", args=[order])
        answer = await socket.next(
            lambda message: "op" in message or ("arg" in message and "data" in message)
        )
        assert (answer["op"], answer["id"], answer["code"]) == ("order", "o1", "0")
        assert "event" not in answer
        live = await socket.push("orders")
        assert live["arg"] == {**ORDERS, "uid": await uid(server)}
        assert (live["data"][0]["state"], live["data"][0]["avgPx"]) == ("live", "0")
        filled = await socket.push("orders", lambda item: item["state"] == "filled")
        [item] = filled["data"]
        assert item["ordId"] == answer["data"][0]["ordId"]
        assert item["feeCcy"] == "ETH"
        assert Decimal(item["fee"]) == -Decimal(item["accFillSz"]) / 1000
        assert int(item["uTime"]) == int(item["fillTime"]) + 1


async def test_push_first_where_it_is_asked_for() -> None:
    """OKX promises no order between answer and push; the other one can be had."""
    config = PaperConfig(paused=True, ticks_per_candle=8, warmup_candles=2, ack_order="push_first")
    async with PaperServer(config) as server, trading(server) as socket:
        code = server.exchange.instruments[SPOT].code
        order = {"instIdCode": code, "tdMode": "cash", "side": "buy", "ordType": "market", "sz": "100"}
        await socket.send(id="o1", op="order", args=[order])
        first = await socket.next(lambda message: "data" in message)
        assert first["arg"]["channel"] == "orders"
        await socket.next(lambda message: message.get("op") == "order")


async def test_operations_need_an_instrument_code_an_id_and_a_login(server: PaperServer) -> None:
    """50014 item-level, 60013 and 60011 at the top; batches are answered item by item."""
    order = {"tdMode": "cash", "side": "buy", "ordType": "limit", "px": "2000", "sz": "0.1"}
    code = server.exchange.instruments[SPOT].code
    async with connect(server, "private") as socket:
        await socket.send(id="x", op="order", args=[order])
        assert (await socket.next())["code"] == "60011"
        await socket.login()
        await socket.send(id="x", op="order", args=[{**order, "instId": SPOT}])
        answer = await socket.next()
        assert (answer["code"], answer["data"][0]["sCode"], answer["data"][0]["ordId"]) == ("1", "50014", "")
        await socket.send(op="order", args=[{**order, "instIdCode": code}])
        answer = await socket.next()
        assert (answer["code"], answer["data"]) == ("60013", [])
        await socket.send(
            id="b", op="batch-orders", args=[{**order, "instIdCode": code}, {**order, "instIdCode": 1}]
        )
        answer = await socket.next()
        assert (answer["code"], [item["sCode"] for item in answer["data"]]) == ("2", ["0", "51001"])
        await socket.send(id="late", op="order", expTime="1000", args=[{**order, "instIdCode": code}])
        assert (await socket.next())["code"] == "50036"
    async with connect(server, "public") as socket:
        await socket.send(id="x", op="order", args=[{**order, "instIdCode": code}])
        assert (await socket.next())["code"] == "60028"


async def test_account_positions_and_balances_start_with_a_snapshot(server: PaperServer) -> None:
    """Snapshots first; then only what changed, with its event and its trade."""
    async with rest(server) as client, connect(server, "private") as socket:
        await socket.login()
        await socket.send(
            op="subscribe",
            args=[
                {"channel": "account"},
                {"channel": "positions", "instType": "ANY"},
                {"channel": "balance_and_position"},
            ],
        )
        account = await socket.push("account")
        assert (account["eventType"], account["curPage"], account["lastPage"]) == ("snapshot", 1, True)
        assert {row["ccy"] for row in account["data"][0]["details"]} == {"USDT", "ETH", "BTC"}
        positions = await socket.next(
            lambda message: message.get("arg", {}).get("channel") == "positions" and "data" in message
        )
        assert positions["data"] == []
        both = await socket.push("balance_and_position")
        assert both["data"][0]["eventType"] == "snapshot"
        await client.place(instId=SWAP, tdMode="cross", ordType="market", sz="2")
        change = await socket.push("balance_and_position")
        [row] = change["data"]
        assert row["eventType"] == "filled"
        assert [item["ccy"] for item in row["balData"]] == ["USDT"]
        assert (row["posData"][0]["pos"], row["trades"][0]["instId"]) == ("2", SWAP)
        update = await socket.push("account")
        assert update["eventType"] == "event_update"
        assert [item["ccy"] for item in update["data"][0]["details"]] == ["USDT"]
        opened = await socket.push("positions")
        assert (opened["eventType"], opened["data"][0]["pos"]) == ("event_update", "2")
        await client.call("POST", "trade/close-position", {"instId": SWAP, "mgnMode": "cross"})
        await socket.push("positions", lambda item: item["pos"] == "0")


async def test_market_channels_follow_the_steps(server: PaperServer) -> None:
    """Every closed candle with confirm 1, trades one by one, and books whose sequence never breaks."""
    async with (
        rest(server) as client,
        connect(server, "public") as socket,
        connect(server, "business") as candles,
    ):
        await socket.subscribe({"channel": "books", "instId": SPOT}, {"channel": "trades", "instId": SPOT})
        await candles.subscribe(
            {"channel": "candle1H", "instId": SPOT}, {"channel": "candle4H", "instId": SPOT}
        )
        await client.admin("POST", "clock", {"step_candles": 5})
        closed = []
        while len(closed) < 5:
            message = await candles.push("candle1H", lambda row: row[8] == "1")
            closed.append(int(message["data"][0][0]))
        start = server.exchange.feed.start_ms
        assert closed == [start + step * 3_600_000 for step in range(5)]
        four = await candles.push("candle4H", lambda row: row[8] == "1")
        rows = await client.get(f"market/history-candles?instId={SPOT}&bar=4H&limit=2")
        assert four["data"][0] in rows
        await client.admin("POST", "clock", {"step_ticks": 40})
        trade = await socket.push("trades")
        assert {"count", "seqId", "side", "px", "sz", "tradeId"} <= set(trade["data"][0])
    books = [
        message
        for message in socket.received
        if message.get("arg", {}).get("channel") == "books" and "data" in message
    ]
    assert books[0]["action"] == "snapshot"
    assert (books[0]["data"][0]["prevSeqId"], books[0]["data"][0]["checksum"]) == (-1, 0)
    assert len(books[0]["data"][0]["asks"]) == 400


async def test_a_book_kept_from_deltas_is_the_book(server: PaperServer) -> None:
    """prevSeqId chains, size 0 deletes, and the result equals REST."""
    async with rest(server) as client, connect(server, "public") as socket:
        await socket.subscribe({"channel": "books", "instId": SPOT})
        sides: dict[str, dict[str, str]] = {"asks": {}, "bids": {}}
        seq = -1
        await client.place(sz="0.37", px=str(server.exchange.marks[SPOT] - 1))
        for _ in range(8):
            await client.admin("POST", "clock", {"step_ticks": 3})
            while seq != server.exchange.floor.books[SPOT].version:
                [data] = (await socket.push("books"))["data"]
                assert data["prevSeqId"] == seq
                seq = data["seqId"]
                for side, levels in sides.items():
                    _apply(levels, data[side])
        [book] = await client.get(f"market/books?instId={SPOT}&sz=400")
        for side, levels in sides.items():
            assert levels == {price: size for price, size, _, _ in book[side]}


def _apply(levels: dict[str, str], changes: list[list[str]]) -> None:
    for price, size, _, _ in changes:
        if size == "0":
            del levels[price]
        else:
            levels[price] = size


async def test_subscribing_twice_and_unsubscribing(server: PaperServer) -> None:
    """A repeated subscription is acknowledged and served once; after unsubscribing nothing comes."""
    arg = {"channel": "trades", "instId": SPOT}
    async with rest(server) as client, connect(server, "public") as socket:
        await socket.subscribe(arg)
        await socket.subscribe(arg)
        await client.admin("POST", "clock", {"step_ticks": 30})
        await socket.push("trades")
        await socket.send(op="unsubscribe", args=[arg])
        await socket.next(lambda message: message.get("event") == "unsubscribe")
        await client.admin("POST", "clock", {"step_ticks": 30})
        with pytest.raises(TimeoutError):
            await socket.socket.receive(timeout=0.1)
        numbers = [
            row["tradeId"] for message in socket.received if "data" in message for row in message["data"]
        ]
        assert len(numbers) == len(set(numbers))


async def test_over_thirty_connections_a_subscription_is_dead_although_acknowledged(
    server: PaperServer,
) -> None:
    """The normal acknowledgement, then channel-conn-count-error, and no pushes."""

    async def many(sockets: list[SocketClient], left: int) -> None:
        async with trading(server) as socket:
            sockets.append(socket)
            if left:
                await many(sockets, left - 1)
                return
            async with connect(server, "private") as late, rest(server) as client:
                await late.login()
                await late.subscribe(ORDERS)
                refusal = await late.next()
                assert (refusal["event"], refusal["connCount"]) == ("channel-conn-count-error", "30")
                await client.place(sz="0.1", px=str(server.exchange.marks[SPOT] / 2))
                await sockets[0].push("orders")
                with pytest.raises(TimeoutError):
                    await late.socket.receive(timeout=0.1)

    await many([], 29)


async def test_silence_is_closed_with_4004() -> None:
    """Thirty seconds on OKX, half a second here."""
    config = PaperConfig(paused=True, ticks_per_candle=8, warmup_candles=2, idle_timeout_s=0.4)
    async with PaperServer(config) as server, connect(server, "public") as socket:
        assert await socket.closed() == 4004


async def test_a_frame_too_large_is_closed_with_1009(server: PaperServer) -> None:
    """Over 64 KB."""
    async with connect(server, "public") as socket:
        await socket.socket.send_str("x" * 70_000)
        assert await socket.closed() == 1009


async def test_too_many_requests_an_hour(server: PaperServer) -> None:
    """480 subscribe, unsubscribe and login requests; then 60014."""
    async with connect(server, "public") as socket:
        for _ in range(480):
            await socket.send(op="unsubscribe", args=[{"channel": "tickers", "instId": SPOT}])
        await socket.send(op="subscribe", args=[{"channel": "tickers", "instId": SPOT}])
        assert (await socket.next(lambda message: message["event"] == "error"))["code"] == "60014"


async def test_a_slow_client_is_closed_with_4005() -> None:
    """Its buffer is bounded; the others do not notice."""
    config = PaperConfig(paused=True, ticks_per_candle=8, warmup_candles=2, client_buffer_frames=50)
    async with PaperServer(config) as server, trading(server) as slow, trading(server) as quick:
        big = b'{"state":"' + b"x" * 100_000 + b'"}'
        for _ in range(400):
            server.push_private("", "orders", big)
            await asyncio.wait_for(quick.push("orders"), 60)
        assert len(server.hub.connections) == 1 or any(one.closing for one in server.hub.connections)
        del slow


async def test_the_restart_notice(server: PaperServer) -> None:
    """64008 on public and private, not on business."""
    async with (
        rest(server) as client,
        connect(server, "public") as public,
        connect(server, "private") as private,
        connect(server, "business") as business,
    ):
        await client.admin("POST", "notice", {})
        for socket in (public, private):
            notice = await socket.next()
            assert (notice["event"], notice["code"]) == ("notice", "64008")
        with pytest.raises(TimeoutError):
            await business.socket.receive(timeout=0.1)


async def test_connections_are_limited_where_asked_for() -> None:
    """OKX allows three new ones a second."""
    config = PaperConfig(paused=True, ticks_per_candle=8, warmup_candles=2, connections_per_second=3)
    async with PaperServer(config) as server, connect(server, "public"), connect(server, "public"):
        async with connect(server, "public"):
            pass
        with pytest.raises(Exception, match="429"):
            async with connect(server, "public"):
                pass


async def test_secrets_stay_out_of_repr() -> None:
    """A config can be logged."""
    assert DEFAULT_ACCOUNT.secret_key not in repr(PaperConfig())
    assert DEFAULT_ACCOUNT.passphrase not in repr(PaperConfig())
