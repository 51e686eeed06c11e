"""Requests that OKX would refuse are refused with its codes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.paper.trading import SPOT, SWAP, Trader, trader


@pytest.fixture(scope="module")
def one() -> Trader:
    return trader()


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"instId": "DOGE-USDT"}, "51001"),
        ({"instId": ""}, "50014"),
        ({"side": ""}, "50014"),
        ({"side": "long"}, "51000"),
        ({"ordType": "iceberg"}, "51000"),
        ({"tdMode": "cross"}, "51000"),
        ({"sz": ""}, "50014"),
        ({"sz": "-1"}, "51000"),
        ({"sz": "many"}, "51000"),
        ({"sz": "NaN"}, "51000"),
        ({"sz": "0.00005"}, "51020"),
        ({"sz": "0.0001001"}, "51121"),
        ({"sz": "9999999999"}, "51101"),
        ({"px": ""}, "50014"),
        ({"px": "0"}, "51000"),
        ({"px": "2000.001"}, "51150"),
        ({"clOrdId": "with-dash"}, "51000"),
        ({"clOrdId": "x" * 33}, "51000"),
        ({"tag": "t" * 17}, "51000"),
        ({"stpMode": "never"}, "51000"),
        ({"ordType": "fok", "stpMode": "cancel_both"}, "50016"),
        ({"sz": "80"}, "51008"),
        ({"side": "sell", "sz": "101"}, "51008"),
        ({"ordType": "market", "sz": "100001"}, "51008"),
        ({"attachAlgoOrds": [{"tpTriggerPx": "1"}]}, "50014"),
        ({"attachAlgoOrds": [{"tpTriggerPx": "1", "tpOrdPx": "-1"}] * 2}, "51086"),
        ({"attachAlgoOrds": [{"tpTriggerPx": "1", "tpOrdPx": "-1", "tpTriggerRatio": "0.1"}]}, "51000"),
        ({"instId": SWAP, "tdMode": "cash"}, "51000"),
        ({"instId": SWAP, "posSide": "long"}, "51000"),
        ({"instId": SWAP, "reduceOnly": True}, "51169"),
        ({"instId": SWAP, "sz": "100000"}, "51008"),
    ],
)
def test_codes(one: Trader, fields: dict[str, Any], code: str) -> None:
    """Each with its code, a message, no order id, and nothing left behind."""
    answer = one.place(**{"sz": "0.1", "px": one.price(one.best_bid() - 100), **fields})
    assert answer["sCode"] == code, answer
    assert answer["sMsg"]
    assert answer["ordId"] == ""
    assert not one.exchange.records.open_orders(one.account.uid)
    assert not any(one.account.frozen.values())


def test_the_price_band(one: Trader) -> None:
    """Too dear a buy and too cheap a sell are refused, or moved where the client asked for it."""
    high, low = one.price(one.best_ask() * 2), one.price(one.best_bid() // 2)
    assert one.place(sz="0.1", px=high)["sCode"] == "51137"
    assert one.place(side="sell", sz="0.1", px=low)["sCode"] == "51138"
    assert one.place(sz="0.001", px=high, pxAmendType="1")["sCode"] == "0"


def test_client_order_ids_are_unique_among_pending_orders_only() -> None:
    """A second pending order of that name is refused; after the first ended the name is free again."""
    one = trader()
    fields = {"sz": "0.1", "px": one.price(one.best_bid() - 100), "clOrdId": "mine"}
    first = one.placed(**fields)
    assert one.place(**fields)["sCode"] == "51016"
    assert one.place(**{**fields, "instId": SWAP, "sz": "1"})["sCode"] == "51016"
    one.cancel(first)
    second = one.placed(**fields)
    found = one.exchange.records.find(one.account.uid, SPOT, order_id="", client_order_id="mine")
    assert found is second


def test_cancel_and_amend_of_what_is_not_there() -> None:
    """51400, 51503 and 51003."""
    one = trader()
    order = one.placed(sz="0.1", px=one.price(one.best_bid() - 100))
    assert one.cancel(order)["sCode"] == "0"
    assert one.cancel(order)["sCode"] == "51400"
    assert one.amend(order, newSz="1")["sCode"] == "51503"
    desk = one.exchange.desk
    assert desk.cancel(one.account, {"instId": SPOT})["sCode"] == "51003"
    assert desk.cancel(one.account, {"instId": SPOT, "ordId": "77"})["sCode"] == "51400"
    assert one.amend(order)["sCode"] == "51503"


def test_an_account_cannot_touch_another_ones_order() -> None:
    """An order id of someone else does not exist for you."""
    one = trader()
    order = one.placed(sz="0.1", px=one.price(one.best_bid() - 100))
    stranger = one.exchange.records.find("someone", SPOT, order_id=str(order.order_id), client_order_id="")
    assert stranger is None


def test_pending_orders_are_capped_per_instrument() -> None:
    """500, as on OKX."""
    one = trader()
    price = one.price(one.best_bid() - 1000)
    for _ in range(500):
        one.placed(sz="0.0001", px=price)
    assert one.place(sz="0.0001", px=price)["sCode"] == "51174"


def test_amending_beyond_the_balance_is_refused() -> None:
    """What the order holds already counts."""
    one = trader()
    order = one.placed(sz="20", px=one.price(one.best_bid() - 100))
    assert one.amend(order, newSz="60")["sCode"] == "51008"
    assert one.amend(order, newSz="30")["sCode"] == "0"
    held = one.account.frozen["USDT"]
    assert held == order.instrument.notional(order.ticks or 0, order.lots)
