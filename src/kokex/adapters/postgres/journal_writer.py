"""The journal's writer, the hot path: one dedicated connection, one transaction a batch."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import psycopg
from psycopg.rows import TupleRow

from kokex.adapters.postgres import journal_sql, parameters
from kokex.adapters.postgres.address import DatabaseAddress
from kokex.adapters.postgres.database import is_unavailable, translated
from kokex.adapters.postgres.journal_batch import EventKey, JournalBatch, JournalChunk
from kokex.ports.store import JournalEntry

# The statement is planned once, and always along the indexes: it is prepared while the tables may still be small.
_OPTIONS = " -c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c synchronous_commit=on"


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

    async def append(self, entries: Sequence[JournalEntry]) -> list[int | None]:
        """See `JournalStore.append`."""
        if not entries:
            return []
        batch = JournalBatch(entries)
        async with self._turn:
            with translated(self._address):
                numbers = await self._write(batch)
        return batch.numbered(numbers)

    async def close(self) -> None:
        """Release the connection."""
        async with self._turn:
            await self._drop()

    async def _write(self, batch: JournalBatch) -> dict[EventKey, int]:
        """Numbers of what is new. Two attempts where the connection was lost, or the exchange's JSON was refused."""
        try:
            return await self._attempt(batch)
        except psycopg.DataError:
            batch.keep_raw_as_text()
        except psycopg.Error as error:
            if not is_unavailable(error):
                raise
        return await self._attempt(batch)

    async def _attempt(self, batch: JournalBatch) -> dict[EventKey, int]:
        connection = await self._connect()
        doubtful, self._in_doubt = self._in_doubt, True
        try:
            numbers = await _append(connection, batch)
            if doubtful:
                numbers |= await self._own_unacknowledged(connection, batch)
        except psycopg.DataError:
            self._in_doubt = doubtful  # refused as a whole
            raise
        except BaseException:
            await self._drop()
            raise
        self._in_doubt = False
        self._acknowledged = max((self._acknowledged, *numbers.values()))
        return numbers

    async def _own_unacknowledged(
        self, connection: psycopg.AsyncConnection[TupleRow], batch: JournalBatch
    ) -> dict[EventKey, int]:
        numbers: dict[EventKey, int] = {}
        for chunk in batch.chunks:
            asked = {**chunk.parameters, "after": self._acknowledged}
            numbers |= await _numbers([await connection.execute(journal_sql.NUMBERS, asked)])
        return numbers

    async def _connect(self) -> psycopg.AsyncConnection[TupleRow]:
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


async def _append(connection: psycopg.AsyncConnection[TupleRow], batch: JournalBatch) -> dict[EventKey, int]:
    """Write the batch in one transaction."""
    if batch.is_one_statement:
        return await _numbers([await _send(connection, batch.chunks[0])])
    # The server works on a chunk while the next is being encoded; other tasks get their turn in between.
    cursors = []
    async with connection.pipeline(), connection.transaction():
        for chunk in batch.chunks:
            cursors.append(await _send(connection, chunk))
            for later in chunk.later_orders:
                await connection.execute(journal_sql.MOVE_ORDERS, later)
            await asyncio.sleep(0)
    return await _numbers(cursors)


async def _send(
    connection: psycopg.AsyncConnection[TupleRow], chunk: JournalChunk
) -> psycopg.AsyncCursor[TupleRow]:
    cursor = connection.cursor(binary=True)
    await cursor.execute(journal_sql.APPEND, chunk.parameters, prepare=True)
    return cursor


async def _numbers(cursors: Sequence[psycopg.AsyncCursor[TupleRow]]) -> dict[EventKey, int]:
    return {row[1:]: row[0] for cursor in cursors for row in await cursor.fetchall()}
