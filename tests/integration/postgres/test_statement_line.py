"""Statements past the driver's cursors: one transaction, whole or not at all, and a line that breaks says so."""

from __future__ import annotations

import asyncio
import json
import math
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from kokex.adapters.postgres.parameters import (
    BigintArray,
    BooleanArray,
    DoubleArray,
    JsonbArray,
    JsonbDocument,
    MomentArray,
    Parameter,
    TextArray,
)
from kokex.adapters.postgres.statement_line import Statement, StatementLine, number, text

KEEP = Statement.of(
    "keep", "INSERT INTO kept SELECT * FROM unnest(%(numbers)s, %(texts)s) RETURNING number, word"
)
COUNT = Statement.of(
    "count", "SELECT count(*) FROM kept WHERE number = ANY (%(numbers)s) OR %(numbers)s IS NULL"
)


@pytest.fixture
async def line(empty_database_url: str) -> AsyncIterator[StatementLine]:
    """A line to a database with one table."""
    connection = await psycopg.AsyncConnection.connect(empty_database_url, autocommit=True)
    await connection.execute("CREATE TABLE kept (number bigint PRIMARY KEY, word text)")
    line = StatementLine(connection)
    yield line
    await line.close()


def kept(*numbers: int, word: str = "wörd") -> dict[str, BigintArray | TextArray]:
    return {"numbers": BigintArray.of(numbers), "texts": TextArray.of([word] * len(numbers))}


async def end(line: StatementLine, database_url: str) -> None:
    """Have the server end the line's session."""
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as administrator:
        await administrator.execute(
            "SELECT pg_terminate_backend(%s, 5000)", [line.connection.info.backend_pid]
        )


async def test_answers_come_in_the_order_of_the_statements(line: StatementLine) -> None:
    """The first time with their preparation, then without."""
    for first in (1, 3):
        made, counted = await line.run(
            (KEEP, kept(first, first + 1)), (COUNT, {"numbers": BigintArray.of([first, first + 1])})
        )
        assert [(number(made, row, 0), text(made, row, 1)) for row in range(made.ntuples)] == [
            (first, "wörd"),
            (first + 1, "wörd"),
        ]
        assert number(counted, 0, 0) == 2


async def test_what_is_refused_leaves_nothing_of_all(line: StatementLine) -> None:
    """Whole or not at all; the line is as good as before."""
    with pytest.raises(psycopg.errors.UniqueViolation):
        await line.run((KEEP, kept(1)), (KEEP, kept(2, 2)), (KEEP, kept(3)))

    assert not line.closed
    (counted,) = await line.run((COUNT, {"numbers": BigintArray.of([1, 2, 3])}))
    assert number(counted, 0, 0) == 0


async def test_more_than_the_socket_takes_at_once(line: StatementLine) -> None:
    """Sent and received in parts."""
    word = "x" * 3_000_000
    (made,) = await line.run((KEEP, kept(1, 2, word=word)))

    assert text(made, 1, 1) == word


async def test_between_runs_the_driver_may_use_the_connection(line: StatementLine) -> None:
    """Also in a way that has it forget what was prepared."""
    await line.run((KEEP, kept(1)))
    await line.connection.execute("SELECT 1", prepare=True)
    with pytest.raises(psycopg.errors.UniqueViolation):
        async with line.connection.transaction():
            await line.connection.execute("INSERT INTO kept VALUES (1, '')", prepare=True)
    await line.connection.execute("SELECT 1", prepare=True)

    (made,) = await line.run((KEEP, kept(2)))

    assert number(made, 0, 0) == 2


async def test_a_session_that_was_ended(line: StatementLine, empty_database_url: str) -> None:
    """Told as the driver tells it; the line is of no more use."""
    await end(line, empty_database_url)

    with pytest.raises(psycopg.OperationalError):
        await line.run((KEEP, kept(1)))
    assert line.closed


async def test_an_event_loop_that_tells_nothing(line: StatementLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """uvloop tells no reader of a socket that was reset (the server ended before it read the statement): it is looked at now and then."""
    monkeypatch.setattr(asyncio.get_running_loop(), "add_reader", lambda *_: None, raising=False)
    async with asyncio.timeout(20):
        (made,) = await line.run((KEEP, kept(1)))

    assert number(made, 0, 0) == 1


async def test_whoever_has_the_number_of_a_broken_socket_next_is_heard(
    line: StatementLine, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """libpq closes a socket that broke; another may be opened under its number before the task that waits goes on."""
    loop, heard, fail = asyncio.get_running_loop(), asyncio.Event(), StatementLine._fail
    number_of_socket = line.connection.pgconn.socket

    with ExitStack() as opened:

        def fail_and_open(self: StatementLine, error: psycopg.Error) -> None:
            fail(self, error)
            for _ in range(100):
                ours, theirs = map(opened.enter_context, socket.socketpair())
                if number_of_socket in (ours.fileno(), theirs.fileno()):
                    loop.add_reader(number_of_socket, heard.set)
                    (ours if theirs.fileno() == number_of_socket else theirs).send(b"news")
                    return
            raise AssertionError("the number was not given again")

        monkeypatch.setattr(StatementLine, "_fail", fail_and_open)
        await end(line, empty_database_url)
        with pytest.raises(psycopg.OperationalError):
            await line.run((KEEP, kept(1)))
        async with asyncio.timeout(20):
            await heard.wait()
        loop.remove_reader(number_of_socket)


async def test_what_is_refused_when_all_is_committed(line: StatementLine) -> None:
    """A rule that is looked at last: told as any other refusal, and the line is as good as before."""
    await line.connection.execute("ALTER TABLE kept ADD UNIQUE (word) DEFERRABLE INITIALLY DEFERRED")
    for first in (1, 3):
        with pytest.raises(psycopg.errors.UniqueViolation):
            await line.run((KEEP, kept(first, first + 1)), (COUNT, {"numbers": BigintArray.of([1])}))

    assert not line.closed
    (counted,) = await line.run((COUNT, {"numbers": BigintArray.of([1, 2, 3, 4])}))
    assert number(counted, 0, 0) == 0


_TEXTS = [
    "",
    None,
    "NULL",
    "{}",
    'a"b',
    "a\\b",
    "a,b",
    "o'clock",
    "wörd \u4e2d \U0001f600",
    "\n\t ",
    "x" * 3_000_000,
]
_NUMBERS = [
    Decimal("1E+5"),
    Decimal("-1.50"),
    None,
    Decimal("1E-9"),
    Decimal("Infinity"),
    Decimal("NaN"),
    Decimal("-0"),
]
_MOMENTS = [
    datetime(2026, 1, 1, 12, 0, 0, 1, tzinfo=UTC),
    datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=timezone(timedelta(hours=8))),
    datetime(1, 1, 1, tzinfo=UTC),
    datetime.max.replace(tzinfo=UTC),
]
_DOUBLES = [0.1, None, math.inf, -math.inf, math.nan, 5e-324, -0.0, 1.0]


@pytest.mark.parametrize(
    ("kind", "own", "values"),
    [
        ("text[]", TextArray.of, _TEXTS),
        ("text[]", TextArray.of_few, _TEXTS[:-1] * 2),
        ("numeric[]", TextArray.of_numbers, _NUMBERS),
        ("bigint[]", BigintArray.of, [0, None, -1, 2**63 - 1, -(2**63)]),
        ("double precision[]", DoubleArray.of, _DOUBLES),
        ("boolean[]", BooleanArray.of, [True, None, False]),
        ("timestamptz[]", MomentArray.of, _MOMENTS),
    ],
)
async def test_values_come_as_the_driver_sends_them(
    line: StatementLine, kind: str, own: Callable[[list[Any]], Parameter], values: list[Any]
) -> None:
    """To the last bit, none and special ones among them; and no value at all."""
    query = f"SELECT (VALUE::{kind})::text"
    statement = Statement.of("told", query.replace("VALUE", "%(values)s"))
    for some in (values, []):
        expected = await line.connection.execute(query.replace("VALUE", "%s").encode(), [some])
        (told,) = await line.run((statement, {"values": own(some)}))
        assert (text(told, 0, 0),) == await expected.fetchone()


async def test_documents_come_as_they_are(line: StatementLine) -> None:
    """JSON, as one value and as many."""
    documents = [b'{"a": "\\u00f6\\n\\"\\\\", "b": [1.50, null]}', b"[]", '"wörd"'.encode()]
    (told,) = await line.run(
        (
            Statement.of("documents", "SELECT to_jsonb(%(many)s)::text, (%(one)s)::text"),
            {"many": JsonbArray.of(documents), "one": JsonbDocument.of(documents[0])},
        )
    )
    assert json.loads(text(told, 0, 0)) == [json.loads(one) for one in documents]
    assert text(told, 0, 1) == '{"a": "ö\\n\\"\\\\", "b": [1.50, null]}'


async def test_what_the_server_cannot_keep_is_refused(line: StatementLine) -> None:
    """As the driver would: the line is as good as before."""
    with pytest.raises(psycopg.DataError):
        await line.run((KEEP, kept(1, word="a\x00b")))
    assert not line.closed
    await line.run((KEEP, kept(1)))
