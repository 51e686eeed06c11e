"""What is journalled of an event comes back as it was."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokex.adapters.postgres import event_data
from kokex.domain.events import EventSource, classify
from kokex.domain.instrument import Side
from kokex.domain.order import Fill, OrderStatus, OrderUpdate
from kokex.ports.store import JournalEntry
from tests.builders import START, update

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
    raw=st.dictionaries(words, words, max_size=3).map(lambda raw: json.dumps(raw).encode()),
)


def entry(of: OrderUpdate) -> JournalEntry:
    return JournalEntry(7, 3, classify(of), EventSource.RECONCILE, True, START)


@given(told=order_updates)
def test_round_trip(told: OrderUpdate) -> None:
    """Every field, to the last digit of every number; raw JSON as the same JSON."""
    data = event_data.decode(event_data.encode(entry(told)))

    back = data.order_update()
    assert replace(back, raw=b"") == replace(told, raw=b"")
    assert str(back.quantity) == str(told.quantity)
    assert json.loads(back.raw) == json.loads(told.raw)
    assert (data.source, data.external, data.received_at) == (EventSource.RECONCILE, True, START)


def test_shape() -> None:
    """The five parts, decimals as text, the exchange's JSON as it came."""
    document = json.loads(event_data.encode(entry(update(quantity=Decimal("0.10")))))

    assert set(document) == {"source", "external", "received_at", "update", "raw"}
    assert document["update"]["quantity"] == "0.10"
    assert document["raw"] == {"ordId": "9001"}
    assert document["received_at"] == "2026-01-01T00:00:00Z"


@pytest.mark.parametrize("raw", [b"", b"{not json", b'{"a":"\\u0000"}', b'{"a":"\xff"}', b"\x00"])
def test_raw_that_no_database_takes_is_kept_as_a_text(raw: bytes) -> None:
    """The event is journalled whatever the exchange sent."""
    data = event_data.decode(event_data.encode(entry(update(raw=raw)), raw_as_text=True))

    assert data.order_update().raw == raw.decode("utf-8", "replace").replace("\x00", "\ufffd").encode()


def test_sound_raw_stays_an_object_among_unsound_ones() -> None:
    """Asked to keep raw JSON as text, only what cannot be kept otherwise is."""
    told = event_data.encode(entry(update(raw=b'{"a": 1}')), raw_as_text=True)

    assert json.loads(told)["raw"] == {"a": 1}
