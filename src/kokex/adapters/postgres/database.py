"""The connection pool, and the driver's errors told in our own words."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import msgspec
import psycopg
from sqlalchemy import exc
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from kokex.adapters.postgres.address import DatabaseAddress
from kokex.domain.errors import StoreError, StoreUnavailableError

_POOL = 4
_MORE = 4


class ConstraintError(StoreError):
    """A row would break a rule of the schema: repositories say in their own words what that means.

    Attributes:
        constraint: the rule's name.
    """

    def __init__(self, message: str, constraint: str | None) -> None:
        super().__init__(message)
        self.constraint = constraint


class Database:
    """A pool of connections to one database. Every `begin` is one transaction."""

    def __init__(self, address: DatabaseAddress) -> None:
        self.address = address
        self._engine: AsyncEngine = create_async_engine(
            address.url,
            connect_args=address.connect_arguments,
            pool_size=_POOL,
            max_overflow=_MORE,
            pool_timeout=10,
            hide_parameters=True,  # errors are logged, keys must not be
            pool_pre_ping=True,  # a connection that the server closed meanwhile is replaced, not handed out
            json_serializer=_to_json,
            json_deserializer=msgspec.json.decode,
        )

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """One transaction: committed at the end of the block, rolled back by an exception.

        Raises:
            StoreUnavailableError: the database cannot be reached.
            StoreError: it refused.
        """
        with translated(self.address):
            async with self._engine.begin() as connection:
                yield connection

    async def close(self) -> None:
        """Release all connections."""
        await self._engine.dispose()


@contextmanager
def translated(address: DatabaseAddress) -> Iterator[None]:
    """Raise the driver's errors as ours: unreachable, against a rule of the schema, or refused."""
    try:
        yield
    except (exc.TimeoutError, exc.DBAPIError, psycopg.Error) as error:
        cause = error.orig if isinstance(error, exc.DBAPIError) else error
        reason = address.mask(str(cause))
        if is_unavailable(error):
            raise StoreUnavailableError(f"database {address} cannot be reached: {reason}") from error
        message = f"database {address} refused: {reason}"
        if isinstance(cause, psycopg.IntegrityError):
            raise ConstraintError(message, cause.diag.constraint_name) from error
        raise StoreError(message) from error


def is_unavailable(error: BaseException) -> bool:
    """Whether the database was out of reach, rather than against what was asked."""
    if isinstance(error, exc.TimeoutError):
        return True
    if isinstance(error, exc.DBAPIError):
        return error.connection_invalidated or is_unavailable(error.orig or ValueError())
    if isinstance(error, psycopg.ProgrammingError):
        # The pool's look at a connection that was cut off in the middle: the driver's own words, the server never answered.
        return error.sqlstate is None and "transaction status" in str(error)
    return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)


def _to_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
