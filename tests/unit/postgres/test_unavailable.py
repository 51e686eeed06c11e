"""Which errors of the driver mean that the database is away, and which that it refused."""

from __future__ import annotations

import psycopg
import pytest
from sqlalchemy import exc

from kokex.adapters.postgres.database import is_unavailable

CUT_OFF = psycopg.ProgrammingError("can't change 'autocommit' now: connection in transaction status ACTIVE")


@pytest.mark.parametrize(
    ("error", "away"),
    [
        (psycopg.OperationalError("server closed the connection unexpectedly"), True),
        (psycopg.InterfaceError("the connection is closed"), True),
        (CUT_OFF, True),
        (exc.ProgrammingError("SELECT 1", None, CUT_OFF), True),
        (psycopg.errors.UndefinedTable("relation does not exist"), False),
        (psycopg.ProgrammingError("the query has 1 placeholder but 0 parameters were passed"), False),
    ],
)
def test_a_database_that_is_away(error: Exception, away: bool) -> None:
    """Found by a simulated run: a session that ends while the pool looks at it is no refusal."""
    assert is_unavailable(error) is away
