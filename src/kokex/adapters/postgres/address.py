"""Database URLs: what a user gives, made fit for the driver, and shown without its password."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import URL, make_url
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import ArgumentError

from kokex.domain.errors import ConfigurationError

_DIALECT: Dialect = postgresql.psycopg.dialect()  # type: ignore[no-untyped-call]

# A host that has gone silent is given up after 60 s, also where something was sent that it has not confirmed: keepalives do not
# count then, and a statement would wait for a quarter of an hour.
_KEEPALIVE = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
    "application_name": "kokex",
}


@dataclass(frozen=True, slots=True)
class DatabaseAddress:
    """One PostgreSQL database: how to reach it and what to call it in messages."""

    url: URL

    @classmethod
    def parse(cls, url: str) -> DatabaseAddress:
        """Read `postgresql://user:password@host:port/database?option=value` (also `postgres://`).

        Raises:
            ConfigurationError: it is no such URL. The message does not repeat it: it may hold a password.
        """
        try:
            found = make_url(url)
        except (ArgumentError, ValueError):
            raise ConfigurationError(
                "the database URL cannot be read; write it as postgresql://user:password@host:5432/database"
            ) from None
        backend = found.drivername.partition("+")[0]
        if backend not in ("postgresql", "postgres"):
            raise ConfigurationError(
                f"a database URL must begin with postgresql://, not {found.drivername}://; KOKEX keeps its data in PostgreSQL"
            )
        return cls(found.set(drivername="postgresql+psycopg"))

    @property
    def connect_arguments(self) -> dict[str, Any]:
        """Keyword arguments of `psycopg.connect`. Moments come back in UTC, whatever the server's own zone."""
        _, arguments = _DIALECT.create_connect_args(self.url)
        arguments = {**_KEEPALIVE, **arguments}
        arguments["options"] = f"-c timezone=UTC {arguments.get('options', '')}".strip()
        return arguments

    def __str__(self) -> str:
        arguments = self.connect_arguments
        return f"{arguments.get('dbname', 'postgres')!r} on {arguments.get('host', 'the local server')}"

    def __repr__(self) -> str:
        return f"DatabaseAddress({self})"

    def mask(self, text: str) -> str:
        """`text` as one line without this address's password."""
        password = self.connect_arguments.get("password")
        line = " ".join(text.split())
        return line.replace(str(password), "***") if password else line
