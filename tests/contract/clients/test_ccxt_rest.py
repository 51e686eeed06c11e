"""ccxt's REST client, unmodified, trades on the paper exchange."""

from __future__ import annotations

from decimal import Decimal

import ccxt
import ccxt.async_support as ccxt_rest
import pytest
from ccxt.base.types import Order

from kokex.paper import PaperConfig, PaperServer
from tests.contract.clients.conftest import SPOT, SWAP, ClientMaker

HOUR_MS = 3_600_000


async def test_markets_load_with_increments_and_contract_sizes(
    server: PaperServer, rest_client: ClientMaker
) -> None:
    """Spot and perpetual markets come with the increments that the exchange trades in."""
    client = rest_client(server)
    markets = await client.load_markets()
    assert markets[SPOT]["precision"] == {"amount": 1e-06, "price": 0.01}
    assert markets[SPOT]["limits"]["amount"]["min"] == 0.0001
    assert markets[SWAP]["contractSize"] == 0.1
    assert markets[SWAP]["linear"] is True
    assert (markets[SPOT]["maker"], markets[SPOT]["taker"]) != (None, None)


async def test_currencies_load_on_a_live_exchange(rest_client: ClientMaker) -> None:
    """In the live environment ccxt also asks for currencies, signed."""
    async with PaperServer(PaperConfig(environment="live", speed=7200, warmup_candles=10)) as server:
        client = rest_client(server)
        currencies = await client.fetch_currencies()
        assert {"USDT", "ETH", "BTC"} <= set(currencies)
        assert (await client.fetch_balance())["total"]["USDT"] == 100_000


async def test_candles_page_without_holes_or_overlap(server: PaperServer, rest_client: ClientMaker) -> None:
    """Paging forward through history, as bots do, meets every hour once."""
    client = rest_client(server)
    since = server.exchange.feed.start_ms - 650 * HOUR_MS
    rows: list[list[float]] = []
    while len(rows) < 600:
        at = since + len(rows) * HOUR_MS
        rows += await client.fetch_ohlcv(SPOT, "1h", since=at, limit=200)
    assert [row[0] for row in rows] == [since + step * HOUR_MS for step in range(600)]
    assert all(low <= min(first, last) and high >= max(first, last) for _, first, high, low, last, _ in rows)
    newest = await client.fetch_ohlcv(SWAP, "1d", limit=5)
    assert len(newest) == 5


async def test_public_market_data(server: PaperServer, rest_client: ClientMaker) -> None:
    """Time, ticker, book and trades agree with each other."""
    client = rest_client(server)
    assert abs(await client.fetch_time() - client.milliseconds()) < 5_000
    ticker = await client.fetch_ticker(SPOT)
    assert ticker["bid"] < ticker["ask"]
    assert ticker["low"] <= ticker["last"] <= ticker["high"]
    assert set(await client.fetch_tickers([SPOT, "BTC/USDT"])) == {SPOT, "BTC/USDT"}
    book = await client.fetch_order_book(SPOT, 20)
    assert len(book["bids"]) == len(book["asks"]) == 20
    assert book["bids"][0][0] < book["asks"][0][0]
    trades = await client.fetch_trades(SPOT, limit=20)
    assert trades
    assert all(trade["side"] in ("buy", "sell") and trade["amount"] > 0 for trade in trades)
    assert (await client.fetch_mark_price(SWAP))["markPrice"] > 0
    assert (await client.fetch_funding_rate(SWAP))["fundingRate"] == 0.0001
    assert (await client.fetch_status())["status"] == "ok"


async def test_a_spot_order_lives_is_amended_and_canceled(
    server: PaperServer, rest_client: ClientMaker
) -> None:
    """Place, read, amend, list and cancel a resting order."""
    client = rest_client(server)
    await client.load_markets()
    price = (await client.fetch_ticker(SPOT))["last"]
    low = float(client.price_to_precision(SPOT, price * 0.7))
    placed = await client.create_order(SPOT, "limit", "buy", 0.5, low, {"clientOrderId": "contract1"})
    found = await client.fetch_order(placed["id"], SPOT)
    assert (found["status"], found["clientOrderId"], found["price"]) == ("open", "contract1", low)
    lower = float(client.price_to_precision(SPOT, price * 0.65))
    await client.edit_order(placed["id"], SPOT, "limit", "buy", 0.6, lower)
    [pending] = await client.fetch_open_orders(SPOT)
    assert (pending["price"], pending["amount"]) == (lower, 0.6)
    balance = await client.fetch_balance()
    assert balance["USDT"]["used"] == pytest.approx(0.6 * lower)
    await client.cancel_order(placed["id"], SPOT)
    assert (await client.fetch_order(placed["id"], SPOT))["status"] == "canceled"
    assert [order["id"] for order in await client.fetch_canceled_orders(SPOT)] == [placed["id"]]
    with pytest.raises(ccxt.OrderNotFound):
        await client.cancel_order(placed["id"], SPOT)


async def test_a_market_order_fills_and_pays_its_fee_in_what_it_buys(
    server: PaperServer, rest_client: ClientMaker
) -> None:
    """Fills, closed orders and balances tell the same story."""
    client = rest_client(server)
    await client.load_markets()
    placed = await client.create_order(SPOT, "market", "buy", 2)
    order: Order = await client.fetch_order(placed["id"], SPOT)
    assert (order["status"], order["filled"]) == ("closed", 2.0)
    fills = await client.fetch_my_trades(SPOT)
    assert sum(fill["amount"] for fill in fills) == pytest.approx(2.0)
    assert {fill["fee"]["currency"] for fill in fills} == {"ETH"}
    assert sum(fill["fee"]["cost"] for fill in fills) == pytest.approx(0.002)
    balance = await client.fetch_balance()
    assert balance["ETH"]["total"] == pytest.approx(10 + 2 - 0.002)
    assert order["id"] in [closed["id"] for closed in await client.fetch_closed_orders(SPOT)]
    ledger = await client.fetch_ledger()
    assert sum(entry["amount"] for entry in ledger if entry["currency"] == "ETH") >= 0


async def test_batches(server: PaperServer, rest_client: ClientMaker) -> None:
    """A batch is placed item by item and canceled as one."""
    client = rest_client(server)
    await client.load_markets()
    price = (await client.fetch_ticker(SPOT))["last"]
    wanted = [
        {"symbol": SPOT, "type": "limit", "side": "buy", "amount": 0.1, "price": round(price * share, 2)}
        for share in (0.7, 0.71, 0.72)
    ]
    placed = await client.create_orders(wanted)
    assert len(placed) == 3
    assert len(await client.fetch_open_orders(SPOT)) == 3
    await client.cancel_orders([order["id"] for order in placed], SPOT)
    assert await client.fetch_open_orders(SPOT) == []


async def test_a_perpetual_is_opened_and_closed(server: PaperServer, rest_client: ClientMaker) -> None:
    """Leverage, position, reduce-only close, and nothing left."""
    client = rest_client(server)
    await client.load_markets()
    await client.set_leverage(5, SWAP, {"marginMode": "cross"})
    assert (await client.fetch_leverage(SWAP, {"marginMode": "cross"}))["longLeverage"] == 5
    await client.create_order(SWAP, "market", "buy", 3)
    [position] = await client.fetch_positions([SWAP])
    assert (position["contracts"], position["side"], position["leverage"]) == (3.0, "long", 5.0)
    await client.create_order(SWAP, "market", "sell", 1, None, {"reduceOnly": True})
    assert (await client.fetch_positions([SWAP]))[0]["contracts"] == 2.0
    await client.close_position(SWAP, params={"marginMode": "cross"})
    assert await client.fetch_positions() == []


@pytest.mark.parametrize(
    ("amount", "price_share", "expected"),
    [(1000.0, 0.9, ccxt.InsufficientFunds), (0.00001, 0.9, ccxt.InvalidOrder)],
)
async def test_refusals_arrive_as_the_errors_that_they_are(
    server: PaperServer,
    rest_client: ClientMaker,
    amount: float,
    price_share: float,
    expected: type[Exception],
) -> None:
    """OKX's codes reach ccxt's own exceptions."""
    client = rest_client(server)
    await client.load_markets()
    price = round((await client.fetch_ticker(SPOT))["last"] * price_share, 2)
    with pytest.raises(expected):
        await client.privatePostTradeOrder(
            {
                "instId": "ETH-USDT",
                "tdMode": "cash",
                "side": "buy",
                "ordType": "limit",
                "sz": f"{amount:.6f}",
                "px": str(price),
            }
        )


async def test_wrong_keys_and_wrong_environment_are_authentication_errors(
    server: PaperServer, rest_client: ClientMaker
) -> None:
    """50113, 50119 and 50101."""
    client = rest_client(server)
    client.secret = "wrong"
    with pytest.raises(ccxt.AuthenticationError, match="50113"):
        await client.fetch_balance()
    client.apiKey = "nobody"
    with pytest.raises(ccxt.ExchangeError, match="50119"):
        await client.fetch_balance()
    live = rest_client(server)
    live.set_sandbox_mode(False)
    live.urls["api"] = {"rest": server.rest_url}
    with pytest.raises(ccxt.ExchangeError, match="50101"):
        await live.privateGetAccountBalance()


async def test_a_stop_waits_is_amended_and_canceled(server: PaperServer, rest_client: ClientMaker) -> None:
    """A stop-loss on a perpetual, as ccxt places, lists, edits and cancels it."""
    client = rest_client(server)
    await client.load_markets()
    price = (await client.fetch_ticker(SWAP))["last"]
    await client.create_order(SWAP, "market", "buy", 2)
    fields = {"stopLossPrice": round(price * 0.6, 2), "reduceOnly": True}
    placed = await client.create_order(SWAP, "market", "sell", 2, None, fields)
    listed = {"trigger": True, "ordType": "conditional"}
    [waiting] = await client.fetch_open_orders(SWAP, params=listed)
    assert (waiting["id"], waiting["status"], waiting["reduceOnly"]) == (placed["id"], "open", True)
    assert waiting["stopLossPrice"] == pytest.approx(price * 0.6, abs=0.01)
    lower = {"stopLossPrice": round(price * 0.55, 2), "newSlOrdPx": "-1"}
    await client.edit_order(placed["id"], SWAP, "conditional", "sell", 1, None, lower)
    edited = await client.fetch_order(placed["id"], SWAP, {"trigger": True})
    assert (edited["amount"], edited["stopLossPrice"]) == (1.0, pytest.approx(price * 0.55, abs=0.01))
    await client.cancel_order(placed["id"], SWAP, {"trigger": True})
    assert await client.fetch_open_orders(SWAP, params=listed) == []
    [canceled] = await client.fetch_canceled_orders(SWAP, params={"trigger": True, "ordType": "conditional"})
    assert (canceled["id"], canceled["status"]) == (placed["id"], "canceled")


async def test_a_trigger_becomes_an_order(rest_client: ClientMaker) -> None:
    """The market reaches one of two; then there is a position."""
    async with PaperServer(PaperConfig(paused=True, warmup_candles=10)) as server:
        client = rest_client(server)
        await client.load_markets()
        await _trigger(server, client)


async def _trigger(server: PaperServer, client: ccxt_rest.okx) -> None:
    price = (await client.fetch_ticker(SWAP))["last"]
    above = {"triggerPrice": round(price * 1.0005, 2)}
    below = {"triggerPrice": round(price * 0.9995, 2)}
    ids = [
        (await client.create_order(SWAP, "market", "buy", 1, None, trigger))["id"]
        for trigger in (above, below)
    ]
    for _ in range(20):
        if await client.fetch_positions([SWAP]):
            break
        server.exchange.advance(server.exchange.now_ms + HOUR_MS)
    states = {(await client.fetch_order(number, SWAP, {"trigger": True}))["status"] for number in ids}
    assert "closed" in states


async def test_a_trailing_stop_and_attached_legs(server: PaperServer, rest_client: ClientMaker) -> None:
    """A callback in percent; take-profit and stop-loss that come with an order."""
    client = rest_client(server)
    await client.load_markets()
    price = (await client.fetch_ticker(SWAP))["last"]
    legs = {
        "takeProfit": {"triggerPrice": round(price * 1.9, 2)},
        "stopLoss": {"triggerPrice": round(price * 0.2, 2)},
    }
    await client.create_order(SWAP, "market", "buy", 1, None, legs)
    [guard] = await client.fetch_open_orders(SWAP, params={"trigger": True, "ordType": "oco"})
    assert (guard["side"], guard["amount"], guard["reduceOnly"]) == ("sell", 1.0, True)
    assert guard["takeProfitPrice"] == pytest.approx(price * 1.9, abs=0.01)
    trailing = {"trailingPercent": "60", "reduceOnly": True}
    placed = await client.create_order(SWAP, "market", "sell", 1, None, trailing)
    [waiting] = await client.fetch_open_orders(SWAP, params={"trailing": True})
    assert (waiting["id"], waiting["info"]["callbackRatio"]) == (placed["id"], "0.6")
    await client.cancel_order(placed["id"], SWAP, {"trailing": True})
    assert await client.fetch_open_orders(SWAP, params={"trailing": True}) == []


async def test_a_stop_on_spot_and_one_that_fails(server: PaperServer, rest_client: ClientMaker) -> None:
    """ccxt sends cross for spot stops; a trigger on the wrong side is an invalid order."""
    client = rest_client(server)
    await client.load_markets()
    price = (await client.fetch_ticker(SPOT))["last"]
    placed = await client.create_order(
        SPOT, "market", "sell", 0.5, None, {"stopLossPrice": round(price * 0.6, 2)}
    )
    found = await client.fetch_order(placed["id"], SPOT, {"trigger": True})
    assert (found["status"], found["amount"]) == ("open", 0.5)
    with pytest.raises(ccxt.ExchangeError, match="51280"):
        await client.create_order(SPOT, "market", "sell", 0.5, None, {"stopLossPrice": round(price * 1.5, 2)})


async def test_long_and_short_side_by_side(server: PaperServer, rest_client: ClientMaker) -> None:
    """Position mode, both sides of one perpetual, and each closed by itself."""
    client = rest_client(server)
    await client.load_markets()
    await client.set_position_mode(True)
    assert (await client.fetch_position_mode())["hedged"] is True
    await client.create_order(SWAP, "market", "buy", 2, None, {"positionSide": "long"})
    await client.create_order(SWAP, "market", "sell", 1, None, {"positionSide": "short"})
    held = {position["side"]: position["contracts"] for position in await client.fetch_positions([SWAP])}
    assert held == {"long": 2.0, "short": 1.0}
    await client.close_position(SWAP, params={"marginMode": "cross", "posSide": "long"})
    assert [position["side"] for position in await client.fetch_positions()] == ["short"]


async def test_margin_is_added_to_an_isolated_position(server: PaperServer, rest_client: ClientMaker) -> None:
    """And taken back; the position shows it."""
    client = rest_client(server)
    await client.load_markets()
    await client.create_order(SWAP, "market", "buy", 5, None, {"marginMode": "isolated"})
    before = Decimal((await client.fetch_positions([SWAP]))[0]["info"]["margin"])
    added = await client.add_margin(SWAP, 40)
    assert (added["type"], added["amount"]) == ("add", 40.0)
    [position] = await client.fetch_positions([SWAP])
    assert position["marginMode"] == "isolated"
    assert Decimal(position["info"]["margin"]) - before == 40
    assert (await client.reduce_margin(SWAP, 15))["amount"] == 15.0
    with pytest.raises(ccxt.ExchangeError, match="59301"):
        await client.reduce_margin(SWAP, 26)
