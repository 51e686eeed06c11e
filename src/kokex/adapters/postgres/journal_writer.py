"""The journal's writer, the hot path: one dedicated connection, one statement a batch."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import psycopg
from psycopg.rows import TupleRow

from kokex.adapters.postgres import event_data, journal_sql, parameters
from kokex.adapters.postgres.address import DatabaseAddress
from kokex.adapters.postgres.database import is_unavailable, translated
from kokex.adapters.postgres.parameters import BigintArray, JsonbArray, JsonbDocument, TextArray
from kokex.adapters.postgres.projection import fill_rows, head_rows, order_key, order_rounds
from kokex.ports.store import JournalEntry

_Key = tuple[int, str, str, str]
_Parameters = dict[str, Any]

_encoder = msgspec.json.Encoder()
_OPTIONS = " -c plan_cache_mode=force_generic_plan -c synchronous_commit=on"


class JournalWriter:
    """Appends batches, one after another. A lost connection is replaced, and the batch tried once more at once.

    A commit whose acknowledgement was lost has happened or not. The next attempt finds out: rows that are there already but
    numbered above the last acknowledged number are this writer's own, and are reported as new.
    """

    def __init__(self, address: DatabaseAddress) -> None:
        self._address = address
        self._turn = asyncio.Lock()
        self._connection: psycopg.AsyncConnection[TupleRow] | None = None
        self._acknowledged = 0
        self._in_doubt = False

    async def connect(self) -> None:
        """Connect now rather than at the first batch. Raises `StoreUnavailableError`."""
        async with self._turn:
            with translated(self._address):
                await self._ready()

    async def append(self, entries: Sequence[JournalEntry]) -> list[int | None]:
        """See `JournalStore.append`."""
        if not entries:
            return []
        keys = [_key(entry) for entry in entries]
        first = {key: index for index, key in reversed(list(enumerate(keys)))}
        fresh = [entries[index] for index in sorted(first.values())]
        async with self._turn:
            with translated(self._address):
                numbers = await self._write(fresh)
        return [numbers.get(key) if first[key] == index else None for index, key in enumerate(keys)]

    async def close(self) -> None:
        """Release the connection."""
        async with self._turn:
            await self._drop()

    async def _write(self, entries: Sequence[JournalEntry]) -> dict[_Key, int]:
        """Numbers of the entries that are new. Two attempts where the connection was lost, or the raw JSON was refused."""
        raw_as_text = False
        try:
            return await self._attempt(entries, raw_as_text=False)
        except psycopg.DataError:
            raw_as_text = True
        except psycopg.Error as error:
            if not is_unavailable(error):
                raise
        return await self._attempt(entries, raw_as_text=raw_as_text)

    async def _attempt(self, entries: Sequence[JournalEntry], *, raw_as_text: bool) -> dict[_Key, int]:
        connection = await self._ready()
        order_keys = [order_key(entry) for entry in entries]
        rounds = order_rounds(entries, order_keys)
        statement = _statement(entries, raw_as_text=raw_as_text)
        statement["orders"] = _document(rounds[0])
        statement["fills"] = _document(fill_rows(entries, order_keys))
        statement["heads"] = _document(head_rows(entries))
        doubtful, self._in_doubt = self._in_doubt, True
        try:
            numbers = await self._execute(connection, statement, rounds[1:])
            if doubtful:
                numbers |= await self._own_unacknowledged(connection, statement)
        except psycopg.DataError:
            self._in_doubt = doubtful  # refused as a whole
            raise
        except BaseException:
            await self._drop()
            raise
        self._in_doubt = False
        self._acknowledged = max((self._acknowledged, *numbers.values()))
        return numbers

    async def _execute(
        self,
        connection: psycopg.AsyncConnection[TupleRow],
        statement: _Parameters,
        later: Sequence[Sequence[object]],
    ) -> dict[_Key, int]:
        if not later:
            return await _append(connection, statement)
        async with connection.transaction():
            numbers = await _append(connection, statement)
            for rows in later:
                await connection.execute(journal_sql.MOVE_ORDERS, {"orders": _document(rows)})
        return numbers

    async def _own_unacknowledged(
        self, connection: psycopg.AsyncConnection[TupleRow], statement: _Parameters
    ) -> dict[_Key, int]:
        cursor = await connection.execute(journal_sql.NUMBERS, {**statement, "after": self._acknowledged})
        return {row[1:]: row[0] for row in await cursor.fetchall()}

    async def _ready(self) -> psycopg.AsyncConnection[TupleRow]:
        if self._connection is None or self._connection.closed:
            arguments = self._address.connect_arguments
            arguments["options"] += _OPTIONS
            connection = await psycopg.AsyncConnection.connect(**arguments, autocommit=True)
            parameters.register(connection)
            self._connection = connection
            if not self._in_doubt:
                row = await (await connection.execute(journal_sql.LAST_NUMBER)).fetchone()
                self._acknowledged = row[0] if row else 0
        return self._connection

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


async def _append(connection: psycopg.AsyncConnection[TupleRow], statement: _Parameters) -> dict[_Key, int]:
    cursor = connection.cursor(binary=True)
    await cursor.execute(journal_sql.APPEND, statement, prepare=True)
    return {row[1:]: row[0] for row in await cursor.fetchall()}


def _key(entry: JournalEntry) -> _Key:
    classified = entry.classified
    return entry.plan_id, classified.update.order_id, classified.event_type, classified.event_key


def _statement(entries: Sequence[JournalEntry], *, raw_as_text: bool) -> _Parameters:
    updates = [entry.classified.update for entry in entries]
    return {
        "plan_ids": BigintArray.of([entry.plan_id for entry in entries]),
        "account_ids": BigintArray.of([entry.account_id for entry in entries]),
        "event_types": TextArray.of([entry.classified.event_type for entry in entries]),
        "order_ids": TextArray.of([update.order_id for update in updates]),
        "inst_ids": TextArray.of([update.inst_id for update in updates]),
        "sides": TextArray.of([update.side for update in updates]),
        "event_keys": TextArray.of([entry.classified.event_key for entry in entries]),
        "event_data": JsonbArray.of([event_data.encode(entry, raw_as_text=raw_as_text) for entry in entries]),
    }


def _document(rows: Sequence[object]) -> JsonbDocument:
    return JsonbDocument.of(_encoder.encode(rows))
