"""What an account's owner is told about its money, over the socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

from kokex.paper import AccountConfig, PaperConfig, PaperServer
from kokex.paper.config import DEFAULT_ACCOUNT
from kokex.paper.market.candle import Tick
from tests.integration.paper.client import SPOT, SWAP, Message, SocketClient, connect, rest

VIP = replace(DEFAULT_ACCOUNT, fee_tier=4)


@asynccontextmanager
async def served(account: AccountConfig = DEFAULT_ACCOUNT, **changes: Any) -> AsyncIterator[PaperServer]:
    """A stopped market with one account."""
    settings: dict[str, Any] = {
        "paused": True,
        "ticks_per_candle": 40,
        "warmup_candles": 5,
        "instruments": (SPOT, SWAP),
        "accounts": (account,),
    }
    async with PaperServer(PaperConfig(**{**settings, **changes})) as server:
        yield server


@asynccontextmanager
async def listening(
    server: PaperServer, *args: Message, path: str = "private"
) -> AsyncIterator[SocketClient]:
    """A socket that is logged in and subscribed."""
    async with connect(server, path) as socket:
        assert (await socket.login())["code"] == "0"
        await socket.subscribe(*args)
        yield socket


async def test_fills_are_for_vip_accounts() -> None:
    """64003 for others; for them a taker's fills add up to the order's."""
    async with served() as server, connect(server, "private") as socket:
        await socket.login()
        await socket.send(op="subscribe", args=[{"channel": "fills"}])
        assert (await socket.next())["code"] == "64003"
    async with (
        served(VIP) as server,
        rest(server) as client,
        listening(server, {"channel": "fills", "instId": SPOT}) as socket,
    ):
        [config] = await client.get("account/config")
        assert config["level"] == "VIP4"
        answer = await client.place(ordType="market", sz="3", tgtCcy="base_ccy", clOrdId="77")
        filled = Decimal(0)
        while filled < 3:
            push = await socket.push("fills")
            assert push["arg"]["uid"] == config["uid"]
            [item] = push["data"]
            assert (item["ordId"], item["clOrdId"]) == (answer["data"][0]["ordId"], "77")
            assert "fee" not in item
            filled += Decimal(item["fillSz"])
        assert filled == 3


async def test_snapshots_come_in_pages() -> None:
    """Each page says its number, and only the last says that it is."""
    async with (
        served(snapshot_rows=2) as server,
        listening(server, {"channel": "account"}) as socket,
    ):
        pages = [await socket.push("account"), await socket.push("account")]
        assert [(page["curPage"], page["lastPage"]) for page in pages] == [(1, False), (2, True)]
        shown = [row["ccy"] for page in pages for row in page["data"][0]["details"]]
        assert sorted(shown) == ["BTC", "ETH", "USDT"]
        assert all(page["eventType"] == "snapshot" for page in pages)


async def test_a_warning_comes_before_the_liquidation() -> None:
    """Once when the margin ratio falls to three, with the position's own figures; the end is a liquidation."""
    poor = replace(DEFAULT_ACCOUNT, balances={"USDT": Decimal(1000)})
    async with served(poor) as server, rest(server) as client:
        mark = server.exchange.marks[SWAP]
        await client.call("POST", "account/set-leverage", {"instId": SWAP, "lever": "50", "mgnMode": "cross"})
        size = (Decimal(20_000) / mark * 10).quantize(Decimal("0.01"))
        args = ({"channel": "liquidation-warning", "instType": "ANY"}, {"channel": "balance_and_position"})
        async with listening(server, *args) as socket:
            await client.place(instId=SWAP, tdMode="cross", ordType="market", sz=str(size))
            await move_to(server, mark * Decimal("0.96"))
            [warning] = (await socket.push("liquidation-warning"))["data"]
            assert (warning["instId"], warning["pos"], warning["mgnMode"]) == (SWAP, str(size), "cross")
            assert 1 < Decimal(warning["mgnRatio"]) <= 3
            assert len(warning) == 14
            await move_to(server, mark * Decimal("0.955"))
            await move_to(server, mark * Decimal("0.94"))
            ended = await socket.push("balance_and_position", lambda row: row["eventType"] == "liquidation")
            [row] = ended["data"]
            assert (row["posData"][0]["pos"], row["posData"][0]["avgPx"]) == ("0", "")
            await socket.push("balance_and_position", lambda row: row["eventType"] == "claw_back")
        warnings = [
            one
            for one in socket.received
            if one.get("arg", {}).get("channel") == "liquidation-warning" and "data" in one
        ]
        assert len(warnings) == 1


async def move_to(server: PaperServer, price: Decimal) -> None:
    """Let the perpetual's market jump to a price, and tell everybody."""
    exchange = server.exchange
    item = exchange.instruments[SWAP]
    with exchange.exact():
        tick = Tick(exchange.now_ms + 1, int(price / item.tick), 1, False)
        exchange.happen(exchange.floor.books[SWAP], tick, share=Decimal(1))
    server.publisher.flush(force=True)


async def test_balances_say_why_they_changed() -> None:
    """Transfers, leverage, margin and funding: each with its cause and only the side that changed."""
    channel = "balance_and_position"
    async with (
        served() as server,
        rest(server) as client,
        listening(server, {"channel": "account"}, {"channel": channel}) as socket,
    ):
        await socket.push(channel)
        await client.admin("POST", "transfer", {"currency": "USDT", "amount": "500"})
        [row] = (await socket.push(channel))["data"]
        assert (row["eventType"], row["posData"], row["trades"]) == ("transferred", [], [])
        assert row["balData"][0]["cashBal"] == "100500"
        await client.admin("POST", "transfer", {"currency": "USDT", "amount": "-500"})
        [row] = (await socket.push(channel))["data"]
        assert row["balData"][0]["cashBal"] == "100000"
        await client.place(instId=SWAP, tdMode="isolated", ordType="market", sz="10")
        [row] = (await socket.push(channel))["data"]
        assert (row["eventType"], [item["ccy"] for item in row["balData"]]) == ("filled", ["USDT"])
        assert len(row["trades"]) == len(row["posData"]) == 1
        leverage = {"instId": SWAP, "lever": "5", "mgnMode": "isolated"}
        await client.call("POST", "account/set-leverage", leverage)
        [row] = (await socket.push(channel, lambda item: item["eventType"] != "filled"))["data"]
        assert (row["eventType"], row["balData"], len(row["posData"])) == ("set_leverage", [], 1)
        margin = {"instId": SWAP, "posSide": "net", "type": "add", "amt": "30"}
        before = (await client.get(f"account/positions?instId={SWAP}"))[0]
        _, answer = await client.call("POST", "account/position/margin-balance", margin)
        assert answer["data"][0]["amt"] == "30"
        [row] = (await socket.push(channel))["data"]
        assert row["eventType"] == "adjust_margin"
        after = (await client.get(f"account/positions?instId={SWAP}"))[0]
        assert Decimal(after["margin"]) - Decimal(before["margin"]) == 30
        _, refused = await client.call(
            "POST", "account/position/margin-balance", {**margin, "type": "reduce", "amt": "31"}
        )
        assert refused["code"] == "59301"
        await client.admin("POST", "clock", {"step_ms": 8 * 3_600_000})
        paid = await socket.push(channel, lambda item: item["eventType"] == "funding_fee")
        assert len(paid["data"][0]["balData"]) == len(paid["data"][0]["posData"]) == 1
        [position] = await client.get(f"account/positions?instId={SWAP}")
        [bill] = await client.get("account/bills?type=8")
        assert Decimal(position["fundingFee"]) == Decimal(bill["balChg"]) < 0
        assert (bill["subType"], bill["instId"]) == ("173", SWAP)
        parts = [Decimal(position[name]) for name in ("pnl", "fee", "fundingFee", "liqPenalty")]
        assert Decimal(position["realizedPnl"]) == sum(parts)


async def test_only_free_funds_leave() -> None:
    """What margin or an order holds stays."""
    async with served() as server, rest(server) as client:
        mark = server.exchange.marks[SPOT]
        await client.place(sz="30", px=str((mark * Decimal("0.9")).quantize(Decimal("0.01"))))
        url = f"{server.rest_url}/paper/v1/transfer"
        body = {"currency": "USDT", "amount": "-99999"}
        async with client._session.post(url, json=body) as response:
            assert response.status == 400
            assert "are not free" in (await response.json())["error"]


ALGOS = {"channel": "orders-algo", "instType": "ANY"}


async def test_a_stop_is_told_from_its_placing_to_its_trigger() -> None:
    """No snapshot; live, amended, effective with the number of its order, which names it on `orders`."""
    orders = {"channel": "orders", "instType": "ANY"}
    async with (
        served() as server,
        rest(server) as client,
        listening(server, ALGOS, path="business") as stops,
        listening(server, orders) as trades,
    ):
        mark = server.exchange.marks[SWAP]
        low = str((mark * Decimal("0.98")).quantize(Decimal("0.01")))
        await client.place(instId=SWAP, tdMode="cross", ordType="market", sz="2")
        fields = {
            "instId": SWAP,
            "tdMode": "cross",
            "side": "sell",
            "ordType": "conditional",
            "sz": "2",
            "slTriggerPx": low,
            "slOrdPx": "-1",
            "reduceOnly": True,
            "algoClOrdId": "guard",
        }
        _, answer = await client.call("POST", "trade/order-algo", fields)
        [placed] = answer["data"]
        assert (placed["sCode"], placed["algoClOrdId"]) == ("0", "guard")
        [live] = (await stops.push("orders-algo"))["data"]
        assert (live["state"], live["algoId"], live["ordIdList"]) == ("live", placed["algoId"], [])
        amendment = {"instId": SWAP, "algoId": placed["algoId"], "newSz": "1", "reqId": "r1"}
        _, answer = await client.call("POST", "trade/amend-algos", amendment)
        assert answer["data"][0]["reqId"] == "r1"
        [amended] = (await stops.push("orders-algo"))["data"]
        assert (amended["sz"], amended["reqId"], amended["amendResult"]) == ("1", "r1", "0")
        [pending] = await client.get("trade/orders-algo-pending?ordType=conditional,oco")
        assert pending["uTime"] == amended["uTime"] > live["uTime"]
        await move_to(server, mark * Decimal("0.97"))
        [done] = (await stops.push("orders-algo"))["data"]
        assert (done["state"], done["actualSide"], done["actualSz"]) == ("effective", "sl", "1")
        child = await trades.push("orders", lambda item: item["algoId"] == placed["algoId"])
        assert child["data"][0]["ordId"] == done["ordId"] == done["ordIdList"][0]
        assert (child["data"][0]["algoClOrdId"], child["data"][0]["source"]) == ("guard", "7")
        assert await client.get("trade/orders-algo-pending?ordType=conditional") == []
        [past] = await client.get("trade/orders-algo-history?ordType=conditional&state=effective")
        [named] = await client.get("trade/order-algo?algoClOrdId=guard")
        assert past == named
        assert (named["ordId"], named["failCode"]) == (done["ordId"], "")


async def test_algo_queries_are_checked() -> None:
    """What must be said, and what does not go together."""
    async with served() as server, rest(server) as client:

        async def code(path: str) -> str:
            _, answer = await client.call("GET", f"trade/{path}")
            return str(answer["code"])

        assert await code("orders-algo-pending") == "50014"
        assert await code("orders-algo-pending?ordType=trigger,oco") == "51000"
        assert await code("orders-algo-history?ordType=trigger") == "51602"
        assert await code("order-algo?algoId=7") == "51603"
        _, answer = await client.call("POST", "trade/cancel-algos", [{"instId": SWAP, "algoId": "7"}] * 2)
        assert (answer["code"], {item["sCode"] for item in answer["data"]}) == ("1", {"51400"})
        _, answer = await client.call("POST", "trade/cancel-algos", [{"instId": SWAP, "algoId": "7"}] * 11)
        assert answer["code"] == "51000"


async def test_advanced_orders_are_shown_at_once() -> None:
    """algo-advance starts with what is live; a trailing stop is told there and not on orders-algo."""
    advanced = {"channel": "algo-advance", "instType": "SWAP"}
    async with served() as server, rest(server) as client:
        fields = {"instId": SWAP, "tdMode": "cross", "side": "sell", "ordType": "move_order_stop", "sz": "1"}
        _, answer = await client.call("POST", "trade/order-algo", {**fields, "callbackRatio": "0.02"})
        algo_id = answer["data"][0]["algoId"]
        other = {**advanced, "algoId": "1"}
        async with listening(server, ALGOS, other, advanced, path="business") as socket:
            first = await socket.push("algo-advance")
            [row] = first["data"]
            assert (first["arg"]["instType"], row["algoId"], row["callbackRatio"]) == (
                "SWAP",
                algo_id,
                "0.02",
            )
            await client.call("POST", "trade/cancel-algos", [{"instId": SWAP, "algoId": algo_id}])
            [row] = (await socket.push("algo-advance"))["data"]
            assert (row["state"], row["algoId"]) == ("canceled", algo_id)
        pushes = [one["arg"] for one in socket.received if one.get("data")]
        assert all(arg["channel"] == "algo-advance" and "algoId" not in arg for arg in pushes)


async def test_attached_stops_over_rest_and_not_over_the_socket() -> None:
    """The order shows them with a number; the socket's order operation does not take them."""
    async with served() as server, rest(server) as client, listening(server, ALGOS, path="business") as stops:
        mark = server.exchange.marks[SPOT]
        low = str((mark * Decimal("0.9")).quantize(Decimal("0.01")))
        attached = [{"attachAlgoClOrdId": "guard", "slTriggerPx": low, "slOrdPx": "-1"}]
        answer = await client.place(ordType="market", sz="3000", attachAlgoOrds=attached)
        [order] = await client.get(f"trade/order?instId={SPOT}&ordId={answer['data'][0]['ordId']}")
        assert order["attachAlgoOrds"][0]["attachAlgoId"].isdigit()
        [row] = (await stops.push("orders-algo"))["data"]
        assert (row["algoClOrdId"], row["ordType"], row["side"]) == ("guard", "conditional", "sell")
        assert row["sz"] == order["accFillSz"]
        async with connect(server, "private") as socket:
            await socket.login()
            fields = {
                "instIdCode": server.exchange.instruments[SPOT].code,
                "tdMode": "cash",
                "side": "buy",
                "ordType": "market",
                "sz": "100",
                "attachAlgoOrds": attached,
            }
            await socket.send(id="o1", op="order", args=[fields])
            refused = await socket.next(lambda message: message.get("op") == "order")
            assert refused["data"][0]["sCode"] == "51000"


async def test_the_position_mode_waits_for_stops() -> None:
    """59000 while an algo order of a perpetual lives; a close in long/short mode names its side."""
    async with served() as server, rest(server) as client:
        fields = {"instId": SWAP, "tdMode": "cross", "side": "buy", "ordType": "trigger", "sz": "1"}
        _, answer = await client.call(
            "POST", "trade/order-algo", {**fields, "triggerPx": "9", "orderPx": "-1"}
        )
        algo_id = answer["data"][0]["algoId"]
        mode = {"posMode": "long_short_mode"}
        assert (await client.call("POST", "account/set-position-mode", mode))[1]["code"] == "59000"
        await client.call("POST", "trade/cancel-algos", [{"instId": SWAP, "algoId": algo_id}])
        assert (await client.call("POST", "account/set-position-mode", mode))[1]["code"] == "0"
        assert (await client.get("account/config"))[0]["posMode"] == "long_short_mode"
        await client.place(instId=SWAP, tdMode="cross", ordType="market", sz="1", posSide="long")
        close = {"instId": SWAP, "mgnMode": "cross"}
        assert (await client.call("POST", "trade/close-position", close))[1]["code"] == "51000"
        close["posSide"] = "long"
        assert (await client.call("POST", "trade/close-position", close))[1]["code"] == "0"
        assert await client.get("account/positions") == []


async def test_regular_pushes_are_for_those_who_want_them() -> None:
    """By default now and then; with updateInterval 0 never; positions at the interval that they name."""
    quiet = {"channel": "account", "extraParams": '{"updateInterval":"0"}'}
    slow = {"channel": "positions", "instType": "SWAP", "extraParams": '{"updateInterval":"4000"}'}
    eager = {"channel": "positions", "instType": "ANY"}
    async with served() as server, listening(server, {"channel": "account"}, quiet, slow, eager) as socket:
        await socket.next(
            lambda message: message.get("arg", {}).get("instType") == "ANY" and "data" in message
        )
        seen = len(socket.received)
        server.publisher.push_regular(0.0)
        await socket.next(
            lambda message: message.get("arg", {}).get("instType") == "ANY" and "data" in message
        )
        regular = [message["arg"] for message in socket.received[seen:]]
        assert [(arg["channel"], arg.get("extraParams")) for arg in regular] == [
            ("account", None),
            ("positions", None),
        ]


async def test_cancels_of_stops_count_by_the_order() -> None:
    """Twenty orders in two seconds, ten a request."""
    async with served(rate_limits=True) as server, rest(server) as client:
        many = [{"instId": SWAP, "algoId": str(number)} for number in range(10)]
        codes = [(await client.call("POST", "trade/cancel-algos", many))[1]["code"] for _ in range(3)]
        assert codes == ["1", "1", "50011"]
