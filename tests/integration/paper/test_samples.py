"""Payloads have every field that captures and examples of the real exchange have, and real candles come out whole."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kokex.domain.errors import DataError
from kokex.paper import PaperConfig, PaperServer
from kokex.paper.market.candle_file import read_candle_file
from kokex.paper.market.feed import MarketFeed
from kokex.paper.matching.order import Order
from kokex.paper.wire.orders import order_row, push_fields
from tests.integration.paper.client import SPOT, SWAP, connect, rest, trading

HOUR = 3_600_000


def fields(folder: Path, name: str) -> set[str]:
    """Names of the first data item of a sample."""
    document: Any = json.loads((folder / "okx-samples" / name).read_text())
    item = document["data"][0] if isinstance(document, dict) and "data" in document else document
    return set(item) if isinstance(item, dict) else set(item[0])


async def test_rest_rows_have_every_field_of_the_samples(server: PaperServer, shared_folder: Path) -> None:
    """Instruments, balance, position, order, trades, fees."""
    paths = {
        "http_get_instruments_spot.json": "public/instruments?instType=SPOT",
        "http_get_instruments_swap.json": "public/instruments?instType=SWAP",
        "http_get_trade_fee_response.json": "account/trade-fee?instType=SPOT",
        "http_get_trades.json": f"market/trades?instId={SPOT}",
        "http_get_order_book.json": f"market/books?instId={SPOT}",
        "http_get_mark_price.json": "public/mark-price?instType=SWAP",
        "http_get_account_balance.json": "account/balance",
        "http_get_orders_history.json": "trade/orders-history?instType=SWAP",
        "http_get_account_positions-history.json": "account/positions-history",
    }
    async with rest(server) as client:
        await client.place(instId=SWAP, tdMode="cross", ordType="market", sz="2")
        held = fields(shared_folder, "http_get_positions.json") - {"pendingCloseOrdLiabVal"}
        assert held <= set((await client.get("account/positions"))[0])
        await client.place(instId=SWAP, tdMode="cross", side="sell", ordType="market", sz="2")
        for name, path in paths.items():
            missing = fields(shared_folder, name) - set((await client.get(path))[0])
            assert not missing, (name, missing)
        sample = json.loads((shared_folder / "okx-samples" / "http_get_account_balance.json").read_text())
        [balance] = await client.get("account/balance")
        assert set(sample["data"][0]["details"][0]) <= set(balance["details"][0])


async def test_pushes_have_every_field_of_the_samples(server: PaperServer, shared_folder: Path) -> None:
    """Orders, account, tickers, trades, best bid and offer, books, instruments."""
    async with rest(server) as client, trading(server) as private, connect(server, "public") as public:
        await private.subscribe({"channel": "account"})
        account = await private.push("account")
        assert fields(shared_folder, "ws_account.json") <= set(account["data"][0])
        await client.place(instId=SWAP, tdMode="cross", ordType="market", sz="2")
        order = await private.push("orders", lambda item: item["state"] == "filled")
        rest_only = {"cancelSourceReason"}
        assert fields(shared_folder, "ws_orders.json") - rest_only <= set(order["data"][0])
        for channel, name in (
            ("tickers", "ws_tickers.json"),
            ("bbo-tbt", "ws_bbo_tbt.json"),
            ("books", "ws_books_snapshot.json"),
        ):
            await public.subscribe({"channel": channel, "instId": SPOT})
            push = await public.push(channel)
            assert fields(shared_folder, name) <= set(push["data"][0]), name
        await public.subscribe({"channel": "instruments", "instType": "SWAP"})
        assert fields(shared_folder, "ws_instruments.json") <= set(
            (await public.push("instruments"))["data"][0]
        )
        await public.subscribe({"channel": "trades", "instId": SPOT})
        await client.admin("POST", "clock", {"step_ticks": 20})
        assert fields(shared_folder, "ws_trades.json") <= set((await public.push("trades"))["data"][0])


DOCUMENTED = (
    "actualPx actualSide actualSz algoClOrdId algoId cTime ccy clOrdId failCode instId instType lever ordId ordPx "
    "ordType posSide reduceOnly side slOrdPx slTriggerPx state sz tag tdMode tpOrdPx tpTriggerPx tradeQuoteCcy "
    "triggerPx triggerTime"
)
STOPS = (
    "amendPxOnTriggerType attachAlgoOrds closeFraction isTradeBorrowMode last linkedOrd ordIdList quickMgnType "
    "slTriggerPxType tgtCcy tpTriggerPxType uTime"
)
ADVANCED = "activePx callbackRatio callbackSpread moveTriggerPx pxLimit pxSpread pxVar szLimit timeInterval"
PUSHED_STOP, PUSHED_ADVANCED = "amendResult notionalUsd reqId", "count isTradeBorrowMode notionalUsd pTime"
"""Names in OKX's examples of orders-algo, algo-advance and orders-algo-history (documentation of June 2026)."""


async def test_algo_orders_have_every_field_of_the_documentation(server: PaperServer) -> None:
    """Over REST and on both channels."""
    fields = {"instId": SWAP, "tdMode": "cross", "side": "sell", "sz": "1"}
    async with rest(server) as client, connect(server, "business") as socket:
        await socket.login()
        await socket.subscribe(
            {"channel": "orders-algo", "instType": "ANY"}, {"channel": "algo-advance", "instType": "ANY"}
        )
        stop = {**fields, "ordType": "trigger", "triggerPx": "1", "orderPx": "-1"}
        await client.call("POST", "trade/order-algo", stop)
        trail = {**fields, "ordType": "move_order_stop", "callbackRatio": "0.5"}
        await client.call("POST", "trade/order-algo", trail)
        told = await socket.push("orders-algo")
        assert set(f"{DOCUMENTED} {STOPS} {PUSHED_STOP}".split()) <= set(told["data"][0])
        told = await socket.push("algo-advance")
        assert set(f"{DOCUMENTED} {ADVANCED} {PUSHED_ADVANCED}".split()) <= set(told["data"][0])
        [row] = await client.get("trade/orders-algo-pending?ordType=trigger")
        assert set(f"{DOCUMENTED} {STOPS} {ADVANCED}".split()) <= set(row)


async def test_algo_orders_have_every_field_of_the_samples(server: PaperServer, shared_folder: Path) -> None:
    """Pending, historical, attached, of a whole position; what is placed and canceled answers as well."""
    names = (
        "http_get_orders_algo_pending.json",
        "http_get_orders_algo_history.json",
        "http_get_orders_algo_pending_attached_oco.json",
        "http_get_orders_algo_pending_close_fraction.json",
        "ws_orders_algo.json",
    )
    async with rest(server) as client:
        stop = {"instId": SWAP, "tdMode": "cross", "side": "sell", "sz": "1", "ordType": "trigger"}
        _, placed = await client.call("POST", "trade/order-algo", {**stop, "triggerPx": "1", "orderPx": "-1"})
        assert fields(shared_folder, "http_place_algo_order_response.json") <= set(placed["data"][0])
        [row] = await client.get("trade/orders-algo-pending?ordType=trigger")
        for name in names:
            missing = fields(shared_folder, name) - set(row) - {"notionalUsd"}
            assert not missing, (name, missing)
        cancel = [{"instId": SWAP, "algoId": row["algoId"]}]
        _, canceled = await client.call("POST", "trade/cancel-algos", cancel)
        assert fields(shared_folder, "http_cancel_algo_order_response.json") <= set(canceled["data"][0])


def test_orders_channel_and_rest_rows_share_their_names(server: PaperServer) -> None:
    """A REST order has no field that would surprise a reader of the channel, but for the reason."""
    item = server.exchange.instruments[SPOT]
    order = Order(
        order_id=1,
        account_uid="1",
        instrument=item,
        side="buy",
        order_type="limit",
        trade_mode="cash",
        ticks=1,
        lots=1,
    )
    assert set(order_row(order)) - set(push_fields(order, Decimal(1))) == {"cancelSourceReason"}


def test_real_candles_come_out_as_they_went_in(shared_folder: Path) -> None:
    """Two years of ether: every row, past and live, to the last digit."""
    path = shared_folder / "data" / "okx_ETH-USDT_1H.csv.gz"
    rows = read_candle_file(path, interval_ms=HOUR, accept_gaps=False).rows
    feed = MarketFeed(PaperConfig(speed=14400, instruments=(SPOT,), candles={SPOT: path}))
    feed.skip_to(feed.start_ms + 500 * HOUR)
    strand = feed.strands[0]
    item = strand.instrument
    shown = strand.history.between(rows[0].start_ms, feed.start_ms + 500 * HOUR)
    assert len(shown) == 2000
    for row, candle in zip(rows, shown, strict=False):
        assert (row.start_ms, row.open, row.close) == (
            candle.start_ms,
            item.price(candle.open),
            item.price(candle.close),
        )
        assert (row.high, row.low, row.volume) == (
            item.price(candle.high),
            item.price(candle.low),
            item.size(candle.volume),
        )


@pytest.mark.parametrize(
    ("name", "interval_ms", "line"),
    [
        ("okx_BTC-USDT_1m_2022q1_gaps.csv.gz", 60_000, "line 43199"),
        ("binance_BTCUSDT_1H_2017-2021_flaws.csv.gz", HOUR, "line 882"),
    ],
)
def test_flawed_files_are_refused_or_filled(
    shared_folder: Path, name: str, interval_ms: int, line: str
) -> None:
    """The first gap is named by its line; where gaps are accepted the rows are whole."""
    path = shared_folder / "data" / name
    with pytest.raises(DataError, match=line):
        read_candle_file(path, interval_ms=interval_ms, accept_gaps=False)
    rows = read_candle_file(path, interval_ms=interval_ms, accept_gaps=True).rows
    assert [row.start_ms for row in rows] == [
        rows[0].start_ms + step * interval_ms for step in range(len(rows))
    ]
