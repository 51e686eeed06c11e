"""The account journal's writer: one dedicated connection, one statement a chunk, one transaction a batch."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, TypeAlias

import msgspec
import psycopg

from kokex.adapters.postgres.account_event_data import encode_event, encode_known
from kokex.adapters.postgres.address import DatabaseAddress
from kokex.adapters.postgres.database import is_unavailable, translated
from kokex.adapters.postgres.text import storable_text
from kokex.domain.account_book import Known, subject
from kokex.domain.account_reports import StopReport
from kokex.ports.account_journal import AccountEntry

EventKey: TypeAlias = tuple[int, str, str]
"""Account, event type, event key: what keeps an event single."""

CHUNK = 128
"""Entries that are encoded at a stretch: about two milliseconds, in which nothing else is done."""

STATES = """
INSERT INTO account_states AS known (account_id, subject, state, inferred, occurred_at)
SELECT * FROM jsonb_to_recordset(%(states)s::jsonb) AS told (
    account_id bigint, subject text, state jsonb, inferred boolean, occurred_at timestamptz)
ON CONFLICT (account_id, subject) DO UPDATE SET
    state = excluded.state, inferred = excluded.inferred, occurred_at = excluded.occurred_at
WHERE excluded.occurred_at >= known.occurred_at OR known.inferred
"""

_APPEND = f"""
WITH journalled AS (
    INSERT INTO account_event_logs
        (account_id, event_type, event_key, inst_id, currency, event_data, source, occurred_at, plan_ids)
    SELECT * FROM jsonb_to_recordset(%(rows)s::jsonb) AS told (
        account_id bigint, event_type text, event_key text, inst_id text, currency text, event_data jsonb,
        source text, occurred_at timestamptz, plan_ids bigint[])
    ON CONFLICT (account_id, event_type, event_key) DO NOTHING
    RETURNING id, account_id, event_type, event_key
), moved AS ({STATES}), gone AS (
    DELETE FROM account_states USING jsonb_to_recordset(%(gone)s::jsonb) AS ended (account_id bigint, subject text)
    WHERE account_states.account_id = ended.account_id AND account_states.subject = ended.subject
)
SELECT id, account_id, event_type, event_key FROM journalled
"""  # noqa: S608 - put together from constants

_NUMBERS = """
SELECT logs.id, logs.account_id, logs.event_type, logs.event_key
FROM account_event_logs AS logs
JOIN jsonb_to_recordset(%(rows)s::jsonb) AS told (account_id bigint, event_type text, event_key text)
    USING (account_id, event_type, event_key)
WHERE logs.id > %(after)s
"""

_LAST_NUMBER = "SELECT coalesce(max(id), 0) FROM account_event_logs"
_OPTIONS = " -c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c synchronous_commit=on"
_encode = msgspec.json.Encoder().encode


class AccountJournalWriter:
    """Appends batches, one after another. A lost connection is replaced, and the batch tried once more at once.

    A commit whose acknowledgement was lost has happened or not. The next attempt finds out, as the journal of order events does:
    rows that are there already but numbered above the last acknowledged number are our own, and are reported as new.
    """

    def __init__(self, address: DatabaseAddress) -> None:
        self._address = address
        self._turn = asyncio.Lock()
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._acknowledged = 0
        self._in_doubt = False

    async def append(self, entries: Sequence[AccountEntry]) -> list[int | None]:
        """See `AccountJournalStore.append`."""
        first: dict[EventKey, int] = {}
        keys = [_key(entry) for entry in entries]
        for index, key in enumerate(keys):
            first.setdefault(key, index)
        async with self._turn:
            with translated(self._address):
                try:
                    numbers = await self._write(await _chunks(entries))
                except psycopg.DataError:  # JSON of the exchange that the database cannot hold
                    numbers = await self._write(await _chunks(entries, raw_as_text=True))
        return [numbers.get(key) if first[key] == index else None for index, key in enumerate(keys)]

    async def close(self) -> None:
        """Release the connection."""
        async with self._turn:
            await self._drop()

    async def _write(self, chunks: Sequence[dict[str, str]]) -> dict[EventKey, int]:
        try:
            return await self._attempt(chunks)
        except psycopg.Error as error:
            if not is_unavailable(error):
                raise
        return await self._attempt(chunks)

    async def _attempt(self, chunks: Sequence[dict[str, str]]) -> dict[EventKey, int]:
        connection = await self._connect()
        doubtful, self._in_doubt = self._in_doubt, True
        numbers: dict[EventKey, int] = {}
        try:
            if len(chunks) == 1:
                numbers |= await _numbers(connection, _APPEND, chunks[0])
            else:
                async with connection.transaction():
                    for chunk in chunks:
                        numbers |= await _numbers(connection, _APPEND, chunk)
            for chunk in chunks if doubtful else ():
                numbers |= await _numbers(connection, _NUMBERS, {**chunk, "after": self._acknowledged})
        except BaseException:
            await self._drop()
            raise
        self._in_doubt = False
        self._acknowledged = max((self._acknowledged, *numbers.values()))
        return numbers

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        if self._connection is None or self._connection.closed:
            arguments = self._address.connect_arguments
            arguments["options"] += _OPTIONS
            connection = await psycopg.AsyncConnection.connect(**arguments, autocommit=True)
            self._connection = connection
            if not self._in_doubt:
                row = await (await connection.execute(_LAST_NUMBER)).fetchone()
                self._acknowledged = row[0] if row else 0
        return self._connection

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


def state_rows(states: dict[tuple[int, str], Known], *, raw_as_text: bool = False) -> str:
    """Of `STATES`: what is known, by account and subject."""
    return _encode(
        [
            {
                "account_id": account_id,
                "subject": storable_text(name),
                "state": msgspec.Raw(encode_known(known, raw_as_text=raw_as_text)),
                "inferred": known.inferred,
                "occurred_at": known.report.occurred_at,
            }
            for (account_id, name), known in states.items()
        ]
    ).decode()


async def _numbers(
    connection: psycopg.AsyncConnection[Any], statement: str, parameters: dict[str, Any]
) -> dict[EventKey, int]:
    cursor = await connection.execute(statement, parameters, prepare=True)
    return {(row[1], row[2], row[3]): row[0] for row in await cursor.fetchall()}


def _key(entry: AccountEntry) -> EventKey:
    return entry.account_id, entry.event.kind.value, storable_text(entry.event.event_key)


async def _chunks(entries: Sequence[AccountEntry], *, raw_as_text: bool = False) -> list[dict[str, str]]:
    chunks = []
    for start in range(0, len(entries), CHUNK):
        chunks.append(_parameters(entries[start : start + CHUNK], raw_as_text=raw_as_text))
        await asyncio.sleep(0)
    return chunks


def _parameters(entries: Sequence[AccountEntry], *, raw_as_text: bool) -> dict[str, str]:
    """Of `_APPEND`: events, and the last word of the chunk on each position, currency and stop."""
    states: dict[tuple[int, str], Known] = {}
    ended: set[tuple[int, str]] = set()
    for entry in entries:
        if entry.known is not None:
            states[entry.account_id, entry.known.subject] = entry.known
        elif isinstance(entry.event.report, StopReport):
            place = (entry.account_id, subject(entry.event.report))
            states.pop(place, None)
            ended.add(place)
    gone = [
        {"account_id": account_id, "subject": storable_text(name)} for account_id, name in ended - set(states)
    ]
    return {
        "rows": _encode([_row(entry, raw_as_text=raw_as_text) for entry in entries]).decode(),
        "states": state_rows(states, raw_as_text=raw_as_text),
        "gone": _encode(gone).decode(),
    }


def _row(entry: AccountEntry, *, raw_as_text: bool) -> dict[str, Any]:
    event = entry.event
    account_id, event_type, event_key = _key(entry)
    return {
        "account_id": account_id,
        "event_type": event_type,
        "event_key": event_key,
        "inst_id": None if event.inst_id is None else storable_text(event.inst_id),
        "currency": None if event.currency is None else storable_text(event.currency),
        "event_data": msgspec.Raw(encode_event(entry, raw_as_text=raw_as_text)),
        "source": entry.source.value,
        "occurred_at": event.occurred_at,
        "plan_ids": entry.plan_ids,
    }
