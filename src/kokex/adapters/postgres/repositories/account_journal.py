"""The journal of account events, and the books that it leads to."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, any_, literal, select
from sqlalchemy.dialects.postgresql import insert

from kokex.adapters.postgres.account_event_data import decode_event, decode_known
from kokex.adapters.postgres.account_journal_writer import STATES, AccountJournalWriter, state_rows
from kokex.adapters.postgres.database import Database
from kokex.adapters.postgres.tables import account_books, account_event_logs, account_states
from kokex.domain.account_book import AccountBook, Known
from kokex.domain.account_events import AccountEventKind, AccountEventRecord
from kokex.domain.events import EventSource
from kokex.ports.account_journal import AccountEntry


class PostgresAccountJournal:
    """`AccountJournalStore` on `account_event_logs`, `account_states` and `account_books`: its own writer, read through the pool."""

    def __init__(self, database: Database, writer: AccountJournalWriter) -> None:
        self._database = database
        self._writer = writer

    async def append(self, entries: Sequence[AccountEntry]) -> list[int | None]:
        """See `AccountJournalStore`."""
        return await self._writer.append(entries)

    async def adopt(self, account_id: int, known: Sequence[Known], at: datetime) -> None:
        """See `AccountJournalStore`."""
        mark = insert(account_books).values(account_id=account_id, completed_at=at).on_conflict_do_nothing()
        rows = state_rows({(account_id, entry.subject): entry for entry in known})
        async with self._database.begin() as connection:
            await connection.exec_driver_sql(STATES, {"states": rows})
            await connection.execute(mark)

    async def book(self, account_id: int) -> AccountBook:
        """See `AccountJournalStore`."""
        states = select(account_states.c.state).where(account_states.c.account_id == account_id)
        mark = select(account_books.c.account_id).where(account_books.c.account_id == account_id)
        async with self._database.begin() as connection:
            known = (await connection.execute(states.order_by(account_states.c.subject))).scalars().all()
            complete = (await connection.execute(mark)).first() is not None
        return AccountBook([decode_known(state) for state in known], complete=complete)

    async def events_after(
        self,
        account_id: int,
        after: int,
        *,
        plan_id: int | None = None,
        kinds: Collection[AccountEventKind] | None = None,
        limit: int = 1000,
    ) -> list[AccountEventRecord]:
        """See `AccountJournalStore`."""
        logs = account_event_logs.c
        query = select(account_event_logs).where(logs.account_id == account_id, logs.id > after)
        if plan_id is not None:
            query = query.where(literal(plan_id) == any_(logs.plan_ids))
        if kinds is not None:
            query = query.where(logs.event_type.in_([kind.value for kind in kinds]))
        return await self._read(query.order_by(logs.id).limit(limit))

    async def latest(self, account_id: int, *, limit: int) -> list[AccountEventRecord]:
        """See `AccountJournalStore`."""
        logs = account_event_logs.c
        query = select(account_event_logs).where(logs.account_id == account_id)
        return list(reversed(await self._read(query.order_by(logs.id.desc()).limit(limit))))

    async def _read(self, query: Select[tuple[object, ...]]) -> list[AccountEventRecord]:
        async with self._database.begin() as connection:
            return [_record(row) for row in (await connection.execute(query)).all()]


def _record(row: Row[Any]) -> AccountEventRecord:
    event, received_at = decode_event(row.event_type, row.event_key, row.event_data)
    return AccountEventRecord(row.id, row.account_id, event, EventSource(row.source), received_at)
