"""Database URLs are read, adapted to the driver, and shown without passwords."""

from __future__ import annotations

import pytest
from psycopg.conninfo import make_conninfo

from kokex.adapters.postgres.address import DatabaseAddress
from kokex.domain.errors import ConfigurationError

SECRET = "s3cr3t"


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg", "postgresql+asyncpg"])
def test_any_postgres_scheme(scheme: str) -> None:
    """Whatever driver a user wrote, ours is used."""
    address = DatabaseAddress.parse(f"{scheme}://ann:{SECRET}@db.example:5433/trading?sslmode=require")

    assert address.url.drivername == "postgresql+psycopg"
    arguments = address.connect_arguments
    assert (arguments["host"], arguments["port"], arguments["dbname"]) == ("db.example", 5433, "trading")
    assert (arguments["user"], arguments["password"], arguments["sslmode"]) == ("ann", SECRET, "require")


def test_moments_come_in_utc_beside_the_users_own_options() -> None:
    """Options of the URL stay."""
    address = DatabaseAddress.parse("postgresql://db.example/trading?options=-c%20statement_timeout%3D5000")

    assert address.connect_arguments["options"] == "-c timezone=UTC -c statement_timeout=5000"


def test_a_silent_host_is_given_up_after_a_minute() -> None:
    """Whether we only listen or have sent something that it does not confirm; a URL may say otherwise."""
    arguments = DatabaseAddress.parse("postgresql://db.example/trading").connect_arguments
    listening = (
        arguments["keepalives_idle"] + arguments["keepalives_count"] * arguments["keepalives_interval"]
    )

    assert listening == 60
    assert "tcp_user_timeout=60000" in make_conninfo(**arguments)
    own = DatabaseAddress.parse("postgresql://db.example/trading?tcp_user_timeout=5000")
    assert own.connect_arguments["tcp_user_timeout"] == "5000"


def test_socket_folder() -> None:
    """A server on a Unix socket."""
    address = DatabaseAddress.parse("postgresql://postgres@/kokex?host=/run/data")

    assert address.connect_arguments["host"] == "/run/data"
    assert str(address) == "'kokex' on /run/data"


def test_no_password_is_shown() -> None:
    """Neither as text nor in messages that quote it."""
    address = DatabaseAddress.parse(f"postgresql://ann:{SECRET}@db.example/trading")

    assert SECRET not in f"{address} {address!r}"
    assert address.mask(f"no\n such  {SECRET} here") == "no such *** here"


@pytest.mark.parametrize(
    "url",
    [f"mysql://ann:{SECRET}@db.example/trading", f"//ann:{SECRET}@", f"postgresql://{SECRET}:port/x", ""],
)
def test_not_a_database_url(url: str) -> None:
    """One sentence, without what might be a password."""
    with pytest.raises(ConfigurationError, match="postgresql://") as caught:
        DatabaseAddress.parse(url)

    assert SECRET not in str(caught.value)
