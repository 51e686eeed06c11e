"""The journal: written by its own writer, read through the pool."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Row, Text, cast, func, select

from kokex.adapters.postgres import event_data
from kokex.adapters.postgres.database import Database
from kokex.adapters.postgres.journal_writer import JournalWriter
from kokex.adapters.postgres.tables import fills, journal_heads, order_event_logs
from kokex.domain.events import EventSource, OrderEvent, OrderEventKind
from kokex.domain.instrument import Side
from kokex.domain.order import Fill
from kokex.ports.store import JournalEntry


class PostgresJournal:
    """`JournalStore` on `order_event_logs`, `fills` and `journal_heads`."""

    def __init__(self, database: Database, writer: JournalWriter) -> None:
        self._database = database
        self._writer = writer

    async def append(self, entries: Sequence[JournalEntry]) -> list[int | None]:
        """See `JournalStore`."""
        return await self._writer.append(entries)

    async def events_after(self, plan_id: int, after: int, *, limit: int = 1000) -> list[OrderEvent]:
        """See `JournalStore`."""
        logs = order_event_logs.c
        query = (
            select(
                logs.id,
                logs.plan_id,
                logs.account_id,
                logs.event_type,
                logs.event_key,
                cast(logs.event_data, Text).label("event_data"),
                logs.raw,
            )
            .where(logs.plan_id == plan_id, logs.id > after)
            .order_by(logs.id)
            .limit(limit)
        )
        async with self._database.begin() as connection:
            rows = (await connection.execute(query)).all()
        return [_event(row) for row in rows]

    async def last_occurred_at(self, account_id: int, inst_id: str) -> datetime | None:
        """See `JournalStore`. Events of source `command` do not count: their time may be our own clock's."""
        heads = journal_heads.c
        query = select(heads.last_occurred_at).where(heads.account_id == account_id, heads.inst_id == inst_id)
        async with self._database.begin() as connection:
            return (await connection.execute(query)).scalar_one_or_none()

    async def fills(self, plan_id: int) -> list[Fill]:
        """See `JournalStore`."""
        query = select(fills).where(fills.c.plan_id == plan_id).order_by(fills.c.occurred_at, fills.c.id)
        async with self._database.begin() as connection:
            rows = (await connection.execute(query)).all()
        return [_fill(row) for row in rows]

    async def latest_fills(self, plan_id: int, *, limit: int) -> list[Fill]:
        """See `JournalStore`."""
        newest = (fills.c.occurred_at.desc(), fills.c.id.desc())
        query = select(fills).where(fills.c.plan_id == plan_id).order_by(*newest).limit(limit)
        async with self._database.begin() as connection:
            rows = (await connection.execute(query)).all()
        return [_fill(row) for row in rows]

    async def fills_of(self, account_id: int, inst_id: str, order_ids: Sequence[str]) -> list[Fill]:
        """See `JournalStore`."""
        if not order_ids:
            return []
        these = (
            fills.c.account_id == account_id,
            fills.c.inst_id == inst_id,
            fills.c.order_id.in_(order_ids),
        )
        query = select(fills).where(*these).order_by(fills.c.occurred_at, fills.c.id)
        async with self._database.begin() as connection:
            rows = (await connection.execute(query)).all()
        return [_fill(row) for row in rows]

    async def count(self, plan_id: int) -> int:
        """See `JournalStore`."""
        logs = order_event_logs.c
        query = select(func.count()).where(
            logs.plan_id == plan_id, logs.event_data["source"].astext != EventSource.COMMAND.value
        )
        async with self._database.begin() as connection:
            return (await connection.execute(query)).scalar_one()


def _event(row: Row[tuple[int, int, int, str, str, str, str | None]]) -> OrderEvent:
    data = event_data.decode(row.event_data)
    return OrderEvent(
        id=row.id,
        plan_id=row.plan_id,
        account_id=row.account_id,
        event_type=row.event_type,
        kind=OrderEventKind(row.event_type.rpartition("_")[2]),
        event_key=row.event_key,
        update=data.order_update(row.raw),
        source=data.source,
        external=data.external,
        received_at=data.received_at,
    )


def _fill(row: Row[tuple[object, ...]]) -> Fill:
    return Fill(
        inst_id=row.inst_id,
        order_id=row.order_id,
        trade_id=row.trade_id,
        side=Side(row.side),
        price=row.price,
        quantity=row.quantity,
        fee=row.fee,
        fee_currency=row.fee_currency,
        maker=row.maker,
        occurred_at=row.occurred_at,
        client_order_id=row.client_order_id,
        bill_id=row.bill_id,
    )
