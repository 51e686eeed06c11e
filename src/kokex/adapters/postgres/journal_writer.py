"""The journal's writer, the hot path: one dedicated connection, one transaction a batch."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import psycopg
from psycopg.rows import TupleRow

from kokex.adapters.postgres import journal_copy, journal_sql, parameters
from kokex.adapters.postgres.address import DatabaseAddress
from kokex.adapters.postgres.database import is_unavailable, translated
from kokex.adapters.postgres.journal_batch import EventKey, JournalBatch
from kokex.adapters.postgres.journal_columns import Parameters
from kokex.adapters.postgres.statement_line import Answer, Statement, StatementLine, number, text
from kokex.ports.store import JournalEntry

# The statement is planned once, and always along the indexes: it is prepared while the tables may still be small.
_OPTIONS = " -c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c synchronous_commit=on"

_APPEND = Statement.of("journal_append", journal_sql.APPEND)

COPY_FROM = 64
"""Least size of a batch that is copied: below it, one round trip counts for more than the server's time."""
CAREFUL_BATCHES = 32
"""Batches that are inserted, not copied, after one in which an event was there already: where one repeats, more do."""


class JournalWriter:
    """Appends batches, one after another. A lost connection is replaced, and the batch tried once more at once.

    A commit whose acknowledgement was lost has happened or not. The next attempt finds out: rows that are there already but
    numbered above the last acknowledged number are this writer's own, and are reported as new.
    """

    def __init__(self, address: DatabaseAddress) -> None:
        self._address = address
        self._turn = asyncio.Lock()
        self._line: StatementLine | None = None
        self._acknowledged = 0
        self._in_doubt = False
        self._careful = 0

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
            batch.mend_raw()
        except psycopg.Error as error:
            if not is_unavailable(error):
                raise
        return await self._attempt(batch)

    async def _attempt(self, batch: JournalBatch) -> dict[EventKey, int]:
        line = await self._connect()
        doubtful, self._in_doubt = self._in_doubt, True
        try:
            numbers = await self._append(line, batch, may_copy=not doubtful)
            if doubtful:
                numbers |= await self._own_unacknowledged(line.connection, batch)
        except psycopg.DataError:
            self._in_doubt = doubtful  # refused as a whole
            raise
        except BaseException:
            await self._drop()
            raise
        self._in_doubt = False
        self._acknowledged = max((self._acknowledged, *numbers.values()))
        return numbers

    async def _append(
        self, line: StatementLine, batch: JournalBatch, *, may_copy: bool
    ) -> dict[EventKey, int]:
        """Write the batch in one transaction: a large one by COPY, unless it was seen lately that events repeat."""
        if not may_copy or batch.size < COPY_FROM or self._careful:
            self._careful = max(self._careful - 1, 0)
            return await _insert_all(line, batch)
        try:
            return await _copy_all(line.connection, batch)
        except psycopg.errors.UniqueViolation:
            self._careful = CAREFUL_BATCHES
        return await _insert_all(line, batch)

    async def _own_unacknowledged(
        self, connection: psycopg.AsyncConnection[TupleRow], batch: JournalBatch
    ) -> dict[EventKey, int]:
        numbers: dict[EventKey, int] = {}
        for chunk in batch.chunks:
            asked = {**chunk.key_columns, "after": self._acknowledged}
            numbers |= await _numbers([await connection.execute(journal_sql.NUMBERS, asked)])
        return numbers

    async def _connect(self) -> StatementLine:
        if self._line is None or self._line.closed:
            arguments = self._address.connect_arguments
            arguments["options"] += _OPTIONS
            connection = await psycopg.AsyncConnection.connect(**arguments, autocommit=True)
            parameters.register(connection)
            self._line = StatementLine(connection)
            if not self._in_doubt:
                row = await (await connection.execute(journal_sql.LAST_NUMBER)).fetchone()
                self._acknowledged = row[0] if row else 0
        return self._line

    async def _drop(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            await line.close()


async def _insert_all(line: StatementLine, batch: JournalBatch) -> dict[EventKey, int]:
    """Write the batch in one transaction. What is there already falls away."""
    if batch.is_one_statement:
        (answer,) = await line.run((_APPEND, batch.parameters))
        return _keyed(answer)
    connection = line.connection
    # The server works on a chunk while the next is being encoded; other tasks get their turn in between.
    cursors = []
    async with connection.pipeline(), connection.transaction():
        for chunk in batch.chunks:
            cursors.append(await _send(connection, journal_sql.INSERT_EVENTS, chunk.parameters))
            await asyncio.sleep(0)
        await _project(connection, batch)
    return await _numbers(cursors)


async def _copy_all(
    connection: psycopg.AsyncConnection[TupleRow], batch: JournalBatch
) -> dict[EventKey, int]:
    """Write the batch in one transaction.

    Raises:
        psycopg.errors.UniqueViolation: an event of it is there already; nothing is written.
    """
    async with connection.transaction():
        numbers = await _draw(connection, batch.size)
        async with connection.cursor().copy(journal_copy.COPY) as copy:
            await copy.write(journal_copy.HEADER)
            done = 0
            for chunk in batch.chunks:
                await copy.write(journal_copy.rows(chunk, numbers[done : done + len(chunk.keys)]))
                done += len(chunk.keys)
                await asyncio.sleep(0)
            await copy.write(journal_copy.TRAILER)
        async with connection.pipeline():
            await _project(connection, batch)
    return {
        key: numbers[index] for index, key in enumerate(key for chunk in batch.chunks for key in chunk.keys)
    }


async def _draw(connection: psycopg.AsyncConnection[TupleRow], count: int) -> list[int]:
    """So many numbers, rising."""
    async with connection.pipeline():
        await connection.execute(journal_copy.LOCK)
        cursor = await _send(connection, journal_copy.NUMBERS, [count])
        row = await cursor.fetchone()
    assert row is not None
    numbers: list[int] = row[0]
    return numbers


async def _project(connection: psycopg.AsyncConnection[TupleRow], batch: JournalBatch) -> None:
    """Bring orders, fills and heads up to date."""
    for orders in batch.orders:
        await _send(connection, journal_sql.MOVE_ORDERS, orders)
    await _send(connection, journal_sql.KEEP_FILLS, batch.fills)
    await _send(connection, journal_sql.MOVE_HEADS, batch.heads)


async def _send(
    connection: psycopg.AsyncConnection[TupleRow], statement: str, parameters: Parameters | list[int]
) -> psycopg.AsyncCursor[TupleRow]:
    cursor = connection.cursor(binary=True)
    await cursor.execute(statement, parameters, prepare=True)
    return cursor


async def _numbers(cursors: Sequence[psycopg.AsyncCursor[TupleRow]]) -> dict[EventKey, int]:
    return {row[1:]: row[0] for cursor in cursors for row in await cursor.fetchall()}


def _keyed(answer: Answer) -> dict[EventKey, int]:
    """Numbers by key, as `journal_sql.APPEND` gives them."""
    return {
        (number(answer, row, 1), text(answer, row, 2), text(answer, row, 3), text(answer, row, 4)): number(
            answer, row, 0
        )
        for row in range(answer.ntuples)
    }
