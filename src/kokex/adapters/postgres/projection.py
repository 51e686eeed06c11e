"""What a batch of journal entries says of orders and fills, before the database is asked.

Several updates of one order fold into one, by the rules of `Order.apply`. Two that neither follow from nor cover each other
(possible only where the exchange contradicts itself) go into separate rounds, so the outcome is that of one at a time.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

import msgspec

from kokex.domain.ids import order_origin
from kokex.domain.order import Fill, OrderStatus, OrderUpdate
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


class Projection:
    """Orders, fills and heads as entries leave them, each row once."""

    def __init__(self, entries: Iterable[JournalEntry] = ()) -> None:
        self._orders: dict[tuple[int, str], list[OrderRow]] = {}
        self._fills: dict[tuple[int, str, str, str], FillRow] = {}
        self._heads: dict[tuple[int, str], datetime] = {}
        self.add(entries)

    def add(self, entries: Iterable[JournalEntry]) -> None:
        """What came next."""
        for entry in entries:
            key = order_key(entry)
            self._add_order(entry, key)
            if entry.classified.update.fill is not None:
                self._add_fill(entry, entry.classified.update.fill, key)
            if entry.source != "command":
                self._add_time(entry)

    @property
    def order_rounds(self) -> list[list[OrderRow]]:
        """One row per order in each round; most batches need one round."""
        folded = self._orders.values()
        deepest = max(map(len, folded), default=0)
        return [[rows[depth] for rows in folded if len(rows) > depth] for depth in range(deepest)]

    @property
    def fill_rows(self) -> list[FillRow]:
        """Executions, each once, although several plans may be told of it."""
        return list(self._fills.values())

    @property
    def head_rows(self) -> list[HeadRow]:
        """Newest times of the exchange; outcomes of commands are left out, whose time may be our own clock's."""
        return [HeadRow(account_id, inst_id, at) for (account_id, inst_id), at in self._heads.items()]

    def _add_order(self, entry: JournalEntry, key: str) -> None:
        row = _order_row(entry, key)
        known = self._orders.get((entry.account_id, key))
        if known is None:
            self._orders[entry.account_id, key] = [row]
            return
        last = known[-1]
        if row.plan_id is None and last.plan_id is not None:
            row = msgspec.structs.replace(row, plan_id=last.plan_id)
        if row.follows(last):
            known[-1] = row
        elif not last.covers(row):
            known.append(row)
        elif row.plan_id is not None and last.plan_id is None:
            known[-1] = msgspec.structs.replace(last, plan_id=row.plan_id)

    def _add_fill(self, entry: JournalEntry, fill: Fill, key: str) -> None:
        fill_key = (
            fill.trade_id if fill.trade_id is not None else f"{fill.order_id}:{entry.classified.event_key}"
        )
        identity = (entry.account_id, fill.inst_id, fill.order_id, fill_key)
        if identity in self._fills and (entry.external or self._fills[identity].plan_id is not None):
            return
        self._fills[identity] = FillRow(
            entry.account_id,
            key,
            None if entry.external else entry.plan_id,
            fill.inst_id,
            fill.order_id,
            fill_key,
            fill.trade_id,
            fill.client_order_id,
            fill.side,
            fill.price,
            fill.quantity,
            fill.fee,
            fill.fee_currency,
            fill.maker,
            fill.occurred_at,
            fill.bill_id,
        )

    def _add_time(self, entry: JournalEntry) -> None:
        update = entry.classified.update
        place = (entry.account_id, update.inst_id)
        newest = self._heads.get(place)
        if newest is None or newest < update.occurred_at:
            self._heads[place] = update.occurred_at


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
