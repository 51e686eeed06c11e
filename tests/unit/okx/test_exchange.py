"""Queries: which lists are asked, how far back, and what is made of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from kokex.adapters.okx.exchange import OKXExchange
from kokex.adapters.okx.http import HttpAnswer
from kokex.domain.candle import Interval
from kokex.domain.errors import DataError, ExchangeRejectedError
from kokex.domain.instrument import InstrumentKind
from tests.builders import START
from tests.unit.okx.okx_fakes import (
    Request,
    ScriptedTransport,
    SkippingClock,
    ok,
    payload,
    refusal,
    rest_client,
)

NOW = START + timedelta(days=30)


@pytest.fixture
def transport() -> ScriptedTransport:
    """An exchange whose clock is thirty days after the start."""
    return ScriptedTransport(SkippingClock(NOW))


@pytest.fixture
def exchange(transport: ScriptedTransport) -> OKXExchange:
    """The adapter on it."""
    return OKXExchange(rest_client(transport), transport.clock)


def ms(moment: datetime) -> str:
    """As OKX writes it."""
    return str(round(moment.timestamp() * 1000))


def order_row(number: int, moment: datetime, **changes: Any) -> dict[str, Any]:
    """A closed order."""
    row = payload("rest_order_filled.json")["data"][0]
    times = {"cTime": ms(moment), "uTime": ms(moment)}
    return {**row, "ordId": str(number), "clOrdId": f"c{number}", **times, **changes}


def fill_row(number: int, moment: datetime) -> dict[str, Any]:
    """A fill with a bill."""
    row = payload("rest_fills.json")["data"][0]
    return {**row, "billId": str(number), "tradeId": str(number), "fillTime": ms(moment), "ts": ms(moment)}


def serve(transport: ScriptedTransport, path: str, rows: list[dict[str, Any]], key: str) -> None:
    """A paged list, newest first, `after` exclusive."""

    def answer(asked: Request) -> HttpAnswer:
        after = asked.query.get("after")
        older = [row for row in rows if after is None or int(row[key]) < int(after)]
        return ok(*sorted(older, key=lambda row: -int(row[key]))[: int(asked.query["limit"])])

    transport.handle(path, answer)


async def test_instruments_of_a_kind(exchange: OKXExchange, transport: ScriptedTransport) -> None:
    """Spot: all with steps; swaps: the linear ones."""
    transport.handle(
        "public/instruments",
        lambda asked: ok(*payload(f"rest_instruments_{asked.query['instType'].lower()}.json")["data"]),
    )
    assert [one.inst_id for one in await exchange.instruments(InstrumentKind.SPOT)] == [
        "ETH-USDT",
        "OLD-USDT",
    ]
    assert [one.inst_id for one in await exchange.instruments(InstrumentKind.SWAP)] == ["BTC-USDT-SWAP"]


async def test_one_instrument(exchange: OKXExchange, transport: ScriptedTransport) -> None:
    """Asked for by its id and the type that its name tells."""
    transport.script("public/instruments", ok(payload("rest_instruments_swap.json")["data"][0]))
    assert (await exchange.instrument("BTC-USDT-SWAP")).inst_id == "BTC-USDT-SWAP"
    assert transport.requests[-1].query == {"instType": "SWAP", "instId": "BTC-USDT-SWAP"}


@pytest.mark.parametrize("answer", [ok(), refusal("51001")])
async def test_an_unknown_instrument_is_rejected(
    exchange: OKXExchange, transport: ScriptedTransport, answer: HttpAnswer
) -> None:
    """Whether OKX says so or answers with nothing."""
    transport.script("public/instruments", answer)
    with pytest.raises(ExchangeRejectedError) as raised:
        await exchange.instrument("NO-SUCH")
    assert raised.value.code == "51001"


async def test_no_ticker_is_rejected(exchange: OKXExchange, transport: ScriptedTransport) -> None:
    """An empty answer is no price."""
    transport.script("market/ticker", ok())
    with pytest.raises(ExchangeRejectedError):
        await exchange.ticker("NO-SUCH")


async def test_candles_ask_for_bars_older_than_the_end(
    exchange: OKXExchange, transport: ScriptedTransport
) -> None:
    """`after` is exclusive, so the end itself is not among them; 300 a page."""
    transport.script("market/candles", ok())
    transport.script("market/history-candles", ok(), ok())
    found = await exchange.candles("ETH-USDT", Interval("1Dutc"), start=START, end=NOW)
    assert found == []
    assert transport.seen("market/candles")[0].query == {
        "instId": "ETH-USDT",
        "bar": "1Dutc",
        "after": ms(NOW),
        "limit": "300",
    }


async def test_the_account_is_balances_and_positions(
    exchange: OKXExchange, transport: ScriptedTransport
) -> None:
    """Taken at the exchange's time."""
    transport.script("account/balance", ok(payload("rest_balance.json")["data"][0]))
    transport.script("account/positions", ok(*payload("rest_positions.json")["data"]))
    snapshot = await exchange.account()
    assert set(snapshot.balances) == {"USDT", "ETH"}
    assert set(snapshot.positions) == {"BTC-USDT-SWAP", "ETH-USDT-SWAP"}
    assert snapshot.taken_at == NOW


async def test_an_order_is_found_by_either_id(exchange: OKXExchange, transport: ScriptedTransport) -> None:
    """And by one at least."""
    transport.script("trade/order", ok(order_row(5, START)))
    assert (await exchange.order("ETH-USDT", client_order_id="c5")) is not None
    assert (await exchange.order("ETH-USDT", order_id="5")) is not None
    assert [request.query for request in transport.seen("trade/order")] == [
        {"instId": "ETH-USDT", "clOrdId": "c5"},
        {"instId": "ETH-USDT", "ordId": "5"},
    ]
    with pytest.raises(ValueError, match="client_order_id"):
        await exchange.order("ETH-USDT")


@pytest.mark.parametrize("answer", [refusal("51603"), refusal("51063"), ok()])
async def test_an_order_that_is_not_known_is_none(
    exchange: OKXExchange, transport: ScriptedTransport, answer: HttpAnswer
) -> None:
    """No proof that it never lived, but no error either."""
    transport.script("trade/order", answer)
    assert await exchange.order("ETH-USDT", client_order_id="c5") is None


async def test_other_refusals_of_a_query_are_errors(
    exchange: OKXExchange, transport: ScriptedTransport
) -> None:
    """An unknown instrument is not an unknown order."""
    transport.script("trade/order", refusal("51001"))
    with pytest.raises(ExchangeRejectedError):
        await exchange.order("ETH-USDT", client_order_id="c5")


async def test_open_orders_are_read_to_the_end(exchange: OKXExchange, transport: ScriptedTransport) -> None:
    """250 of them on three pages, oldest first, each once."""
    rows = [order_row(1000 + index, START + timedelta(seconds=index), state="live") for index in range(250)]
    serve(transport, "trade/orders-pending", rows, "ordId")
    found = await exchange.open_orders("ETH-USDT")
    assert [order.order_id for order in found] == [str(1000 + index) for index in range(250)]
    assert len(transport.seen("trade/orders-pending")) == 3


async def test_recent_order_history_needs_no_archive(
    exchange: OKXExchange, transport: ScriptedTransport
) -> None:
    """Within seven days; what is older than asked is left out."""
    since = NOW - timedelta(days=2)
    rows = [order_row(index, NOW - timedelta(hours=6 * (40 - index))) for index in range(1, 41)]
    serve(transport, "trade/orders-history", rows, "ordId")
    found = await exchange.order_history("ETH-USDT", since)
    assert [order.order_id for order in found] == [str(index) for index in range(32, 41)]
    assert transport.seen("trade/orders-history")[0].query["instType"] == "SPOT"
    assert "begin" not in transport.requests[-1].query


async def test_older_order_history_comes_from_the_archive(
    exchange: OKXExchange, transport: ScriptedTransport
) -> None:
    """Both lists are read and an order that is in both counts once, as the fresher list has it."""
    recent = [order_row(20, NOW - timedelta(days=1)), order_row(19, NOW - timedelta(days=6), accFillSz="0.3")]
    archive = [
        order_row(19, NOW - timedelta(days=6), accFillSz="0.1"),
        order_row(3, NOW - timedelta(days=20), accFillSz="0.2"),
    ]
    serve(transport, "trade/orders-history", recent, "ordId")
    serve(transport, "trade/orders-history-archive", archive, "ordId")
    found = await exchange.order_history("ETH-USDT", NOW - timedelta(days=25))
    assert [(order.order_id, str(order.filled_quantity)) for order in found] == [
        ("3", "0.2"),
        ("19", "0.3"),
        ("20", "0.3"),
    ]


async def test_recent_fills_are_paged_by_bill(exchange: OKXExchange, transport: ScriptedTransport) -> None:
    """Oldest first, at or after `since`, no list of older ones."""
    rows = [fill_row(1000 + index, NOW - timedelta(minutes=300 - index)) for index in range(300)]
    serve(transport, "trade/fills", rows, "billId")
    found = await exchange.fills("ETH-USDT", NOW - timedelta(minutes=150))
    assert [fill.bill_id for fill in found] == [str(1000 + index) for index in range(150, 300)]
    assert [request.query.get("after") for request in transport.seen("trade/fills")] == [None, "1200"]


async def test_fills_beyond_three_days_come_from_the_long_list_too(
    exchange: OKXExchange, transport: ScriptedTransport
) -> None:
    """Each once."""
    rows = [fill_row(index, NOW - timedelta(days=10 - index)) for index in range(1, 11)]
    serve(transport, "trade/fills", rows[-3:], "billId")
    serve(transport, "trade/fills-history", rows, "billId")
    found = await exchange.fills("ETH-USDT", NOW - timedelta(days=9))
    assert [fill.bill_id for fill in found] == [str(index) for index in range(1, 11)]


async def test_an_exchange_whose_days_are_not_ours_is_asked_for_both_lists(
    exchange: OKXExchange, transport: ScriptedTransport
) -> None:
    """A paper market's time may be ahead of every clock."""
    rows = [fill_row(1, NOW + timedelta(days=90)), fill_row(2, NOW + timedelta(days=99))]
    serve(transport, "trade/fills", rows[1:], "billId")
    serve(transport, "trade/fills-history", rows, "billId")
    assert len(await exchange.fills("ETH-USDT", NOW + timedelta(days=80))) == 2


async def test_a_page_of_fills_without_bills_cannot_be_read_on(
    exchange: OKXExchange, transport: ScriptedTransport
) -> None:
    """Better an error than half of the fills."""
    row = {**fill_row(1, NOW), "billId": ""}
    transport.script("trade/fills", ok(*[row] * 100))
    with pytest.raises(DataError, match="billId"):
        await exchange.fills("ETH-USDT", NOW - timedelta(hours=1))


async def test_close_releases_the_connections(exchange: OKXExchange, transport: ScriptedTransport) -> None:
    """Of the transport."""
    await exchange.close()
    assert transport.closed
