"""The journal's `event_data`: an order update as JSON, and back. The exchange's own JSON lies beside it, in the column `raw`.

{"source": "stream", "external": false, "received_at": "2025-01-01T00:00:00Z",
 "update": {the update's fields, decimals as text; what is not known is left out}}

Rows older than revision 0007 have the exchange's JSON in here, as `raw`, and their `raw` column is null.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from kokex.domain.events import EventSource
from kokex.domain.instrument import PositionSide, Side
from kokex.domain.order import Fill, OrderStatus, OrderUpdate
from kokex.ports.store import JournalEntry


class EventFill(msgspec.Struct, frozen=True, omit_defaults=True):
    """`Fill`; what is absent is as in the update."""

    trade_id: str | None
    price: Decimal
    quantity: Decimal
    occurred_at: datetime
    fee: Decimal | None = None
    fee_currency: str | None = None
    maker: bool | None = None
    bill_id: str | None = None
    inst_id: str | UnsetType = UNSET
    order_id: str | UnsetType = UNSET
    side: Side | UnsetType = UNSET
    client_order_id: str | UnsetType | None = UNSET


class Update(msgspec.Struct, frozen=True, omit_defaults=True):
    """`OrderUpdate` without the raw JSON."""

    inst_id: str
    order_id: str
    side: Side
    order_type: str
    status: OrderStatus
    quantity: Decimal
    filled_quantity: Decimal
    created_at: datetime
    occurred_at: datetime
    client_order_id: str | None = None
    price: Decimal | None = None
    average_price: Decimal | None = None
    fee: Decimal | None = None
    fee_currency: str | None = None
    fill: EventFill | None = None
    request_id: str | None = None
    amend_result: str | None = None
    cancel_reason: str | None = None
    never_live: bool = False
    position_side: PositionSide = PositionSide.NET
    late: bool = False


class EventData(msgspec.Struct, frozen=True, omit_defaults=True):
    """One `event_data`. `raw` is of old rows: an object, or a text where the exchange sent what JSONB cannot hold."""

    source: EventSource
    external: bool
    received_at: datetime
    update: Update
    raw: msgspec.Raw = msgspec.Raw()

    def order_update(self, raw: str | None) -> OrderUpdate:
        """The update as it was journalled. `raw` is the column of that name."""
        told = {name: getattr(self.update, name) for name in _names}
        whole = self._old_raw() if raw is None else raw.encode()
        return OrderUpdate(**told, fill=self._fill(), raw=whole)

    def _old_raw(self) -> bytes:
        raw = bytes(self.raw)
        if raw.startswith(b'"'):
            return msgspec.json.decode(raw, type=str).encode()
        return msgspec.json.format(raw, indent=-1)

    def _fill(self) -> Fill | None:
        update, fill = self.update, self.update.fill
        if fill is None:
            return None
        return Fill(
            inst_id=_told(fill.inst_id, update.inst_id),
            order_id=_told(fill.order_id, update.order_id),
            trade_id=fill.trade_id,
            side=_told(fill.side, update.side),
            price=fill.price,
            quantity=fill.quantity,
            fee=fill.fee,
            fee_currency=fill.fee_currency,
            maker=fill.maker,
            occurred_at=fill.occurred_at,
            client_order_id=_told(fill.client_order_id, update.client_order_id),
            bill_id=fill.bill_id,
        )


_Value = TypeVar("_Value")

_names = tuple(name for name in Update.__struct_fields__ if name != "fill")
_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(EventData)


def encode(entry: JournalEntry) -> bytes:
    """`event_data` of `entry`."""
    told = entry.classified.update
    update = Update(
        told.inst_id,
        told.order_id,
        told.side,
        told.order_type,
        told.status,
        told.quantity,
        told.filled_quantity,
        told.created_at,
        told.occurred_at,
        told.client_order_id,
        told.price,
        told.average_price,
        told.fee,
        told.fee_currency,
        None if told.fill is None else _event_fill(told.fill, told),
        told.request_id,
        told.amend_result,
        told.cancel_reason,
        told.never_live,
        told.position_side,
        told.late,
    )
    return _encode(EventData(entry.source, entry.external, entry.received_at, update))


def decode(data: str | bytes) -> EventData:
    """Read `event_data`."""
    return _decoder.decode(data)


def raw_text(raw: bytes) -> bytes:
    """The exchange's JSON as a text that PostgreSQL takes: UTF-8 without NUL. Anything else is marked where it was."""
    return raw.decode("utf-8", "replace").replace("\x00", "\ufffd").encode()


def _told(own: _Value | UnsetType, usual: _Value) -> _Value:
    return usual if own is UNSET else own


def _event_fill(fill: Fill, of: OrderUpdate) -> EventFill:
    own = EventFill(
        fill.trade_id,
        fill.price,
        fill.quantity,
        fill.occurred_at,
        fill.fee,
        fill.fee_currency,
        fill.maker,
        fill.bill_id,
    )
    names = (fill.order_id, fill.inst_id, fill.side, fill.client_order_id)
    if names == (of.order_id, of.inst_id, of.side, of.client_order_id):
        return own
    return msgspec.structs.replace(
        own,
        order_id=fill.order_id,
        inst_id=fill.inst_id,
        side=fill.side,
        client_order_id=fill.client_order_id,
    )
