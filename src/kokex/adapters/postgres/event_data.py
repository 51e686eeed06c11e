"""The journal's `event_data`: an order update as JSON, and back.

{"source": "stream", "external": false, "received_at": "2025-01-01T00:00:00Z",
 "update": {the update's fields, decimals as text}, "raw": {the exchange's own JSON}}
"""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any

import msgspec

from kokex.domain.events import EventSource
from kokex.domain.instrument import PositionSide, Side
from kokex.domain.order import Fill, OrderStatus, OrderUpdate
from kokex.ports.store import JournalEntry


class Update(msgspec.Struct, frozen=True, omit_defaults=True):
    """`OrderUpdate` without its last field, the raw JSON."""

    inst_id: str
    order_id: str
    client_order_id: str | None
    side: Side
    order_type: str
    status: OrderStatus
    quantity: Decimal
    price: Decimal | None
    filled_quantity: Decimal
    average_price: Decimal | None
    fee: Decimal | None
    fee_currency: str | None
    created_at: datetime
    occurred_at: datetime
    fill: Fill | None = None
    request_id: str | None = None
    amend_result: str | None = None
    cancel_reason: str | None = None
    never_live: bool = False
    position_side: PositionSide = PositionSide.NET


class EventData(msgspec.Struct, frozen=True):
    """One `event_data`. `raw` is an object, or a text where the exchange sent what the database cannot hold as JSON."""

    source: EventSource
    external: bool
    received_at: datetime
    update: Update
    raw: msgspec.Raw

    def order_update(self) -> OrderUpdate:
        """The update as it was journalled; its raw JSON may differ in blanks and order of keys."""
        raw = bytes(self.raw)
        is_text = raw.startswith(b'"')
        whole = (
            msgspec.json.decode(raw, type=str).encode() if is_text else msgspec.json.format(raw, indent=-1)
        )
        values: tuple[Any, ...] = (*_values(self.update), whole)
        return OrderUpdate(*values)


_names = tuple(field.name for field in fields(OrderUpdate) if field.name != "raw")
_values = attrgetter(*_names)
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(EventData)


def encode(entry: JournalEntry, *, raw_as_text: bool = False) -> bytes:
    """`event_data` of `entry`. With `raw_as_text`, raw JSON that PostgreSQL would refuse is kept as a text."""
    update = entry.classified.update
    raw = _as_text(update.raw) if raw_as_text and not _storable(update.raw) else update.raw
    return _encoder.encode(
        EventData(entry.source, entry.external, entry.received_at, Update(*_values(update)), msgspec.Raw(raw))
    )


def decode(data: str | bytes) -> EventData:
    """Read `event_data`."""
    return _decoder.decode(data)


def _storable(raw: bytes) -> bool:
    """Whether JSONB takes it: valid JSON, and no NUL character, which PostgreSQL has no place for."""
    try:
        msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return b"\\u0000" not in raw


def _as_text(raw: bytes) -> bytes:
    return _encoder.encode(raw.decode("utf-8", "replace").replace("\x00", "\ufffd"))
