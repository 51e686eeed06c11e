"""What is asked of an account besides its orders, and lists over all instruments."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from kokex.adapters.okx.exchange import OKXExchange
from kokex.adapters.okx.http import HttpAnswer
from kokex.domain.account import PositionMode
from kokex.domain.account_reports import StopState
from kokex.domain.errors import DataError, ExchangeRejectedError
from kokex.domain.instrument import PositionSide
from tests.unit.okx.okx_fakes import (
    Request,
    ScriptedTransport,
    SkippingClock,
    ok,
    payload,
    refusal,
    rest_client,
)
from tests.unit.okx.test_exchange import NOW, fill_row, order_row, serve

D = Decimal


@pytest.fixture
def transport() -> ScriptedTransport:
    """Answers by script."""
    return ScriptedTransport(SkippingClock(NOW))


@pytest.fixture
def exchange(transport: ScriptedTransport) -> OKXExchange:
    """One account."""
    return OKXExchange(rest_client(transport), transport.clock)


async def test_positions_are_told_one_by_one(exchange: OKXExchange, transport: ScriptedTransport) -> None:
    """Long and short beside each other, closed ones left out, all of them part of a full picture."""
    transport.script("account/positions", ok(*payload("rest_positions.json")["data"]))
    found = await exchange.positions()
    assert [(one.inst_id, one.side, one.quantity) for one in found] == [
        ("BTC-USDT-SWAP", PositionSide.NET, D(-3)),
        ("ETH-USDT-SWAP", PositionSide.LONG, D(5)),
        ("ETH-USDT-SWAP", PositionSide.SHORT, D(-2)),
    ]
    assert all(one.snapshot for one in found)
    assert transport.seen("account/positions")[0].query == {"instType": "SWAP"}


async def test_a_position_that_cannot_be_read_is_no_picture(
    exchange: OKXExchange, transport: ScriptedTransport
) -> None:
    """Left out it would count as closed."""
    row = {**payload("rest_positions.json")["data"][0], "pos": "many"}
    transport.script("account/positions", ok(row))
    with pytest.raises(DataError):
        await exchange.positions()


async def test_balances_are_told_one_by_one(exchange: OKXExchange, transport: ScriptedTransport) -> None:
    """And an account without any row is empty."""
    transport.script("account/balance", ok(*payload("ws_account_snapshot.json")["data"]), ok())
    usdt, btc = await exchange.balances()
    assert (usdt.currency, usdt.total, usdt.snapshot) == ("USDT", D("1000.00000192834"), True)
    assert btc.currency == "BTC"
    assert await exchange.balances() == []


async def test_open_stops_of_every_type(exchange: OKXExchange, transport: ScriptedTransport) -> None:
    """Each type is a list of its own; one that this exchange does not know is empty; oldest first."""

    def answer(asked: Request) -> HttpAnswer:
        if asked.query["ordType"] == "conditional,oco":
            return ok(*payload("rest_stops.json")["data"])
        if asked.query["ordType"] == "smart_iceberg":
            return refusal("51000", message="Parameter ordType error")
        return ok()

    transport.handle("trade/orders-algo-pending", answer)
    found = await exchange.open_stops("BTC-USDT-SWAP")
    assert [stop.stop_id[-3:] for stop in found] == ["499", "501"]
    assert found[0].quantity is None and found[1].stop_loss_price == D(61000)
    assert all(stop.snapshot and stop.state is StopState.LIVE for stop in found)
    asked = transport.seen("trade/orders-algo-pending")
    assert {one.query["ordType"] for one in asked} >= {
        "trigger",
        "move_order_stop",
        "iceberg",
        "twap",
        "chase",
    }
    assert {one.query["instId"] for one in asked} == {"BTC-USDT-SWAP"}


async def test_long_lists_of_stops_are_read_to_the_end(
    exchange: OKXExchange, transport: ScriptedTransport
) -> None:
    """100 a page."""
    row = payload("rest_stops.json")["data"][0]
    serve(
        transport,
        "trade/orders-algo-pending",
        [{**row, "algoId": str(990 + n)} for n in range(150)],
        "algoId",
    )
    found = {stop.stop_id for stop in await exchange.open_stops()}
    assert len(found) == 150


async def test_other_refusals_of_stops_are_errors(
    exchange: OKXExchange, transport: ScriptedTransport
) -> None:
    """Silence would say that there are none."""
    transport.script("trade/orders-algo-pending", refusal("51001", message="no such instrument"))
    with pytest.raises(ExchangeRejectedError):
        await exchange.open_stops("NO-SUCH")


async def test_what_became_of_a_stop(exchange: OKXExchange, transport: ScriptedTransport) -> None:
    """By its id; None where OKX has forgotten it."""
    transport.script(
        "trade/order-algo", ok(payload("ws_stop_triggered.json")["data"][0]), refusal("51603"), ok()
    )
    stop = await exchange.stop("2600000000000000501")
    assert stop is not None and stop.state is StopState.TRIGGERED and len(stop.order_ids) == 2
    assert transport.seen("trade/order-algo")[0].query == {"algoId": "2600000000000000501"}
    assert await exchange.stop("1") is None and await exchange.stop("2") is None


async def test_how_the_account_is_set_up(exchange: OKXExchange, transport: ScriptedTransport) -> None:
    """Position mode and permissions."""
    transport.script("account/config", ok(*payload("rest_settings.json")["data"]))
    found = await exchange.settings()
    assert found.position_mode is PositionMode.LONG_SHORT and "trade" in found.permissions


async def test_fills_are_read_back_to_a_ledger_entry(
    exchange: OKXExchange, transport: ScriptedTransport
) -> None:
    """Whatever the exchange's clock says of them; `since` is the overlap before it."""
    rows = [fill_row(1000 + index, NOW - timedelta(minutes=300 - index)) for index in range(300)]
    serve(transport, "trade/fills", rows, "billId")
    recent = NOW - timedelta(minutes=10)
    found = await exchange.fills("ETH-USDT", recent, after_bill_id="1120")
    assert [fill.bill_id for fill in found] == [str(1000 + index) for index in range(121, 300)]
    found = await exchange.fills("ETH-USDT", recent, after_bill_id="1298")
    assert [fill.bill_id for fill in found] == [str(1000 + index) for index in range(290, 300)]


async def test_orders_and_fills_of_all_instruments(
    exchange: OKXExchange, transport: ScriptedTransport
) -> None:
    """Spot and swaps are asked for apart, with no instrument named."""
    since = NOW - timedelta(hours=1)

    def of_kind(asked: Request) -> HttpAnswer:
        number = 1 if asked.query["instType"] == "SPOT" else 2
        moment = NOW - timedelta(minutes=number)
        return ok(fill_row(number, moment) if "fills" in asked.path else order_row(number, moment))

    for path in ("trade/orders-pending", "trade/orders-history", "trade/fills"):
        transport.handle(path, of_kind)
    assert [order.order_id for order in await exchange.open_orders()] == ["2", "1"]
    assert [order.order_id for order in await exchange.order_history(None, since)] == ["2", "1"]
    assert [fill.bill_id for fill in await exchange.fills(None, since)] == ["2", "1"]
    assert all("instId" not in one.query for one in transport.requests)
