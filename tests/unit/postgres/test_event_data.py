"""What is journalled of an event comes back as it was."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokex.adapters.postgres import event_data
from kokex.domain.events import EventSource, classify
from kokex.domain.instrument import PositionSide, Side
from kokex.domain.order import Fill, OrderStatus, OrderUpdate
from kokex.ports.store import JournalEntry
from tests.builders import START, fill, update

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
amounts = st.decimals(allow_nan=False, allow_infinity=False)
moments = st.datetimes(timezones=st.just(UTC), min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1))  # noqa: DTZ001
fills = st.builds(
    Fill,
    inst_id=words,
    order_id=words,
    trade_id=st.none() | words,
    side=st.sampled_from(Side),
    price=amounts,
    quantity=amounts,
    fee=st.none() | amounts,
    fee_currency=st.none() | words,
    maker=st.none() | st.booleans(),
    occurred_at=moments,
    client_order_id=st.none() | words,
    bill_id=st.none() | words,
)
order_updates = st.builds(
    OrderUpdate,
    inst_id=words,
    order_id=words,
    client_order_id=st.none() | words,
    side=st.sampled_from(Side),
    order_type=words,
    status=st.sampled_from(
        [OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED, OrderStatus.CANCELED]
    ),
    quantity=amounts,
    price=st.none() | amounts,
    filled_quantity=amounts,
    average_price=st.none() | amounts,
    fee=st.none() | amounts,
    fee_currency=st.none() | words,
    created_at=moments,
    occurred_at=moments,
    fill=st.none() | fills,
    request_id=st.none() | words,
    amend_result=st.none() | words,
    cancel_reason=st.none() | words,
    never_live=st.booleans(),
    position_side=st.sampled_from(PositionSide),
    raw=st.dictionaries(words, words, max_size=3).map(lambda raw: json.dumps(raw).encode()),
)


def entry(of: OrderUpdate) -> JournalEntry:
    return JournalEntry(7, 3, classify(of), EventSource.RECONCILE, True, START)


@given(told=order_updates)
def test_round_trip(told: OrderUpdate) -> None:
    """Every field, to the last digit of every number; raw JSON byte for byte."""
    data = event_data.decode(event_data.encode(entry(told)))

    back = data.order_update(event_data.raw_text(told.raw).decode())
    assert back == told
    assert str(back.quantity) == str(told.quantity)
    assert (data.source, data.external, data.received_at) == (EventSource.RECONCILE, True, START)


def test_shape() -> None:
    """Four parts, decimals as text, nothing that is not known; a fill says only what the order does not."""
    told = update(quantity=Decimal("0.10"), price=None, fill=fill(7))
    document = json.loads(event_data.encode(entry(told)))

    assert set(document) == {"source", "external", "received_at", "update"}
    assert document["received_at"] == "2026-01-01T00:00:00Z"
    assert document["update"]["quantity"] == "0.10"
    assert "price" not in document["update"]
    assert document["update"]["fill"]["trade_id"] == "7"
    assert not {"inst_id", "order_id", "side", "client_order_id"} & set(document["update"]["fill"])


@pytest.mark.parametrize(
    ("kept", "back"),
    [(b'{"ordId": "9001"}', b'{"ordId":"9001"}'), (rb'"{\"broken"', b'{"broken')],
    ids=["object", "text"],
)
def test_rows_from_before_the_raw_column(kept: bytes, back: bytes) -> None:
    """They have the raw JSON inside, every name of a fill, and null for what is not known."""
    fill_before = (
        b'{"inst_id":"ETH-USDT","order_id":"9","trade_id":null,"side":"buy","price":"1","quantity":"2","fee":null,'
        b'"fee_currency":null,"maker":null,"occurred_at":"2026-01-01T00:00:00Z","client_order_id":null,"bill_id":null}'
    )
    row = (
        b'{"source":"stream","external":false,"received_at":"2026-01-01T00:00:00Z","update":{"inst_id":"ETH-USDT",'
        b'"order_id":"9","client_order_id":"KX","side":"buy","order_type":"limit","status":"filled","quantity":"2",'
        b'"price":null,"filled_quantity":"2","average_price":null,"fee":null,"fee_currency":null,'
        b'"created_at":"2026-01-01T00:00:00Z","occurred_at":"2026-01-01T00:00:00Z","fill":'
        + fill_before
        + b"},"
        b'"raw":' + kept + b"}"
    )

    found = event_data.decode(row).order_update(None)

    assert found.raw == back
    assert found.client_order_id == "KX"
    assert found.fill is not None
    assert (found.fill.order_id, found.fill.client_order_id) == ("9", None)


@pytest.mark.parametrize("raw", [b"", b"{not json", b'{"a":"\\u0000"}', b'{"a":"\xff"}', b"\x00"])
def test_raw_that_no_database_takes_is_mended(raw: bytes) -> None:
    """The event is journalled whatever the exchange sent; what PostgreSQL takes stays as it is."""
    text = event_data.raw_text(raw).decode()

    assert "\x00" not in text
    assert text.encode() == raw.decode("utf-8", "replace").replace("\x00", "\ufffd").encode()
