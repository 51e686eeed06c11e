"""What a batch of journal entries says of orders and fills, before the database is asked.

Several updates of one order fold into one, by the rules of `Order.apply`. Two that neither follow from nor cover each other
(possible only where the exchange contradicts itself) go into separate rounds, so the outcome is that of one at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal

import msgspec

from kokex.domain.ids import order_origin
from kokex.domain.order import OrderStatus, OrderUpdate
from kokex.ports.store import JournalEntry

_RANKS = {OrderStatus.ACCEPTED: 1, OrderStatus.PARTIALLY_FILLED: 2}
_CLOSED = 3


class OrderRow(msgspec.Struct, frozen=True):
    """An order as a batch leaves it. `plan_id` is None for orders made elsewhere."""

    account_id: int
    order_key: str
    plan_id: int | None
    client_order_id: str | None
    order_id: str
    inst_id: str
    side: str
    order_type: str
    quantity: Decimal
    price: Decimal | None
    status: OrderStatus
    filled_quantity: Decimal
    average_price: Decimal | None
    decision_id: int | None
    step: int | None
    reason: str | None
    created_at: datetime
    updated_at: datetime

    @property
    def closed(self) -> bool:
        """Whether nothing can follow it."""
        return _rank(self.status) == _CLOSED

    def reaches(self, other: OrderRow) -> bool:
        """Whether it is at least as far in the order's life as `other`."""
        return self.filled_quantity >= other.filled_quantity and _rank(self.status) >= _rank(other.status)

    def follows(self, other: OrderRow) -> bool:
        """Whether, applied after `other`, it leaves what it would leave alone, whatever the order was before."""
        return not other.closed and other.reason is None and self.reaches(other)

    def covers(self, other: OrderRow) -> bool:
        """Whether `other`, applied after it, changes nothing, whatever the order was before."""
        return self.reaches(other) and (self.closed or not other.reaches(self))


class FillRow(msgspec.Struct, frozen=True):
    """One execution, with the key that keeps it single."""

    account_id: int
    order_key: str
    plan_id: int | None
    inst_id: str
    order_id: str
    fill_key: str
    trade_id: str | None
    client_order_id: str | None
    side: str
    price: Decimal
    quantity: Decimal
    fee: Decimal | None
    fee_currency: str | None
    maker: bool | None
    occurred_at: datetime
    bill_id: str | None


class HeadRow(msgspec.Struct, frozen=True):
    """The newest of the exchange's own times in a batch, per account and instrument."""

    account_id: int
    inst_id: str
    last_occurred_at: datetime


def order_key(entry: JournalEntry) -> str:
    """What names the order of `entry` within its account: our own name, else the exchange's."""
    update = entry.classified.update
    ours = update.client_order_id
    if ours and (not entry.external or order_origin(ours) is not None):
        return ours
    return f"{update.inst_id}:{update.order_id}"


def order_rounds(entries: Sequence[JournalEntry], keys: Sequence[str]) -> list[list[OrderRow]]:
    """Orders as `entries` leave them, one row per order in each round; most batches need one round."""
    folded: dict[tuple[int, str], list[OrderRow]] = {}
    for entry, key in zip(entries, keys, strict=True):
        row = _order_row(entry, key)
        known = folded.setdefault((entry.account_id, key), [])
        if known and row.plan_id is None:
            row = msgspec.structs.replace(row, plan_id=known[-1].plan_id)
        if known and row.follows(known[-1]):
            known[-1] = row
        elif not known or not known[-1].covers(row):
            known.append(row)
        elif row.plan_id is not None and known[-1].plan_id is None:
            known[-1] = msgspec.structs.replace(known[-1], plan_id=row.plan_id)
    deepest = max((len(rows) for rows in folded.values()), default=0)
    return [[rows[depth] for rows in folded.values() if len(rows) > depth] for depth in range(deepest)]


def fill_rows(entries: Sequence[JournalEntry], keys: Sequence[str]) -> list[FillRow]:
    """Executions reported by `entries`, each once, although several plans may be told of it."""
    found: dict[tuple[int, str, str, str], FillRow] = {}
    for entry, key in zip(entries, keys, strict=True):
        fill = entry.classified.update.fill
        if fill is None:
            continue
        fill_key = (
            fill.trade_id if fill.trade_id is not None else f"{fill.order_id}:{entry.classified.event_key}"
        )
        identity = (entry.account_id, fill.inst_id, fill.order_id, fill_key)
        if identity in found and (entry.external or found[identity].plan_id is not None):
            continue
        found[identity] = FillRow(
            account_id=entry.account_id,
            order_key=key,
            plan_id=None if entry.external else entry.plan_id,
            inst_id=fill.inst_id,
            order_id=fill.order_id,
            fill_key=fill_key,
            trade_id=fill.trade_id,
            client_order_id=fill.client_order_id,
            side=fill.side,
            price=fill.price,
            quantity=fill.quantity,
            fee=fill.fee,
            fee_currency=fill.fee_currency,
            maker=fill.maker,
            occurred_at=fill.occurred_at,
            bill_id=fill.bill_id,
        )
    return list(found.values())


def head_rows(entries: Iterable[JournalEntry]) -> list[HeadRow]:
    """Newest times of the exchange; outcomes of commands are left out, whose time may be our own clock's."""
    newest: dict[tuple[int, str], datetime] = {}
    for entry in entries:
        update = entry.classified.update
        place = (entry.account_id, update.inst_id)
        if entry.source != "command" and (place not in newest or newest[place] < update.occurred_at):
            newest[place] = update.occurred_at
    return [HeadRow(account_id, inst_id, moment) for (account_id, inst_id), moment in newest.items()]


def _order_row(entry: JournalEntry, key: str) -> OrderRow:
    update: OrderUpdate = entry.classified.update
    origin = None if entry.external else order_origin(update.client_order_id)
    return OrderRow(
        entry.account_id,
        key,
        None if entry.external else entry.plan_id,
        update.client_order_id,
        update.order_id,
        update.inst_id,
        update.side,
        update.order_type,
        update.quantity,
        update.price,
        update.status,
        update.filled_quantity,
        update.average_price,
        origin.decision_id if origin else None,
        origin.step if origin else None,
        update.cancel_reason or None,
        update.created_at,
        update.occurred_at,
    )


def _rank(status: OrderStatus) -> int:
    return _RANKS.get(status, _CLOSED)
