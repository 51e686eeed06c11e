"""Bring a database to this program's schema, or say why not. The revisions in `migrations/` are the only way it changes."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import psycopg
from psycopg.rows import scalar_row

from kokex.adapters.postgres.address import DatabaseAddress
from kokex.adapters.postgres.database import translated
from kokex.domain.errors import StoreError, StoreVersionError

REVISIONS: Final = (
    "0001",
    "0002",
    "0003",
    "0004",
    "0005",
    "0006",
    "0007",
    "0008",
    "0009",
    "0010",
    "0011",
    "0012",
    "0013",
    "0014",
    "0015",
    "0016",
    "0017",
    "0018",
    "0019",
    "0020",
    "0021",
    "0022",
    "0024",
)
"""Every revision this program knows, oldest first."""

HEAD: Final = REVISIONS[-1]

_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x4B4F4B45  # any number that only we use: "KOKE"


def upgrade(url: str, revision: str = HEAD) -> str:
    """Apply what is missing, up to `revision`; nothing where nothing is. Safe from several processes at once.

    Synchronous: from a coroutine call it through `asyncio.to_thread`.

    Returns:
        The revision that the database has now.

    Raises:
        StoreUnavailableError: the database cannot be reached.
        StoreVersionError: it is newer than this program.
    """
    address = DatabaseAddress.parse(url)
    with translated(address):
        with psycopg.connect(**address.connect_arguments) as connection:
            found = _revision(connection)
        if found is not None:
            _check_known(address, found)
            if REVISIONS.index(found) >= REVISIONS.index(revision):
                return found
        _migrate(address, revision)
    return revision


def current_revision(url: str) -> str | None:
    """The database's revision; None where it has no tables yet. Raises `StoreUnavailableError`."""
    address = DatabaseAddress.parse(url)
    with translated(address), psycopg.connect(**address.connect_arguments) as connection:
        return _revision(connection)


def check_revision(address: DatabaseAddress, found: str | None) -> None:
    """Raise where this program cannot work with a database of revision `found`.

    Raises:
        StoreVersionError: it is newer.
        StoreError: it is older, or empty.
    """
    if found is None:
        raise StoreError(f"database {address} has no tables yet; run `kokex db upgrade`")
    _check_known(address, found)
    if found != HEAD:
        raise StoreError(
            f"database {address} has revision {found}, this program needs {HEAD}; run `kokex db upgrade`"
        )


def _check_known(address: DatabaseAddress, found: str) -> None:
    if found not in REVISIONS:
        raise StoreVersionError(
            f"database {address} has revision {found}, newer than {HEAD}, the last that this program knows; "
            "install the KOKEX that made it, or use another database"
        )


def _revision(connection: psycopg.Connection[object]) -> str | None:
    cursor = connection.cursor(row_factory=scalar_row)
    if cursor.execute("SELECT to_regclass('alembic_version')").fetchone() is None:
        return None
    return cursor.execute("SELECT version_num FROM alembic_version").fetchone()


def _migrate(address: DatabaseAddress, revision: str) -> None:
    # Alembic takes a third of a second to import: only where there is something to do.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from sqlalchemy import create_engine, text  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    engine = create_engine(address.url)
    try:
        with engine.begin() as connection:
            # Released with the transaction; whoever waited finds the work done.
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
    finally:
        engine.dispose()
