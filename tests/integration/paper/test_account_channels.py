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
