"""python-okx, the exchange's own SDK, unmodified: REST by its `domain`, WebSocket by its `url` over TLS.

Its REST client blocks, so it runs in a thread beside the server. Its WebSocket client insists on TLS and trusts the
system's certificates, which `SSL_CERT_FILE` extends by the exchange's own.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from okx.Account import AccountAPI
from okx.MarketData import MarketAPI
from okx.PublicData import PublicAPI
from okx.Trade import TradeAPI
from okx.websocket.WsPrivateAsync import WsPrivateAsync
from okx.websocket.WsPublicAsync import WsPublicAsync

from kokex.paper import PaperConfig, PaperServer
from kokex.paper.config import DEFAULT_ACCOUNT

KEYS = (DEFAULT_ACCOUNT.api_key, DEFAULT_ACCOUNT.secret_key, DEFAULT_ACCOUNT.passphrase)
PATIENCE_S = 10.0


@pytest.fixture
async def secure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[PaperServer]:
    """An exchange behind TLS, whose certificate this process trusts."""
    config = PaperConfig(speed=7200, warmup_candles=100, tls_dir=tmp_path / "tls")
    async with PaperServer(config) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.certificate))
        yield server


def rows(answer: dict[str, Any]) -> list[Any]:
    """The data of a successful answer."""
    assert answer["code"] == "0", answer
    data: list[Any] = answer["data"]
    return data


async def test_public_rest(server: PaperServer) -> None:
    """Instruments, candles in pages, ticker, book and trades."""

    def calls() -> None:
        public = PublicAPI(flag="1", domain=server.rest_url)
        market = MarketAPI(flag="1", domain=server.rest_url)
        assert int(rows(public.get_system_time())[0]["ts"]) > 0
        codes = {row["instId"]: row["instIdCode"] for row in rows(public.get_instruments("SWAP"))}
        assert all(isinstance(code, int) for code in codes.values())
        newest = rows(market.get_history_candlesticks("ETH-USDT", bar="1H", limit="100"))
        older = rows(market.get_history_candlesticks("ETH-USDT", bar="1H", limit="100", after=newest[-1][0]))
        opened = [int(row[0]) for row in newest + older]
        assert opened == [opened[0] - step * 3_600_000 for step in range(200)]
        assert {len(row) for row in newest} == {9}
        assert rows(market.get_ticker("ETH-USDT"))[0]["instId"] == "ETH-USDT"
        assert len(rows(market.get_orderbook("ETH-USDT", sz="5"))[0]["asks"]) == 5
        assert rows(market.get_trades("ETH-USDT"))

    await asyncio.to_thread(calls)


async def test_private_rest_on_spot(server: PaperServer) -> None:
    """Place, amend, batch, cancel, fill; orders, fills and balance afterwards."""

    def calls() -> None:
        trade = TradeAPI(*KEYS, flag="1", domain=server.rest_url)
        account = AccountAPI(*KEYS, flag="1", domain=server.rest_url)
        last = float(rows(MarketAPI(flag="1", domain=server.rest_url).get_ticker("ETH-USDT"))[0]["last"])
        assert rows(account.get_account_config())[0]["posMode"] == "net_mode"
        low = f"{last * 0.7:.2f}"
        [placed] = rows(trade.place_order("ETH-USDT", "cash", "buy", "limit", "0.5", px=low, clOrdId="sdk1"))
        [amended] = rows(trade.amend_order("ETH-USDT", clOrdId="sdk1", newSz="0.7", reqId="r1"))
        assert (amended["ordId"], amended["reqId"], amended["sCode"]) == (placed["ordId"], "r1", "0")
        [pending] = rows(trade.get_order_list(instType="SPOT"))
        assert (pending["sz"], pending["avgPx"], pending["state"]) == ("0.7", "", "live")
        assert float(pending["px"]) == float(low)
        rows(trade.cancel_order("ETH-USDT", ordId=placed["ordId"]))
        again = trade.cancel_order("ETH-USDT", ordId=placed["ordId"])
        assert (again["code"], again["data"][0]["sCode"]) == ("1", "51400")
        order = {"instId": "ETH-USDT", "tdMode": "cash", "side": "buy", "ordType": "limit", "px": low}
        mixed = trade.place_multiple_orders([{**order, "sz": "0.1"}, {**order, "sz": "0.00001"}])
        assert (mixed["code"], [item["sCode"] for item in mixed["data"]]) == ("2", ["0", "51020"])
        rows(trade.cancel_multiple_orders([{"instId": "ETH-USDT", "ordId": mixed["data"][0]["ordId"]}]))
        [bought] = rows(trade.place_order("ETH-USDT", "cash", "buy", "market", "1", tgtCcy="base_ccy"))
        filled = rows(trade.get_order("ETH-USDT", ordId=bought["ordId"]))[0]
        assert (filled["state"], filled["accFillSz"], filled["feeCcy"]) == ("filled", "1", "ETH")
        fills = rows(trade.get_fills(instType="SPOT"))
        assert {fill["ordId"] for fill in fills} == {bought["ordId"]}
        details = rows(account.get_account_balance("ETH"))[0]["details"]
        assert details[0]["cashBal"] == "10.999"

    await asyncio.to_thread(calls)


async def test_private_rest_on_a_perpetual(server: PaperServer) -> None:
    """Leverage, sizes, a position and its end."""

    def calls() -> None:
        trade = TradeAPI(*KEYS, flag="1", domain=server.rest_url)
        account = AccountAPI(*KEYS, flag="1", domain=server.rest_url)
        assert rows(account.set_leverage("4", "cross", instId="ETH-USDT-SWAP"))[0]["lever"] == "4"
        assert float(rows(account.get_max_order_size("ETH-USDT-SWAP", "cross"))[0]["maxBuy"]) > 1
        assert rows(account.get_fee_rates("SWAP"))[0]["taker"] == "-0.0005"
        rows(trade.place_order("ETH-USDT-SWAP", "cross", "sell", "market", "2"))
        [position] = rows(account.get_positions("SWAP"))
        assert (position["pos"], position["lever"], position["mgnMode"]) == ("-2", "4", "cross")
        rows(trade.close_positions("ETH-USDT-SWAP", "cross"))
        assert rows(account.get_positions("SWAP")) == []

    await asyncio.to_thread(calls)


async def test_algo_orders(server: PaperServer) -> None:
    """Placed, listed, amended, canceled, found again; a whole position closed by its stop."""

    def calls() -> None:
        trade = TradeAPI(*KEYS, flag="1", domain=server.rest_url)
        last = float(rows(MarketAPI(flag="1", domain=server.rest_url).get_ticker("ETH-USDT-SWAP"))[0]["last"])
        rows(trade.place_order("ETH-USDT-SWAP", "cross", "buy", "market", "2"))
        low, lower = f"{last * 0.5:.2f}", f"{last * 0.4:.2f}"
        stop = {"slTriggerPx": low, "slOrdPx": "-1", "reduceOnly": True, "algoClOrdId": "sdkstop"}
        [placed] = rows(trade.place_algo_order("ETH-USDT-SWAP", "cross", "sell", "conditional", "2", **stop))
        again = trade.place_algo_order("ETH-USDT-SWAP", "cross", "sell", "conditional", "2", **stop)
        assert (again["code"], again["data"][0]["sCode"]) == ("1", "51065")
        [amended] = rows(
            trade.amend_algo_order("ETH-USDT-SWAP", algoClOrdId="sdkstop", newSlTriggerPx=lower, reqId="r1")
        )
        assert (amended["algoId"], amended["reqId"]) == (placed["algoId"], "r1")
        [waiting] = rows(trade.order_algos_list(ordType="conditional"))
        assert (float(waiting["slTriggerPx"]), waiting["state"]) == (float(lower), "live")
        rows(trade.cancel_algo_order([{"instId": "ETH-USDT-SWAP", "algoId": placed["algoId"]}]))
        [over] = rows(trade.order_algos_history("conditional", state="canceled"))
        assert rows(trade.get_algo_order_details(algoId=placed["algoId"])) == [over]
        whole = {"slTriggerPx": low, "slOrdPx": "-1", "reduceOnly": True, "closeFraction": "1"}
        [closing] = rows(trade.place_algo_order("ETH-USDT-SWAP", "cross", "sell", "conditional", **whole))
        rows(trade.close_positions("ETH-USDT-SWAP", "cross"))
        assert rows(trade.get_algo_order_details(algoId=closing["algoId"]))[0]["state"] == "canceled"

    await asyncio.to_thread(calls)


async def test_rest_over_tls(secure: PaperServer) -> None:
    """The REST client trusts the same certificate."""

    def call() -> dict[str, Any]:
        answer: dict[str, Any] = PublicAPI(flag="1", domain=secure.rest_url).get_system_time()
        return answer

    assert rows(await asyncio.to_thread(call))


class Inbox:
    """Collects messages of a WebSocket client until one is what was waited for."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self._news = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    def __call__(self, text: str) -> None:
        self.messages.append(json.loads(text))
        task = asyncio.get_running_loop().create_task(self._tell())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()

    async def wait_for(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first message that is wanted."""
        async with asyncio.timeout(PATIENCE_S), self._news:
            while True:
                for message in self.messages:
                    if wanted(message):
                        return message
                await self._news.wait()


def push(channel: str) -> Callable[[dict[str, Any]], bool]:
    """Whether a message is a push of a channel with something in it."""
    return lambda message: message.get("arg", {}).get("channel") == channel and bool(message.get("data"))


async def test_public_and_business_channels(secure: PaperServer) -> None:
    """Tickers, trades and books on /public; candles on /business."""
    public, inbox = WsPublicAsync(f"{secure.ws_url}/ws/v5/public"), Inbox()
    reading = await public.start()
    args = [{"channel": name, "instId": "ETH-USDT"} for name in ("tickers", "trades", "books5", "bbo-tbt")]
    await public.subscribe(args, inbox)
    for arg in args:
        await inbox.wait_for(push(arg["channel"]))
    await public.stop()
    await reading
    business, candles = WsPublicAsync(f"{secure.ws_url}/ws/v5/business"), Inbox()
    reading = await business.start()
    await business.subscribe([{"channel": "candle1H", "instId": "ETH-USDT"}], candles)
    closed = await candles.wait_for(
        lambda message: push("candle1H")(message) and message["data"][0][8] == "1"
    )
    assert len(closed["data"][0]) == 9
    await business.stop()
    await reading


async def test_private_channels_and_operations(secure: PaperServer) -> None:
    """Log in, subscribe, trade by `instIdCode`, and see order, account and balance pushes."""
    api_key, secret_key, passphrase = KEYS
    private = WsPrivateAsync(api_key, passphrase, secret_key, f"{secure.ws_url}/ws/v5/private")
    inbox = Inbox()
    reading = await private.start()
    channels = [
        {"channel": "orders", "instType": "ANY"},
        {"channel": "account"},
        {"channel": "positions", "instType": "ANY"},
        {"channel": "balance_and_position"},
    ]
    await private.subscribe(channels, inbox)
    await inbox.wait_for(push("balance_and_position"))
    code = secure.exchange.instruments["ETH-USDT"].code
    low = str(secure.exchange.marks["ETH-USDT"] // 2)
    order = {"instIdCode": code, "tdMode": "cash", "side": "buy", "ordType": "limit", "px": low, "sz": "0.5"}
    await private.place_order([{**order, "clOrdId": "ws1"}], id="p1")
    answer = await inbox.wait_for(lambda message: message.get("id") == "p1" and "op" in message)
    assert (answer["code"], answer["data"][0]["sCode"]) == ("0", "0")
    live = await inbox.wait_for(push("orders"))
    assert (live["data"][0]["state"], live["data"][0]["avgPx"], live["data"][0]["clOrdId"]) == (
        "live",
        "0",
        "ws1",
    )
    await private.amend_order(
        [{"instIdCode": code, "clOrdId": "ws1", "newSz": "0.4", "reqId": "a1"}], id="p2"
    )
    await inbox.wait_for(lambda message: push("orders")(message) and message["data"][0]["amendResult"] == "0")
    await private.cancel_order([{"instIdCode": code, "clOrdId": "ws1"}], id="p3")
    await inbox.wait_for(
        lambda message: push("orders")(message) and message["data"][0]["state"] == "canceled"
    )
    market = {"instIdCode": code, "tdMode": "cash", "side": "sell", "ordType": "market", "sz": "0.3"}
    await private.batch_orders([market, market], id="p4")
    await inbox.wait_for(lambda message: push("orders")(message) and message["data"][0]["state"] == "filled")
    await inbox.wait_for(lambda message: push("account")(message) and message["eventType"] == "event_update")
    await private.place_order([{**market, "instIdCode": None, "instId": "ETH-USDT"}], id="p5")
    refused = await inbox.wait_for(lambda message: message.get("id") == "p5" and "op" in message)
    assert (refused["code"], refused["data"][0]["sCode"]) == ("1", "50014")
    await private.stop()
    await reading


async def test_the_business_channels_of_an_account(secure: PaperServer) -> None:
    """orders-algo and algo-advance after a login on /business."""
    api_key, secret_key, passphrase = KEYS
    business = WsPrivateAsync(api_key, passphrase, secret_key, f"{secure.ws_url}/ws/v5/business")
    inbox = Inbox()
    reading = await business.start()
    channels = [{"channel": name, "instType": "ANY"} for name in ("orders-algo", "algo-advance")]
    await business.subscribe(channels, inbox)
    for channel in ("orders-algo", "algo-advance"):
        await inbox.wait_for(
            lambda message, channel=channel: (
                message.get("event") == "subscribe" and message["arg"]["channel"] == channel
            )
        )
    trade = TradeAPI(*KEYS, flag="1", domain=secure.rest_url)

    def place() -> None:
        fields = {"instId": "ETH-USDT-SWAP", "tdMode": "cross", "side": "buy", "sz": "1"}
        rows(trade.place_algo_order(**fields, ordType="trigger", triggerPx="1", orderPx="-1"))
        rows(trade.place_algo_order(**fields, ordType="move_order_stop", callbackRatio="0.9"))

    await asyncio.to_thread(place)
    assert (await inbox.wait_for(push("orders-algo")))["data"][0]["ordType"] == "trigger"
    assert (await inbox.wait_for(push("algo-advance")))["data"][0]["callbackRatio"] == "0.9"
    await business.stop()
    await reading
