"""The REST face: envelopes, signing, paging, limits, and what each list keeps."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from kokex.paper import PaperServer
from tests.integration.paper.client import SPOT, SWAP, rest

HOUR = 3_600_000


async def low(server: PaperServer) -> str:
    """A price at which a buy rests."""
    return str(server.exchange.marks[SPOT] * 8 // 10)


async def test_gateway_errors_have_no_data(server: PaperServer) -> None:
    """Each flaw of a signature has its code; HTTP 401 and nothing but msg and code."""
    old = (
        (datetime.now(UTC) - timedelta(seconds=31)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    )
    cases: list[tuple[dict[str, str], str]] = [
        ({"OK_ACCESS_KEY": ""}, "50103"),
        ({"OK_ACCESS_PASSPHRASE": ""}, "50104"),
        ({"OK_ACCESS_PASSPHRASE": "wrong"}, "50105"),
        ({"OK_ACCESS_SIGN": ""}, "50106"),
        ({"OK_ACCESS_TIMESTAMP": old}, "50102"),
        ({"OK_ACCESS_TIMESTAMP": "soon"}, "50112"),
        ({"OK_ACCESS_SIGN": "c2lnbg=="}, "50113"),
        ({"OK_ACCESS_KEY": "nobody"}, "50119"),
        ({"x_simulated_trading": "0"}, "50101"),
    ]
    async with rest(server) as client:
        for headers, code in cases:
            status, answer = await client.call("GET", "account/balance", **headers)
            assert (status, answer["code"], "data" in answer) == (401, code, False), answer


async def test_public_data_needs_no_key(server: PaperServer) -> None:
    """An unsigned call is served, whatever the simulated header says."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{server.rest_url}/api/v5/public/time") as response,
    ):
        answer = await response.json()
    assert answer["code"] == "0"
    assert abs(int(answer["data"][0]["ts"]) / 1000 - time.time()) < 5


async def test_candles_page_as_okx_does(server: PaperServer) -> None:
    """Newest first, exclusive cursors, `before` alone is the latest page, both bound a window, 300 at most."""
    path = f"market/history-candles?instId={SPOT}&bar=1H"
    async with rest(server) as client:
        newest = await client.get(path)
        stamps = [int(row[0]) for row in newest]
        assert len(newest) == 100
        assert stamps == [stamps[0] - step * HOUR for step in range(100)]
        assert [row[8] for row in newest[:2]] == ["0", "1"]
        assert len(await client.get(f"{path}&limit=1000")) == 300
        older = await client.get(f"{path}&after={stamps[-1]}&limit=5")
        assert int(older[0][0]) == stamps[-1] - HOUR
        latest = await client.get(f"{path}&before={stamps[50]}&limit=3")
        assert [int(row[0]) for row in latest] == stamps[:3]
        window = await client.get(f"{path}&after={stamps[10]}&before={stamps[14]}")
        assert [int(row[0]) for row in window] == stamps[11:14]
        assert await client.get(f"{path}&after={server.exchange.strands[SPOT].history.first_ms}") == []


async def test_candles_reach_1440_rows_and_history_candles_all(server: PaperServer) -> None:
    """Of a short interval the recent endpoint stops where OKX's does."""
    async with rest(server) as client:
        edge = server.exchange.now_ms - 1440 * 60_000
        recent = await client.get(f"market/candles?instId={SPOT}&bar=1m&after={edge + 5 * 60_000}&limit=300")
        assert len(recent) < 10
        full = await client.get(f"market/history-candles?instId={SPOT}&bar=1m&after={edge}&limit=300")
        assert len(full) == 300
        _, refused = await client.call("GET", f"market/candles?instId={SPOT}&bar=1s")
        assert refused["code"] == "51000"
        _, unknown = await client.call("GET", "market/candles?instId=NO-SUCH&bar=1H")
        assert (unknown["code"], unknown["data"]) == ("51001", [])


async def test_commands_carry_gateway_times_in_microseconds(server: PaperServer) -> None:
    """inTime and outTime are wall-clock; the item's ts is market time."""
    async with rest(server) as client:
        answer = await client.place(sz="0.1", px=await low(server))
    assert abs(int(answer["inTime"]) / 1e6 - time.time()) < 5
    assert int(answer["outTime"]) >= int(answer["inTime"])
    assert answer["data"][0]["ts"] == str(server.exchange.now_ms)
    assert set(answer["data"][0]) == {"ordId", "clOrdId", "tag", "ts", "sCode", "sMsg", "subCode"}


async def test_batches_are_answered_item_by_item(server: PaperServer) -> None:
    """Code 0, 2 and 1 for all, some and none; more than twenty are refused."""
    price = await low(server)
    good = {"instId": SPOT, "tdMode": "cash", "side": "buy", "ordType": "limit", "px": price, "sz": "0.1"}
    bad = {**good, "sz": "0"}
    async with rest(server) as client:
        for items, code in (([good, good], "0"), ([good, bad], "2"), ([bad, bad], "1")):
            _, answer = await client.call("POST", "trade/batch-orders", items)
            assert answer["code"] == code
            assert [item["sCode"] == "0" for item in answer["data"]] == [item is good for item in items]
        _, refused = await client.call("POST", "trade/batch-orders", [good] * 21)
        assert refused["code"] == "51000"
        pending = await client.get("trade/orders-pending")
        wanted = [{"instId": SPOT, "ordId": order["ordId"]} for order in pending]
        _, canceled = await client.call("POST", "trade/cancel-batch-orders", wanted)
        assert canceled["code"] == "0"
        assert await client.get("trade/orders-pending") == []


async def test_lists_page_by_their_ids(server: PaperServer) -> None:
    """Orders by ordId and fills by billId, newest first, both ends exclusive."""
    async with rest(server) as client:
        for _ in range(5):
            await client.place(sz="0.1", px=await low(server))
        orders = [row["ordId"] for row in await client.get("trade/orders-pending")]
        assert orders == sorted(orders, reverse=True)
        page = await client.get(f"trade/orders-pending?after={orders[1]}&limit=2")
        assert [row["ordId"] for row in page] == orders[2:4]
        page = await client.get(f"trade/orders-pending?before={orders[2]}")
        assert [row["ordId"] for row in page] == orders[:2]
        await client.place(ordType="market", sz="20000")
        bills = [row["billId"] for row in await client.get("trade/fills")]
        assert len(bills) > 2
        assert [row["billId"] for row in await client.get(f"trade/fills?after={bills[0]}&limit=1")] == bills[
            1:2
        ]
        now = server.exchange.now_ms
        assert await client.get(f"trade/fills?begin={now + 1000}") == []
        assert len(await client.get(f"trade/fills?begin={now}&end={now + 1000}")) == len(bills)


async def test_unfilled_cancels_vanish_after_two_hours_of_wall_time(
    server: PaperServer,
) -> None:
    """Kept at first, then gone from history and from `order`; never in the archive."""
    wall = time.time()
    async with rest(server) as client:
        placed = (await client.place(sz="0.1", px=await low(server)))["data"][0]["ordId"]
        await client.call("POST", "trade/cancel-order", {"instId": SPOT, "ordId": placed})
        await client.place(ordType="market", sz="100")
        await client.admin("POST", "clock", {"step_candles": 3})
        history = await client.get("trade/orders-history?instType=SPOT")
        assert [row["state"] for row in history] == ["filled", "canceled"]
        archive = await client.get("trade/orders-history-archive?instType=SPOT")
        assert [row["state"] for row in archive] == ["filled"]
        order = server.exchange.records.orders[int(placed)]
        assert order.closed_wall_ms is not None
        assert abs(order.closed_wall_ms / 1000 - wall) < 30
        order.closed_wall_ms -= 2 * HOUR + 60_000
        history = await client.get("trade/orders-history?instType=SPOT")
        assert [row["state"] for row in history] == ["filled"]
        _, gone = await client.call("GET", f"trade/order?instId={SPOT}&ordId={placed}")
        assert gone["code"] == "51603"


async def test_average_price_is_empty_over_rest_and_zero_on_the_socket(server: PaperServer) -> None:
    """OKX's quirk, and fill fields that mean the last fill."""
    async with rest(server) as client:
        placed = (await client.place(sz="0.1", px=await low(server)))["data"][0]["ordId"]
        [row] = await client.get(f"trade/order?instId={SPOT}&ordId={placed}")
        assert (row["avgPx"], row["fillPx"], row["accFillSz"]) == ("", "", "0")
        bought = (await client.place(ordType="market", sz="20000"))["data"][0]["ordId"]
        [row] = await client.get(f"trade/order?instId={SPOT}&ordId={bought}")
        fills = await client.get(f"trade/fills?ordId={bought}")
        assert (row["fillSz"], row["tradeId"]) == (fills[0]["fillSz"], fills[0]["tradeId"])
        assert row["state"] == "filled"


async def test_budgets_are_enforced(server: PaperServer) -> None:
    """The eleventh call in two seconds gets 50011 and no data; place and cancel have separate budgets."""
    async with rest(server) as client:
        answers = [await client.call("GET", "account/positions") for _ in range(11)]
        assert [answer["code"] for _, answer in answers].count("50011") == 1
        assert (answers[-1][0], "data" in answers[-1][1]) == (429, False)
        price = await low(server)
        results = await asyncio.gather(*(client.place(sz="0.001", px=price) for _ in range(61)))
        assert [answer["code"] for answer in results].count("50011") == 1
        order = next(answer["data"][0]["ordId"] for answer in results if answer["code"] == "0")
        _, canceled = await client.call("POST", "trade/cancel-order", {"instId": SPOT, "ordId": order})
        assert canceled["code"] == "0"


async def test_a_deadline_in_the_past_is_not_executed(server: PaperServer) -> None:
    """50036, and no order."""
    body = {"instId": SPOT, "tdMode": "cash", "side": "buy", "ordType": "market", "sz": "100"}
    async with rest(server) as client:
        _, answer = await client.call(
            "POST", "trade/order", body, expTime=str(int(time.time() * 1000) - 1000)
        )
        assert answer["code"] == "50036"
        assert await client.get("trade/fills") == []
        _, answer = await client.call(
            "POST", "trade/order", body, expTime=str(int(time.time() * 1000) + 9000)
        )
        assert answer["code"] == "0"


async def test_broken_bodies_and_unknown_paths(server: PaperServer) -> None:
    """50002 for what is not JSON; 404 for what is not there."""
    async with rest(server) as client:
        status, answer = await client.call("POST", "trade/order", "just text")
        assert (status, answer["code"]) == (400, "50002")
        status, answer = await client.call("GET", "no/such/path")
        assert (status, answer["code"]) == (404, "404")


async def test_account_settings(server: PaperServer) -> None:
    """Leverage, position mode, fees, sizes."""
    async with rest(server) as client:
        lever = {"instId": SWAP, "lever": "7", "mgnMode": "cross"}
        _, answer = await client.call("POST", "account/set-leverage", lever)
        assert answer["data"][0] == {**lever, "posSide": "net"}
        [info] = await client.get(f"account/leverage-info?instId={SWAP}&mgnMode=cross")
        assert info["lever"] == "7"
        _, answer = await client.call("POST", "account/set-leverage", {**lever, "lever": "101"})
        assert answer["code"] == "59102"
        [fee] = await client.get("account/trade-fee?instType=SPOT")
        assert (fee["maker"], fee["taker"]) == ("-0.0008", "-0.001")
        [size] = await client.get(f"account/max-size?instId={SWAP}&tdMode=cross")
        placed = await client.place(
            instId=SWAP,
            tdMode="cross",
            ordType="limit",
            sz=size["maxBuy"],
            px=str(server.exchange.marks[SWAP]),
        )
        assert placed["code"] == "0", placed
        _, refused = await client.call("POST", "account/set-position-mode", {"posMode": "long_short_mode"})
        assert refused["code"] == "59000"


async def test_balance_shows_what_is_held(server: PaperServer) -> None:
    """Cash stays, what is available shrinks, the hold is ordFrozen."""
    async with rest(server) as client:
        price = await low(server)
        await client.place(sz="1", px=price)
        [balance] = await client.get("account/balance?ccy=USDT")
        [usdt] = balance["details"]
        assert (usdt["cashBal"], usdt["ordFrozen"]) == ("100000", price)
        assert float(usdt["availBal"]) == 100_000 - float(price)


async def test_the_dead_mans_switch(server: PaperServer) -> None:
    """cancel-all-after cancels with source 20 when its time has come, and 0 disarms it."""
    async with rest(server) as client:
        placed = (await client.place(sz="0.1", px=await low(server)))["data"][0]["ordId"]
        _, answer = await client.call("POST", "trade/cancel-all-after", {"timeOut": "5"})
        assert answer["code"] == "51000"
        await asyncio.sleep(1.0)  # the endpoint takes one call a second
        _, answer = await client.call("POST", "trade/cancel-all-after", {"timeOut": "10"})
        due = int(answer["data"][0]["triggerTime"])
        assert abs(due / 1000 - time.time() - 10) < 2
        server.timers.fire(server.exchange, due - 1)
        order = server.exchange.records.orders[int(placed)]
        assert order.state == "live"
        server.timers.fire(server.exchange, due)
        assert (order.state, order.cancel_source) == ("canceled", "20")


ANSWERS: list[tuple[str, set[str]]] = [
    ("public/price-limit?instId=ETH-USDT", {"buyLmt", "sellLmt"}),
    ("public/funding-rate?instId=ETH-USDT-SWAP", {"fundingRate", "fundingTime"}),
    ("public/funding-rate-history?instId=ETH-USDT-SWAP", set()),
    ("public/mark-price?instType=SWAP", {"markPx"}),
    ("market/tickers?instType=SPOT", {"last", "sodUtc8"}),
    ("market/history-trades?instId=ETH-USDT", {"tradeId"}),
    ("system/status", set()),
    ("account/config", {"uid", "posMode", "acctLv"}),
    ("account/max-avail-size?instId=ETH-USDT&tdMode=cash", {"availBuy"}),
    ("account/instruments?instType=SPOT", {"instIdCode"}),
    ("account/bills", {"balChg", "bal"}),
    ("account/positions-history", set()),
    ("asset/currencies", {"ccy"}),
    ("trade/account-rate-limit", {"accRateLimit"}),
]


@pytest.mark.parametrize(("path", "fields"), ANSWERS)
async def test_every_endpoint_answers(server: PaperServer, path: str, fields: set[str]) -> None:
    """Each list has rows with the fields that matter."""
    async with rest(server) as client:
        rows: list[dict[str, Any]] = await client.get(path)
    if fields:
        assert fields <= set(rows[0])
