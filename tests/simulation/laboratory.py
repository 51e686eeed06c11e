"""Where runs take place: an event loop, a database and a store, used again by one run after another."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections import deque
from collections.abc import Iterator, MutableMapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import structlog
from pydantic import SecretStr

from kokex.adapters.postgres import EmbeddedPostgres, PostgresStore
from kokex.adapters.vault import Vault
from kokex.settings import Settings
from tests.simulation.pace import FastLoop, fast_time

_KEPT = ("alembic_version", "installation")
_RESTART = (
    "SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false) "
    "FROM pg_sequences WHERE schemaname = 'public'"
)
_REST_S = 0.02
LOG: deque[str] = deque(maxlen=5000)
"""The newest log lines of all engines, for whoever explains a failed run."""


class Laboratory:
    """One after another, runs start here with empty tables.

    Args:
        server: the database's own server, where runs may stop it; None where others use it too.
    """

    def __init__(self, database_url: str, folder: Path, server: EmbeddedPostgres | None = None) -> None:
        self.database_url = database_url
        self.settings = Settings(home=folder, database_url=SecretStr(database_url))
        self.server = server
        self.runner = asyncio.Runner(loop_factory=FastLoop)
        self.store = self.runner.run(PostgresStore.open(database_url, Vault.open(folder)))
        self._forget = self._ask(
            "SELECT format('LOCK %s; %s', string_agg(quote_ident(tablename), ', '), "
            "string_agg(format('DELETE FROM %I', tablename), '; ')) FROM pg_tables "
            f"WHERE schemaname = 'public' AND tablename NOT IN {_KEPT}"
        )

    def close(self) -> None:
        """Release everything."""
        self.runner.run(self.store.close())
        self.runner.close()

    def empty(self) -> None:
        """Forget earlier runs. To truncate some dozen tables that hold a few rows takes the server fifty times as long."""
        self._ask(
            f"BEGIN; SET LOCAL session_replication_role = replica; {self._forget}; {_RESTART}; COMMIT; SELECT ''"
        )

    def end_sessions(self) -> None:
        """The database ends every session."""
        self._ask(
            "SELECT count(pg_terminate_backend(pid))::text FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

    def restart_database(self) -> None:
        """The server stops at once and recovers as after a crash; where it is shared, its sessions end."""
        if self.server is None:
            self.end_sessions()
        else:
            crash(self.server)

    def _ask(self, query: str) -> str:
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            cursor = connection.execute(query)
            while cursor.nextset():
                pass
            row = cursor.fetchone()
        return str(row[0]) if row else ""


def crash(server: EmbeddedPostgres) -> None:
    """SIGQUIT to the server, and its recovery."""
    postmaster = Path(server._folder) / "cluster" / "postmaster.pid"
    number = int(postmaster.read_text(encoding="ascii").splitlines()[0])
    os.kill(number, signal.SIGQUIT)
    deadline = time.monotonic() + 20
    while postmaster.exists() and time.monotonic() < deadline:
        time.sleep(_REST_S)
    server._cluster.start(30.0)  # type: ignore[union-attr]


@contextmanager
def laboratory(
    database_url: str, folder: Path, server: EmbeddedPostgres | None = None
) -> Iterator[Laboratory]:
    """A laboratory, in fast time and without log lines."""
    with ExitStack() as stack:
        stack.enter_context(fast_time())
        stack.enter_context(_kept_log())
        made = Laboratory(database_url, folder, server)
        stack.callback(made.close)
        yield made


@contextmanager
def _kept_log() -> Iterator[None]:
    """Log lines go nowhere but into `LOG`."""
    before, drivers = structlog.get_config(), [logging.getLogger(name) for name in ("psycopg", "aiohttp")]
    for driver in drivers:
        driver.setLevel(logging.CRITICAL)  # that connections end is what these runs are about
    structlog.configure(
        processors=[_keep],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=False,
    )
    try:
        yield
    finally:
        structlog.configure(**before)
        for driver in drivers:
            driver.setLevel(logging.NOTSET)


def _keep(logger: object, name: str, event: MutableMapping[str, Any]) -> str:
    LOG.append(f"{time.monotonic():.3f} {name} {dict(event)}")
    raise structlog.DropEvent
