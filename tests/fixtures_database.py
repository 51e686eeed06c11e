"""Databases for tests: one embedded server for the whole run, a fresh migrated database for each test that asks.

Workers of pytest-xdist share the server: the first to need it starts it, the last to leave stops it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
import structlog
from filelock import FileLock
from psycopg import sql

from kokex.adapters.postgres import EmbeddedPostgres, PostgresStore, upgrade
from kokex.adapters.vault import Vault

_TEMPLATE = "migrated_template"

# Nothing here outlives the run: no test reads a database after a power cut.
_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server of this run keeps its files; the same for all workers, not made yet."""
    run = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        run = run.parent
    # Not below pytest's own folder: another session closes that to all but its user, the server's among them.
    return Path(tempfile.gettempdir()) / f"kokex-tests-{sha256(os.fsencode(run)).hexdigest()[:16]}"


@pytest.fixture(scope="session")
def database_server(run_folder: Path) -> Iterator[EmbeddedPostgres]:
    """The server that all workers share."""
    try:
        with EmbeddedPostgres(run_folder, settings=_SETTINGS) as server:
            yield server
    finally:
        if not (run_folder / "cluster" / "postmaster.pid").exists():
            shutil.rmtree(run_folder, ignore_errors=True)


@pytest.fixture(scope="session")
def migrated_template(database_server: EmbeddedPostgres, run_folder: Path) -> str:
    """Name of a migrated database that others are copied from."""
    with FileLock(run_folder / "template.lock"), _administration(database_server) as server:
        there = server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [_TEMPLATE]).fetchone()
        if there is None:
            draft = f"draft_{uuid4().hex}"
            server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(draft)))
            upgrade(database_server.database_url(draft))
            rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
            server.execute(rename.format(sql.Identifier(draft), sql.Identifier(_TEMPLATE)))
    return _TEMPLATE


@pytest.fixture
def database_url(database_server: EmbeddedPostgres, migrated_template: str) -> Iterator[str]:
    """URL of a fresh database with all tables."""
    with _database(database_server, template=migrated_template) as url:
        yield url


@pytest.fixture
def empty_database_url(database_server: EmbeddedPostgres) -> Iterator[str]:
    """URL of a fresh database without tables."""
    with _database(database_server, template="template1") as url:
        yield url


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    """A vault with a key of its own."""
    return Vault.open(tmp_path)


@pytest.fixture
async def store(database_url: str, vault: Vault) -> AsyncIterator[PostgresStore]:
    """A store on a fresh database."""
    store = await PostgresStore.open(database_url, vault)
    yield store
    await store.close()


@pytest.fixture
def own_place(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Commands that are run in this process work on the test's own folder and database."""
    monkeypatch.setenv("KOKEX_HOME", str(tmp_path))
    monkeypatch.setenv("KOKEX_DATABASE_URL", database_url)
    yield
    structlog.reset_defaults()  # the commands' logs went to streams that are closed now


@contextmanager
def _database(server: EmbeddedPostgres, *, template: str) -> Iterator[str]:
    name = f"test_{uuid4().hex}"
    with _administration(server) as connection:
        create = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
        connection.execute(create.format(sql.Identifier(name), sql.Identifier(template)))
    try:
        yield server.database_url(name)
    finally:
        with _administration(server) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def _administration(server: EmbeddedPostgres) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with psycopg.connect(server.database_url("postgres"), autocommit=True) as connection:
        yield connection
