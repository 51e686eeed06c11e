"""ccxt.pro, unmodified, watches the paper exchange and trades on it over WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import ccxt.pro as ccxt_pro
import pytest

from kokex.paper import PaperServer
from tests.contract.clients.conftest import SPOT, SWAP, ClientMaker, listening

PATIENCE_S = 10.0


async def until(watch: Callable[[], Awaitable[Any]], wanted: Callable[[Any], bool]) -> Any:
    """Keep watching until an update is what was wanted."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            update = await watch()
            if wanted(update):
                return update


@pytest.fixture
async def client(server: PaperServer, pro_client: ClientMaker) -> ccxt_pro.okx:
    made = pro_client(server)
    await made.load_markets()
    return made


async def test_watches_public_data(client: ccxt_pro.okx) -> None:
    """Ticker, trades, best bid and ask, and candles that close."""
    async with asyncio.timeout(PATIENCE_S):
        ticker = await client.watch_ticker(SPOT)
        assert ticker["bid"] < ticker["ask"]
        trades = await client.watch_trades(SPOT)
        assert trades[-1]["amount"] > 0
        best = await client.watch_bids_asks([SPOT])
        assert best[SPOT]["bid"] < best[SPOT]["ask"]
    seen: list[int] = []

    async def candles() -> list[list[float]]:
        rows: list[list[float]] = await client.watch_ohlcv(SPOT, "1h")
        return rows

    def third(rows: list[list[float]]) -> bool:
        if int(rows[-1][0]) not in seen:
            seen.append(int(rows[-1][0]))
        return len(seen) >= 3

    await until(candles, third)
    assert seen[2] - seen[1] == seen[1] - seen[0] == 3_600_000


async def test_order_book_stays_in_step_with_rest(server: PaperServer, client: ccxt_pro.okx) -> None:
    """A book kept from deltas equals the exchange's own, level by level."""
    await until(lambda: client.watch_order_book(SPOT), lambda book: len(book["bids"]) > 100)
    for _ in range(20):
        book = await asyncio.wait_for(client.watch_order_book(SPOT), PATIENCE_S)
        assert book["bids"][0][0] < book["asks"][0][0]

    def same() -> bool:
        own = server.exchange.floor.books["ETH-USDT"]
        item = own.instrument
        asks = [
            [float(item.price(row[0])), float(item.size(row[1]))] for row in own.depth(ask=True, limit=50)
        ]
        kept = client.orderbooks[SPOT]["asks"][:50]
        return asks == [row[:2] for row in kept]

    await until(lambda: client.watch_order_book(SPOT), lambda _: same())


async def test_watches_its_orders_fills_and_balances(server: PaperServer, client: ccxt_pro.okx) -> None:
    """An order placed over REST is seen live, filled, and in the balance, over WebSocket."""
    watching = asyncio.create_task(until(client.watch_orders, _closed))
    balances = asyncio.create_task(until(client.watch_balance, lambda balance: balance["ETH"]["total"] > 10))
    fills = asyncio.create_task(until(client.watch_my_trades, bool))
    await listening(server, "orders", "account")
    placed = await client.create_order(SPOT, "market", "buy", 1)
    orders = await watching
    assert [order["id"] for order in orders if _is_closed(order)] == [placed["id"]]
    assert (await balances)["ETH"]["total"] == pytest.approx(10.999)
    assert (await fills)[-1]["order"] == placed["id"]


async def test_watches_its_positions(server: PaperServer, client: ccxt_pro.okx) -> None:
    """A perpetual opened and closed is seen as a position, then as none."""
    opened = asyncio.create_task(
        until(client.watch_positions, lambda positions: any(one["contracts"] == 2.0 for one in positions))
    )
    await listening(server, "positions")
    await client.create_order(SWAP, "market", "buy", 2)
    assert (await opened)[-1]["side"] == "long"
    closed = asyncio.create_task(
        until(client.watch_positions, lambda positions: any(one["contracts"] == 0 for one in positions))
    )
    await client.create_order(SWAP, "market", "sell", 2, None, {"reduceOnly": True})
    await closed


async def test_orders_over_the_socket(client: ccxt_pro.okx) -> None:
    """Place, amend and cancel with WebSocket operations."""
    price = (await client.fetch_ticker(SPOT))["last"]
    placed = await client.create_order_ws(SPOT, "limit", "buy", 0.5, round(price * 0.7, 2))
    await client.edit_order_ws(placed["id"], SPOT, "limit", "buy", 0.4, round(price * 0.69, 2))
    [pending] = await client.fetch_open_orders(SPOT)
    assert (pending["id"], pending["amount"]) == (placed["id"], 0.4)
    await client.cancel_order_ws(placed["id"], SPOT)
    assert await client.fetch_open_orders(SPOT) == []


def _is_closed(order: dict[str, Any]) -> bool:
    return order["status"] == "closed" and order["filled"] == 1.0


def _closed(orders: list[dict[str, Any]]) -> bool:
    return any(_is_closed(order) for order in orders)


async def test_watches_its_stops(server: PaperServer, client: ccxt_pro.okx) -> None:
    """Placed and canceled over REST, seen on the business socket."""

    async def watch() -> list[dict[str, Any]]:
        orders: list[dict[str, Any]] = await client.watch_orders(SWAP, params={"trigger": True})
        return orders

    watching = asyncio.create_task(
        until(watch, lambda orders: any(order["status"] == "canceled" for order in orders))
    )
    await listening(server, "orders-algo")
    price = (await client.fetch_ticker(SWAP))["last"]
    fields = {"stopLossPrice": round(price * 0.5, 2), "reduceOnly": True}
    placed = await client.create_order(SWAP, "market", "sell", 1, None, fields)
    await client.cancel_order(placed["id"], SWAP, {"trigger": True})
    assert {order["id"] for order in await watching} == {placed["id"]}
