"""The journal of account events, and the books that it leads to."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

import msgspec
from sqlalchemy import Row, Select, any_, delete, func, literal, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from kokex.adapters.postgres.account_event_data import (
    decode_event,
    decode_known,
    encode_event,
    encode_known,
)
from kokex.adapters.postgres.database import Database
from kokex.adapters.postgres.tables import account_books, account_event_logs, account_states
from kokex.adapters.postgres.text import storable_text
from kokex.domain.account_book import AccountBook, Known, subject
from kokex.domain.account_events import AccountEventKind, AccountEventRecord
from kokex.domain.account_reports import StopReport
from kokex.domain.events import EventSource
from kokex.ports.account_journal import AccountEntry

_Key: TypeAlias = tuple[int, str, str]
"""Account, event type, event key: what keeps an event single."""

_INSERT = text("""
INSERT INTO account_event_logs
    (account_id, event_type, event_key, inst_id, currency, event_data, source, occurred_at, plan_ids)
SELECT * FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS told (
    account_id bigint, event_type text, event_key text, inst_id text, currency text, event_data jsonb, source text,
    occurred_at timestamptz, plan_ids bigint[])
ON CONFLICT (account_id, event_type, event_key) DO NOTHING
RETURNING id, account_id, event_type, event_key
""")

_NUMBERS = text("""
SELECT logs.id, logs.account_id, logs.event_type, logs.event_key
FROM account_event_logs AS logs
JOIN jsonb_to_recordset(CAST(:rows AS jsonb)) AS told (account_id bigint, event_type text, event_key text)
    USING (account_id, event_type, event_key)
WHERE logs.id > :after
""")

_encode = msgspec.json.Encoder().encode


class PostgresAccountJournal:
    """`AccountJournalStore` on `account_event_logs`, `account_states` and `account_books`.

    A commit whose acknowledgement was lost has happened or not. The next append finds out, as the journal of order events does:
    rows that are there already but numbered above the last acknowledged number are our own, and are reported as new.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._turn = asyncio.Lock()
        self._acknowledged: int | None = None
        self._in_doubt = False

    async def append(self, entries: Sequence[AccountEntry]) -> list[int | None]:
        """See `AccountJournalStore`."""
        first: dict[_Key, int] = {}
        for index, entry in enumerate(entries):
            first.setdefault(_key(entry), index)
        rows = [_row(entries[index]) for index in first.values()]
        async with self._turn:
            numbers = await self._write(rows, entries)
        return [
            numbers.get(_key(entry)) if first[_key(entry)] == at else None for at, entry in enumerate(entries)
        ]

    async def _write(self, rows: list[dict[str, Any]], entries: Sequence[AccountEntry]) -> Mapping[_Key, int]:
        document = _encode(rows).decode()
        async with self._database.begin() as connection:
            if self._acknowledged is None:
                newest = select(func.coalesce(func.max(account_event_logs.c.id), 0))
                self._acknowledged = (await connection.execute(newest)).scalar_one()
            doubtful, self._in_doubt = self._in_doubt, True
            numbers = _numbers((await connection.execute(_INSERT, {"rows": document})).all())
            if doubtful:
                asked = {"rows": document, "after": self._acknowledged}
                numbers |= _numbers((await connection.execute(_NUMBERS, asked)).all())
            await _keep(connection, entries)
        self._in_doubt = False
        self._acknowledged = max((self._acknowledged, *numbers.values()))
        return numbers

    async def adopt(self, account_id: int, known: Sequence[Known], at: datetime) -> None:
        """See `AccountJournalStore`."""
        mark = insert(account_books).values(account_id=account_id, completed_at=at).on_conflict_do_nothing()
        async with self._database.begin() as connection:
            await _keep_states(connection, {(account_id, entry.subject): entry for entry in known})
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


def _key(entry: AccountEntry) -> _Key:
    return entry.account_id, entry.event.kind.value, storable_text(entry.event.event_key)


def _row(entry: AccountEntry) -> dict[str, Any]:
    event = entry.event
    account_id, event_type, event_key = _key(entry)
    return {
        "account_id": account_id,
        "event_type": event_type,
        "event_key": event_key,
        "inst_id": None if event.inst_id is None else storable_text(event.inst_id),
        "currency": None if event.currency is None else storable_text(event.currency),
        "event_data": encode_event(entry),
        "source": entry.source.value,
        "occurred_at": event.occurred_at,
        "plan_ids": entry.plan_ids,
    }


def _numbers(rows: Sequence[Row[Any]]) -> dict[_Key, int]:
    return {(row.account_id, row.event_type, row.event_key): row.id for row in rows}


async def _keep(connection: AsyncConnection, entries: Sequence[AccountEntry]) -> None:
    """Bring the books up to date: the last word of the batch on each subject."""
    states: dict[tuple[int, str], Known] = {}
    ended: set[tuple[int, str]] = set()
    for entry in entries:
        if entry.known is not None:
            states[entry.account_id, entry.known.subject] = entry.known
        elif isinstance(entry.event.report, StopReport):
            place = (entry.account_id, subject(entry.event.report))
            states.pop(place, None)
            ended.add(place)
    await _keep_states(connection, states)
    gone = [(account_id, storable_text(name)) for account_id, name in ended - set(states)]
    if gone:
        columns = tuple_(account_states.c.account_id, account_states.c.subject)
        await connection.execute(delete(account_states).where(columns.in_(gone)))


async def _keep_states(connection: AsyncConnection, states: Mapping[tuple[int, str], Known]) -> None:
    if not states:
        return
    rows = [
        {
            "account_id": account_id,
            "subject": storable_text(name),
            "state": encode_known(known),
            "inferred": known.inferred,
            "occurred_at": known.report.occurred_at,
        }
        for (account_id, name), known in states.items()
    ]
    statement = insert(account_states)
    told = statement.excluded
    statement = statement.on_conflict_do_update(
        index_elements=[account_states.c.account_id, account_states.c.subject],
        set_={name: told[name] for name in ("state", "inferred", "occurred_at")},
        where=(told.occurred_at >= account_states.c.occurred_at) | account_states.c.inferred,
    )
    await connection.execute(statement, rows)


def _record(row: Row[Any]) -> AccountEventRecord:
    event, received_at = decode_event(row.event_type, row.event_key, row.event_data)
    return AccountEventRecord(row.id, row.account_id, event, EventSource(row.source), received_at)
