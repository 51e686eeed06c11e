"""Ownership of accounts by PostgreSQL's advisory locks, which die with the session that holds them.

A lock is (class, account). A further one, shared by all, says that an engine is there at all. The session has a connection of
its own, directly to the server: a pooler that hands sessions round (PgBouncer's transaction pooling) would lose the locks, so
every answer must come from the server process that gave them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import structlog
from psycopg.rows import TupleRow
from sqlalchemy import text

from kokex.adapters.postgres.address import DatabaseAddress
from kokex.adapters.postgres.database import Database, translated
from kokex.domain.errors import StoreUnavailableError

log = structlog.get_logger(__name__)

ACCOUNTS = 0x4B4F4143
"""Class of the locks on accounts: "KOAC"."""
ENGINES = 0x4B4F454E
"""Class of the shared lock that every engine holds: "KOEN"."""
ANSWER_SECONDS = 3.0
"""Without an answer for so long the session counts as lost, on this side."""
WRITING_SECONDS = 1.0
"""How long an account that was just taken waits for what is being written to the journal and to turns. It is given back then, and
tried again: meanwhile the other accounts go on."""
NAME = "kokex engine "
"""What a session's name begins with, where the server lists its sessions."""

# The server ends a session whose host has gone silent after 4 + 2 * 1 seconds: later than this side gives up, and early
# enough for another engine to be at work within ten. (Within one machine a dead process is noticed at once.)
_SERVER_OPTIONS = (
    " -c tcp_keepalives_idle=4 -c tcp_keepalives_interval=1 -c tcp_keepalives_count=2"
    " -c tcp_user_timeout=6000 -c idle_session_timeout=0"
)
_CLIENT_OPTIONS = {
    "connect_timeout": 3,
    "keepalives_idle": 3,
    "keepalives_interval": 1,
    "keepalives_count": 3,
}

_OTHERS = """
SELECT session.application_name, count(owned.objid)
FROM pg_locks AS present
JOIN pg_stat_activity AS session USING (pid)
LEFT JOIN pg_locks AS owned
    ON owned.pid = present.pid AND owned.locktype = 'advisory' AND owned.classid = %(accounts)s
    AND owned.database = present.database AND owned.granted
WHERE present.locktype = 'advisory' AND present.classid = %(engines)s AND present.granted
    AND present.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND present.pid <> pg_backend_pid()
GROUP BY session.pid, session.application_name
"""

_OWNERS = """
SELECT owned.objid, session.application_name
FROM pg_locks AS owned
JOIN pg_stat_activity AS session USING (pid)
WHERE owned.locktype = 'advisory' AND owned.classid = :accounts AND owned.granted
    AND owned.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""

# Transactions that are writing to the journal or to turns now, as a former owner's last one may be: its session need not have
# ended together with the one that held the lock. (A turn that is opened while its plan is taken up would keep what it tells.)
_WRITING = """
SELECT DISTINCT virtualtransaction, pid FROM pg_locks
WHERE relation IN ('order_event_logs'::regclass, 'turns'::regclass) AND mode = 'RowExclusiveLock'
    AND pid <> pg_backend_pid()
"""


def engine_name() -> str:
    """A name for this process that no other has or will have."""
    return f"{socket.gethostname()[:30]}:{os.getpid()}:{secrets.token_hex(3)}"


class PostgresAccountLocks:
    """See `kokex.ports.ownership.AccountLocks`."""

    def __init__(self, address: DatabaseAddress, engine: str | None = None) -> None:
        self._address = address
        self._engine = engine or engine_name()
        self._session: psycopg.AsyncConnection[TupleRow] | None = None
        self._server_process = 0

    @property
    def engine(self) -> str:
        """See `AccountLocks`."""
        return self._engine

    async def acquire(self, account_id: int) -> bool:
        """See `AccountLocks`."""
        if self._session is None:
            await self._connect()
        taken = bool((await self._ask("SELECT pg_try_advisory_lock(%s, %s)", [ACCOUNTS, account_id]))[0][0])
        if taken and not await self._until_written():
            await self.release(account_id)
            return False
        return taken

    async def release(self, account_id: int) -> None:
        """See `AccountLocks`."""
        await self._ask("SELECT pg_advisory_unlock(%s, %s)", [ACCOUNTS, account_id])

    async def prove(self) -> None:
        """See `AccountLocks`."""
        await self._ask("SELECT 1", [])

    async def others(self) -> dict[str, int]:
        """See `AccountLocks`."""
        if self._session is None:
            await self._connect()
        rows = await self._ask(_OTHERS, {"accounts": ACCOUNTS, "engines": ENGINES})
        return {str(name).removeprefix(NAME): int(owned) for name, owned in rows}

    async def close(self) -> None:
        """See `AccountLocks`."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _connect(self) -> None:
        arguments = self._address.connect_arguments | _CLIENT_OPTIONS
        arguments["options"] += _SERVER_OPTIONS
        arguments["application_name"] = f"{NAME}{self._engine}"[:63]
        with translated(self._address):
            session = await psycopg.AsyncConnection.connect(**arguments, autocommit=True)
        self._session = session
        self._server_process = session.info.backend_pid
        await self._ask("SELECT pg_advisory_lock_shared(%s, 0)", [ENGINES])

    async def _until_written(self) -> bool:
        """Wait for transactions of the journal and of turns that began before the account was ours. False: one does not end."""
        writing = set(await self._ask(_WRITING, []))
        deadline = time.monotonic() + WRITING_SECONDS
        while writing:
            if time.monotonic() > deadline:
                log.warning(
                    "account waits: a transaction of the journal or of turns does not end",
                    database=str(self._address),
                    sessions=sorted(process for _, process in writing),
                    hint="it may belong to an engine that was stopped; see pg_stat_activity",
                )
                return False
            await asyncio.sleep(0.005)
            writing &= set(await self._ask(_WRITING, []))
        return True

    async def _ask(self, query: str, parameters: Any) -> list[TupleRow]:
        async with self._losing_all_on_error() as session:
            statement = f"SELECT pg_backend_pid(), asked.* FROM ({query}) AS asked"  # noqa: S608 - our own
            rows = await (await session.execute(statement, parameters)).fetchall()
            if any(row[0] != self._server_process for row in rows):
                raise StoreUnavailableError(
                    f"database {self._address} is reached through a pooler that changes sessions; "
                    "engines need a direct connection (or session pooling)"
                )
        return [row[1:] for row in rows]

    @asynccontextmanager
    async def _losing_all_on_error(self) -> AsyncIterator[psycopg.AsyncConnection[TupleRow]]:
        session = self._session
        if session is None:
            raise StoreUnavailableError(
                f"the session with database {self._address} that holds the accounts is lost"
            )
        watchdog = asyncio.get_running_loop().call_later(ANSWER_SECONDS, _cut, session)
        try:
            with translated(self._address):
                yield session
        except BaseException:
            self._session = None
            with contextlib.suppress(psycopg.Error):
                await session.close()
            raise
        finally:
            watchdog.cancel()


def _cut(session: psycopg.AsyncConnection[TupleRow]) -> None:
    """End a silent session on this side: whoever waits for its answer learns it at once."""
    log.warning("no answer on the session that holds the accounts", seconds=ANSWER_SECONDS)
    with contextlib.suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(session.fileno())) as wire:
        wire.shutdown(socket.SHUT_RDWR)


class PostgresAccountOwners:
    """See `kokex.ports.ownership.AccountOwners`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def owners(self) -> dict[int, str]:
        """See `AccountOwners`."""
        async with self._database.begin() as connection:
            rows = (await connection.execute(text(_OWNERS), {"accounts": ACCOUNTS})).all()
        return {int(row[0]): str(row[1]).removeprefix(NAME) for row in rows}
