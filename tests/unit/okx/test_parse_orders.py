"""Order pushes and rows, fills: every shape that OKX documents."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokex.adapters.okx.parse.orders import parse_fill, parse_order_push, parse_order_row
from kokex.domain.errors import DataError
from kokex.domain.events import classify
from kokex.domain.instrument import Side
from kokex.domain.order import OrderStatus
from tests.unit.okx.okx_fakes import item

D = Decimal


def at(milliseconds: int) -> datetime:
    """Unix milliseconds."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def test_an_accepted_order_has_no_fill_and_no_average_price() -> None:
    """`avgPx` "0" and blank fill fields mean that nothing happened yet."""
    payload = item("ws_order_live.json")
    update = parse_order_push(payload)
    assert (update.inst_id, update.order_id, update.client_order_id) == (
        "ETH-USDT",
        "2600000000000000101",
        "KXab3fP1D2S0",
    )
    assert (update.side, update.order_type, update.status) == (Side.BUY, "limit", OrderStatus.ACCEPTED)
    assert (update.quantity, update.price, update.filled_quantity) == (D("0.3"), D("2000.5"), D(0))
    assert update.average_price is None and update.fill is None
    assert update.created_at == update.occurred_at == at(1795000000000)
    assert update.raw == payload
    assert classify(update).event_type == "buy_order_live"


def test_a_partial_fill_reports_its_execution() -> None:
    """The `fill*` fields tell of this push alone, `fee` of the whole order."""
    update = parse_order_push(item("ws_order_partial.json"))
    fill = update.fill
    assert update.status is OrderStatus.PARTIALLY_FILLED and fill is not None
    assert (fill.trade_id, fill.price, fill.quantity) == ("900001", D("2000.5"), D("0.1"))
    assert (fill.fee, fill.fee_currency, fill.maker) == (D("-0.00008"), "ETH", True)
    assert fill.occurred_at == at(1795000005000) and update.occurred_at == at(1795000005001)
    assert classify(update).event_key == "fill:900001"


def test_the_last_fill_keeps_every_digit_of_its_fee() -> None:
    """Fees can have more than eight decimals."""
    update = parse_order_push(item("ws_order_filled.json"))
    assert update.status is OrderStatus.FILLED and update.fill is not None
    assert update.fill.fee == D("-0.00000192834") and update.fee == D("-0.00008192834")
    assert update.fill.maker is False and update.filled_quantity == D("0.3")
    assert classify(update).event_type == "buy_order_done"


def test_a_cancel_after_a_partial_fill_keeps_what_was_filled_and_says_who() -> None:
    """No execution in this push; the reason in words."""
    update = parse_order_push(item("ws_order_canceled_after_partial.json"))
    assert update.status is OrderStatus.CANCELED and update.fill is None
    assert update.filled_quantity == D("0.1") and update.cancel_reason == "canceled by the user"
    assert classify(update).event_key == "canceled"


@pytest.mark.parametrize(
    ("source", "words"),
    [("31", "post-only"), ("20", "cancel-all-after"), ("99", "99")],
)
def test_every_cancel_source_has_words(source: str, words: str) -> None:
    """An unlisted source is told by its number: the list is open-ended."""
    row = {**json.loads(item("ws_order_post_only_canceled.json")), "cancelSource": source}
    assert words in (parse_order_push(json.dumps(row).encode()).cancel_reason or "")


def test_market_maker_protection_is_a_cancel() -> None:
    """`mmp_canceled` is terminal like `canceled`."""
    row = {**json.loads(item("ws_order_live.json")), "state": "mmp_canceled"}
    assert parse_order_push(json.dumps(row).encode()).status is OrderStatus.CANCELED


def test_an_amendment_is_known_by_its_request_id() -> None:
    """`reqId` counts where `amendResult` says that this push answers it."""
    done = parse_order_push(item("ws_order_amended.json"))
    assert (done.request_id, done.amend_result, done.price) == ("am01", "0", D(1999))
    assert classify(done).event_key == "amend:am01"
    failed = parse_order_push(item("ws_order_amend_failed.json"))
    assert (failed.request_id, failed.amend_result) == ("am02", "-1")


def test_a_full_fill_without_a_trade_id_is_done_without_an_execution() -> None:
    """Its size is the difference of `accFillSz`, which the push alone does not tell."""
    update = parse_order_push(item("ws_order_filled_without_trade_id.json"))
    assert update.fill is None and update.filled_quantity == D("0.3") and update.average_price == D("2000.7")
    assert classify(update).event_key == "filled"


def test_an_order_sized_in_quote_has_the_quantity_that_filled() -> None:
    """`sz` of a market buy by value is money, no quantity."""
    update = parse_order_push(item("ws_order_market_in_quote.json"))
    assert update.quantity == update.filled_quantity == D("0.29")


def test_a_liquidation_has_no_trade_id() -> None:
    """OKX writes "0" for it in order pushes."""
    update = parse_order_push(item("ws_order_liquidation.json"))
    assert update.fill is not None and update.fill.trade_id is None and update.fill.quantity == D(5)
    assert update.client_order_id is None and update.side is Side.SELL


def test_missing_and_blank_fields_are_unknown() -> None:
    """Old frames leave out half of the fields."""
    update = parse_order_push(item("ws_order_sparse.json"))
    assert update.fee is None and update.fee_currency is None and update.client_order_id is None
    assert update.filled_quantity == D(0) and update.average_price is None and update.fill is None


def test_a_rest_row_reports_no_execution() -> None:
    """Its fill fields repeat the last fill; taken for news it would be counted twice."""
    assert parse_order_row(item("rest_order_filled.json")).fill is None
    row = parse_order_row(item("rest_order_open.json"))
    assert row.status is OrderStatus.ACCEPTED and row.average_price is None


def test_fills_have_their_ledger_entry() -> None:
    """`billId` is the cursor; a negative trade id is a liquidation's own; a blank `fillTime` falls back on `ts`."""
    first, second = (parse_fill(item("rest_fills.json", index)) for index in (0, 1))
    assert (first.bill_id, first.trade_id, first.fee) == (
        "1600000000000000007",
        "900001",
        D("-0.00000192834"),
    )
    assert first.occurred_at == at(1795000005000) and first.maker is True
    assert (second.trade_id, second.side, second.fee) == ("-77", Side.SELL, D("0.002"))
    assert second.occurred_at == at(1795000005001) and second.client_order_id is None


@pytest.mark.parametrize(
    "broken",
    [
        b"{",
        b"[]",
        b"null",
        b"{}",
        b'{"instId":"ETH-USDT"}',
        item("ws_order_live.json").replace(b'"live"', b'"frozen"'),
        item("ws_order_live.json").replace(b'"0.3"', b'"much"'),
        item("ws_order_live.json").replace(b'"0.3"', b'"NaN"'),
        item("ws_order_live.json").replace(b'"1795000000000"', b'"99999999999999999"'),
        item("ws_order_live.json").replace(b'"buy"', b'"hold"'),
        item("ws_order_live.json").replace(b'"2600000000000000101"', b'"26\\u000001"'),
        item("ws_order_live.json").replace(b'"KXab3fP1D2S0"', b'"KX\\u0000"'),
        item("ws_order_partial.json")[:-20],
        b"\xff\xfe",
    ],
)
def test_what_cannot_be_read_is_told_with_its_beginning(broken: bytes) -> None:
    """One error for everything that a payload can break."""
    with pytest.raises(DataError, match="OKX sent something unreadable"):
        parse_order_push(broken)


@given(
    st.dictionaries(
        st.sampled_from(
            ["sz", "px", "state", "side", "accFillSz", "uTime", "cTime", "fillSz", "fillPx", "fee"]
        ),
        st.one_of(st.text(max_size=12), st.integers(), st.none(), st.floats(), st.booleans()),
    )
)
def test_no_payload_breaks_more_than_itself(changes: dict[str, Any]) -> None:
    """Whatever a field holds: an update or a `DataError`, nothing else."""
    row = {**json.loads(item("ws_order_partial.json")), **changes}
    try:
        update = parse_order_push(json.dumps(row).encode())
    except DataError:
        return
    assert update.occurred_at.tzinfo is UTC and update.quantity.is_finite()


def test_what_a_stop_of_ours_became_goes_by_the_stop_s_name() -> None:
    """It has no `clOrdId`; a stop of somebody else's gives no name."""
    row = json.loads(item("ws_order_live.json"))
    row |= {"clOrdId": "", "algoId": "77", "algoClOrdId": "KXab3fP1D2S0T"}
    assert parse_order_push(json.dumps(row).encode()).client_order_id == "KXab3fP1D2S0T"
    for name in ("KXab3fP1D2S0", "by hand", ""):
        row["algoClOrdId"] = name
        assert parse_order_push(json.dumps(row).encode()).client_order_id is None
    row["clOrdId"] = "KXab3fP1D2S1"
    assert parse_order_push(json.dumps(row).encode()).client_order_id == "KXab3fP1D2S1"
