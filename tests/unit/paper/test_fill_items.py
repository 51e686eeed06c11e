"""How executions become items of the fills channel."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from kokex.paper.ledger.account import FillRecord
from kokex.paper.wire.fills import fill_items

TAKEN = FillRecord(
    bill_id=1,
    order_id=26,
    client_order_id="17",
    tag="",
    inst_id="ETH-USDT",
    inst_type="SPOT",
    trade_id="901",
    price=Decimal("3000.5"),
    quantity=Decimal("0.25"),
    side="buy",
    position_side="net",
    exec_type="T",
    fee=Decimal("-0.00025"),
    fee_currency="ETH",
    fee_rate=Decimal("-0.001"),
    pnl=Decimal(0),
    sub_kind="1",
    filled_ms=1_000,
    recorded_ms=1_001,
    mark=Decimal(3000),
)


def test_a_takers_trades_at_one_price_are_one_item() -> None:
    """Sizes add up, the last trade names the item, the fee stays out."""
    more = replace(TAKEN, trade_id="902", quantity=Decimal("0.5"))
    dearer = replace(TAKEN, trade_id="903", price=Decimal(3001))
    first, second = fill_items([TAKEN, more, dearer])
    assert first == {
        "instId": "ETH-USDT",
        "fillSz": "0.75",
        "fillPx": "3000.5",
        "side": "buy",
        "ts": "1000",
        "ordId": "26",
        "clOrdId": "17",
        "tradeId": "902",
        "execType": "T",
        "count": "2",
    }
    assert (second["tradeId"], second["count"], second["fillPx"]) == ("903", "1", "3001")


def test_a_makers_trades_stay_apart_and_liquidations_stay_out() -> None:
    """Makers are not aggregated; a trade outside the book is no fill of this channel."""
    maker = replace(TAKEN, exec_type="M")
    items = fill_items([maker, replace(maker, trade_id="902"), replace(TAKEN, trade_id="-903")])
    assert [(item["tradeId"], item["count"]) for item in items] == [("901", "1"), ("902", "1")]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("", "0"),
        ("a1", "0"),
        ("0", "0"),
        ("42", "42"),
        ("9223372036854775807", "9223372036854775807"),
        ("9223372036854775808", "0"),
    ],
)
def test_a_name_is_shown_where_it_is_a_positive_64_bit_number(name: str, shown: str) -> None:
    """Everything else is "0"."""
    [item] = fill_items([replace(TAKEN, client_order_id=name)])
    assert item["clOrdId"] == shown
