"""Words that PostgreSQL passes on between processes (`LISTEN`, `NOTIFY`), heard across lost connections."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

import psycopg

from kokex.adapters.postgres.address import DatabaseAddress
from kokex.adapters.postgres.database import is_unavailable, translated

_SHORTEST_WAIT, _LONGEST_WAIT = 0.1, 15.0


async def notifications(address: DatabaseAddress, channel: str) -> AsyncIterator[str]:
    """Payloads told on `channel`, as they come.

    The first item is an empty one, once it listens, and again after each lost connection: what was told before was not
    heard, and must be read.

    Raises:
        StoreUnavailableError: the database cannot be reached at the start; later it is waited for.
    """
    with translated(address):
        connection = await _listen(address, channel)
    while True:
        try:
            yield ""
            async for word in connection.notifies():
                yield word.payload
        except psycopg.Error as error:
            if not is_unavailable(error):
                raise
        finally:
            await connection.close()
        connection = await _listen_again(address, channel)


async def _listen(address: DatabaseAddress, channel: str) -> psycopg.AsyncConnection[tuple[object, ...]]:
    connection = await psycopg.AsyncConnection.connect(**address.connect_arguments, autocommit=True)
    try:
        await connection.execute(psycopg.sql.SQL("LISTEN {}").format(psycopg.sql.Identifier(channel)))
    except BaseException:
        await connection.close()
        raise
    return connection


async def _listen_again(
    address: DatabaseAddress, channel: str
) -> psycopg.AsyncConnection[tuple[object, ...]]:
    """Reconnect, however long it takes."""
    wait = _SHORTEST_WAIT
    while True:
        try:
            return await _listen(address, channel)
        except psycopg.Error as error:
            if not is_unavailable(error):
                raise
        await asyncio.sleep(wait * random.uniform(0.5, 1.0))
        wait = min(2 * wait, _LONGEST_WAIT)
