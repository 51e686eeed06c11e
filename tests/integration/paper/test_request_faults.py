"""What requests and commands get under each fault, as a raw client sees it; the exchange's own record stays right."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from kokex.paper import PaperServer
from tests.integration.paper.client import SPOT, RestClient, connect, rest, trading

HOUR_MS = 3_600_000


def low(server: PaperServer) -> str:
    return str(server.exchange.marks[SPOT] / 2)


def operation(server: PaperServer, name: str) -> dict[str, Any]:
    """A resting order as WebSocket operations name it."""
    code = server.exchange.instruments[SPOT].code
    fields = {"tdMode": "cash", "side": "buy", "ordType": "limit", "sz": "0.1", "px": low(server)}
    return {"instIdCode": code, "clOrdId": name, **fields}


def placed(server: PaperServer) -> list[str]:
    """Client order ids that the exchange knows."""
    [account] = server.exchange.accounts.values()
    return [order.client_order_id for order in server.exchange.records.orders_of(account.uid)]


def hits(server: PaperServer, kind: str) -> list[tuple[str, str]]:
    return [(strike.path, strike.detail) for strike in server.faults.strikes(kind)]


async def page(client: RestClient, path: str) -> tuple[int, str, str]:
    """Status, type and text of an answer that is no JSON."""
    url = f"{client._server.rest_url}/api/v5/{path}"
    async with client._session.get(url) as response:
        return response.status, response.content_type, await response.text()


@pytest.mark.parametrize(
    ("kind", "code", "status"),
    [
        ("too_many_requests", "50011", 429),
        ("too_many_requests", "50061", 200),
        ("server_error", "50001", 503),
        ("server_error", "50013", 429),
        ("server_error", "50026", 500),
    ],
)
async def test_a_burst_of_errors(server: PaperServer, kind: str, code: str, status: int) -> None:
    """So many in a row, on the path that was named; nothing is done; then it works."""
    async with rest(server) as client:
        server.faults.arm(kind, count=2, code=code, path="POST trade/order")
        for name in ("a", "b"):
            told, answer = await client.call(
                "POST", "trade/order", {"instId": SPOT, "clOrdId": name, "sz": "1"}
            )
            assert (told, answer["code"], "data" in answer) == (status, code, False)
        assert (await client.place(sz="0.1", px=low(server), clOrdId="c"))["code"] == "0"
        assert placed(server) == ["c"]
        assert hits(server, kind) == [("POST trade/order", "a"), ("POST trade/order", "b")]


async def test_a_page_of_the_gateway(server: PaperServer) -> None:
    """HTML with 502; a command it stands before is not carried out, another one is."""
    async with rest(server) as client:
        server.faults.arm("bad_gateway", path="public/time")
        assert (await page(client, "public/time"))[:2] == (502, "text/html")
        assert (await page(client, "public/time"))[:2] == (200, "application/json")
        server.faults.arm("bad_gateway", path="trade/order")
        server.faults.arm("bad_gateway_live", path="trade/order")
        for name in ("never", "there"):
            with pytest.raises(ValueError, match="Expecting value"):
                await client.place(sz="0.1", px=low(server), clOrdId=name)
        assert placed(server) == ["there"]


async def test_a_slow_answer(server: PaperServer) -> None:
    """The order is there long before it."""
    async with rest(server) as client:
        server.faults.arm("slow_rest", path="trade/order", seconds=0.1)
        began = time.monotonic()
        assert (await client.place(sz="0.1", px=low(server), clOrdId="a"))["code"] == "0"
        assert time.monotonic() - began >= 0.1


async def test_a_client_that_does_not_wait_for_a_slow_answer(server: PaperServer) -> None:
    """Its order was placed, and its push arrives."""
    async with rest(server) as client, trading(server) as socket:
        server.faults.arm("slow_rest", path="trade/order", seconds=0.2)
        client._session._timeout = aiohttp.ClientTimeout(total=0.05)
        with pytest.raises(TimeoutError):
            await client.place(sz="0.1", px=low(server), clOrdId="a")
        await socket.push("orders")


async def test_market_data_older_than_before(server: PaperServer) -> None:
    """Candles, ticker and trades of one candle ago; the next answer is fresh again."""
    async with rest(server) as client:
        await client.admin("POST", "clock", {"step_ms": HOUR_MS + HOUR_MS // 2})
        for path, moment in (
            ("market/candles?bar=1H&", lambda row: int(row[0])),
            ("market/history-candles?bar=1H&", lambda row: int(row[0])),
            ("market/ticker?", lambda row: int(row["ts"])),
            ("market/trades?", lambda row: int(row["ts"])),
        ):
            full = f"{path}instId={SPOT}"
            before = (await client.get(full))[0]
            server.faults.arm("stale_market", path=path.partition("?")[0])
            older = (await client.get(full))[0]
            assert moment(older) < moment(before)
            assert moment(older) <= server.exchange.now_ms - HOUR_MS
            assert (await client.get(full))[0] == before
        assert len(server.faults.strikes("stale_market")) == 4


async def test_a_page_of_old_candles_cannot_be_stale(server: PaperServer) -> None:
    """Nothing in it would differ, so nothing is struck."""
    async with rest(server) as client:
        server.faults.arm("stale_market")
        long_ago = server.exchange.now_ms - 10 * HOUR_MS
        await client.get(f"market/candles?instId={SPOT}&bar=1H&after={long_ago}")
        assert server.faults.strikes("stale_market") == []


async def test_orders_older_than_before(server: PaperServer) -> None:
    """Without the newest event: not there yet, still open, or filled less."""
    async with rest(server) as client:
        await client.place(sz="0.1", px=low(server), clOrdId="a")
        await client.place(sz="0.1", px=low(server), clOrdId="b")
        server.faults.arm("stale_orders", path="trade/orders-pending")
        assert [row["clOrdId"] for row in await client.get("trade/orders-pending")] == ["a"]
        assert [row["clOrdId"] for row in await client.get("trade/orders-pending")] == ["b", "a"]

        server.faults.arm("stale_orders", path="trade/order")
        _, answer = await client.call("GET", f"trade/order?instId={SPOT}&clOrdId=b")
        assert answer["code"] == "51603"

        await client.call("POST", "trade/cancel-order", {"instId": SPOT, "clOrdId": "b"})
        server.faults.arm("stale_orders", count=2)
        assert await client.get("trade/orders-history?instType=SPOT") == []
        [still, _] = await client.get("trade/orders-pending")
        assert (still["clOrdId"], still["state"], still["cancelSource"]) == ("b", "live", "")
        assert [row["clOrdId"] for row in await client.get("trade/orders-pending")] == ["a"]


async def test_fills_older_than_before(server: PaperServer) -> None:
    """A filled order is less filled, and its last execution is not listed."""
    async with rest(server) as client:
        await client.place(ordType="market", sz="30000", clOrdId="m")
        [now] = await client.get(f"trade/order?instId={SPOT}&clOrdId=m")
        fills = await client.get("trade/fills")
        assert len(fills) > 1
        server.faults.arm("stale_orders", count=2)
        [then] = await client.get(f"trade/order?instId={SPOT}&clOrdId=m")
        assert await client.get("trade/fills") == fills[1:]
        assert (now["state"], then["state"]) == ("filled", "partially_filled")
        assert float(then["accFillSz"]) < float(now["accFillSz"])
        assert then["tradeId"] == fills[1]["tradeId"]
        assert then["fillSz"] == fills[1]["fillSz"]


async def test_a_cancel_is_forgotten(server: PaperServer) -> None:
    """As after two hours: unknown by name, absent from history; an order with a fill stays."""
    async with rest(server) as client:
        await client.place(sz="0.1", px=low(server), clOrdId="a")
        await client.call("POST", "trade/cancel-order", {"instId": SPOT, "clOrdId": "a"})
        await client.place(ordType="market", sz="100", clOrdId="m")
        server.faults.arm("forgotten_cancel", count=2)
        _, answer = await client.call("GET", f"trade/order?instId={SPOT}&clOrdId=a")
        assert answer["code"] == "51603"
        rows = await client.get("trade/orders-history?instType=SPOT")
        assert [row["clOrdId"] for row in rows] == ["m"]
        assert (await client.get(f"trade/order?instId={SPOT}&clOrdId=a"))[0]["state"] == "canceled"


@pytest.mark.parametrize("seconds", [40.0, -40.0])
async def test_the_exchange_s_clock_is_off(server: PaperServer, seconds: float) -> None:
    """Its own time says so, requests and logins of the right time are refused; with its time they pass."""
    async with rest(server) as client, connect(server, "private") as socket:
        server.faults.arm("clock_skew", count=4, seconds=seconds)
        [told] = await client.get("public/time")
        assert abs(int(told["ts"]) / 1000 - time.time() - seconds) < 5
        assert (await client.call("GET", "account/balance"))[1]["code"] == "50102"
        theirs = datetime.now(UTC) + timedelta(seconds=seconds)
        stamp = theirs.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        assert (await client.call("GET", "account/balance", OK_ACCESS_TIMESTAMP=stamp))[1]["code"] == "0"
        assert (await socket.login())["code"] == "60006"
        assert await client.get("account/balance")


async def test_a_command_cut_off_before_it_is_carried_out(server: PaperServer) -> None:
    """Over REST and over WebSocket: no order."""
    async with rest(server) as client, trading(server) as socket:
        server.faults.arm("cut_before_order", count=2)
        with pytest.raises(aiohttp.ClientError):
            await client.place(sz="0.1", px=low(server), clOrdId="a")
        await socket.send(id="1", op="order", args=[operation(server, "b")])
        assert await socket.closed() == 1006
        assert placed(server) == []
        assert hits(server, "cut_before_order") == [("POST trade/order", "a"), ("ws order", "b")]


@pytest.mark.parametrize(("code", "status"), [("50004", 400), ("51149", 500), ("51054", 500)])
async def test_a_time_out_of_an_order_that_lives(server: PaperServer, code: str, status: int) -> None:
    """As the gateway tells it (no data), or as the order's own."""
    async with rest(server) as client, trading(server) as socket:
        server.faults.arm("timeout_live", count=2, code=code)
        body = {"instId": SPOT, "tdMode": "cash", "side": "buy", "ordType": "limit", "sz": "0.1"}
        told, answer = await client.call("POST", "trade/order", {**body, "px": low(server), "clOrdId": "a"})
        assert told == status
        items = answer.get("data", [])
        assert code in (answer["code"], *(item["sCode"] for item in items))
        assert all(item["ordId"] == "" for item in items)
        await socket.send(id="1", op="order", args=[operation(server, "b")])
        answer = await socket.next(lambda message: message.get("op") == "order")
        assert code in (answer["code"], *(item["sCode"] for item in answer["data"]))
        assert placed(server) == ["a", "b"]
        assert {order["state"] for order in await client.get("trade/orders-pending")} == {"live"}


@pytest.mark.parametrize(("kind", "code"), [("too_many_requests", "50011"), ("server_error", "50001")])
async def test_operations_share_the_faults_of_requests(server: PaperServer, kind: str, code: str) -> None:
    """Refused over WebSocket too, and not carried out."""
    async with trading(server) as socket:
        server.faults.arm(kind, path="ws order")
        await socket.send(id="1", op="order", args=[operation(server, "a")])
        answer = await socket.next(lambda message: message.get("op") == "order")
        assert (answer["code"], answer["data"]) == (code, [])
        assert placed(server) == []


async def test_an_amendment_fails_after_it_was_acknowledged(server: PaperServer) -> None:
    """Acknowledged, then -1; price and size are what they were, and the next amendment works."""
    async with rest(server) as client, trading(server) as socket:
        await client.place(sz="0.1", px=low(server), clOrdId="a")
        server.faults.arm("amend_fails_later")
        change = {"instId": SPOT, "clOrdId": "a", "newSz": "0.2", "reqId": "r1"}
        _, answer = await client.call("POST", "trade/amend-order", change)
        assert answer["data"][0]["sCode"] == "0"
        [item] = (await socket.push("orders", lambda item: item["reqId"] == "r1"))["data"]
        assert (item["amendResult"], item["sz"], item["state"]) == ("-1", "0.1", "live")
        await client.call("POST", "trade/amend-order", {**change, "reqId": "r2"})
        [item] = (await socket.push("orders", lambda item: item["reqId"] == "r2"))["data"]
        assert (item["amendResult"], item["sz"]) == ("0", "0.2")


async def test_a_post_only_order_meets_a_moving_market(server: PaperServer) -> None:
    """Acknowledged; the only push is canceled, source 31; nothing stays frozen."""
    async with rest(server) as client, trading(server) as socket:
        server.faults.arm("post_only_canceled")
        await client.place(ordType="limit", sz="0.1", px=low(server), clOrdId="limit")
        assert (await client.place(ordType="post_only", sz="0.1", px=low(server), clOrdId="a"))["code"] == "0"
        [item] = (await socket.push("orders", lambda item: item["clOrdId"] == "a"))["data"]
        assert (item["state"], item["cancelSource"]) == ("canceled", "31")
        assert [row["clOrdId"] for row in await client.get("trade/orders-pending")] == ["limit"]


async def test_faults_over_the_admin_face(server: PaperServer) -> None:
    """Kinds, what is armed, what struck; a plan is armed whole, and everything can be disarmed."""
    async with rest(server) as client:
        shown = await client.admin("GET", "faults")
        assert "clock_skew" in shown["kinds"]
        assert (shown["armed"], shown["struck"]) == ([], 0)
        plan = {
            "seed": 3,
            "faults": [
                {"kind": "slow_rest", "probability": 0.5},
                {"kind": "server_error", "path": "public/time"},
            ],
        }
        assert (await client.admin("POST", "faults", plan))["armed"] == [1, 2]
        assert (await client.call("GET", "public/time"))[0] == 503
        record = await client.admin("GET", "faults/record")
        assert record["total"] == 1
        assert record["strikes"][0]["kind"] == "server_error"
        assert record["strikes"][0]["path"] == "GET public/time"
        assert (await client.admin("GET", "faults/record?after=1"))["strikes"] == []
        [left] = (await client.admin("GET", "faults"))["armed"]
        assert (left["kind"], left["probability"]) == ("slow_rest", 0.5)
        assert (await client.admin("POST", "faults/clear"))["faults"] == []
        assert (await client.admin("GET", "faults"))["armed"] == []


@pytest.mark.parametrize("path", ["market/ticker", "account/balance"])
async def test_other_paths_are_left_alone(server: PaperServer, path: str) -> None:
    """A fault of one path does not strike another."""
    async with rest(server) as client:
        server.faults.arm("server_error", path=path)
        await client.get("public/time")
        assert server.faults.strikes() == []
