"""Prepared statements at the least cost to the event loop: what every event pays for.

`psycopg`'s `execute` costs this process about 110 us for a statement, libpq itself about 20. A line is one of its connections, used
through libpq: all statements of a `run` are one transaction and one round trip. Between two runs the connection may be used as ever.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from struct import Struct
from typing import Any, Final, TypeAlias

import psycopg
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult

from kokex.adapters.postgres.parameters import Parameter

_PLACE: Final = re.compile(r"%\((\w+)\)s")
_BINARY: Final = 1
_LOOK_SECONDS: Final = 0.2
"""How often a socket is looked at that the event loop says nothing of: uvloop tells no reader of one that was reset."""
_GOOD: Final = frozenset({ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK})
_bigint = Struct("!q").unpack

Answer: TypeAlias = PGresult
"""What a statement gave, its columns in binary."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement, written with `%(name)s`, under a name that is its own on the connection."""

    name: bytes
    text: bytes
    parameters: tuple[str, ...]

    @classmethod
    def of(cls, name: str, text: str) -> Statement:
        """Read `text`; a parameter may stand in it more than once."""
        names = list(dict.fromkeys(_PLACE.findall(text)))
        numbered = _PLACE.sub(lambda found: f"${names.index(found[1]) + 1}", text)
        return cls(name.encode(), numbered.encode(), tuple(names))


Commands: TypeAlias = tuple[tuple[Statement, Mapping[str, Parameter]], ...]


@dataclass(slots=True)
class _Exchange:
    """A run under way: what has come so far, the socket while it is listened to, and when it is looked at unasked."""

    done: asyncio.Future[list[PGresult]]
    socket: int | None = None
    alarm: asyncio.TimerHandle | None = None
    answers: list[PGresult] = field(default_factory=list)
    after_none: bool = False

    def stop(self) -> None:
        """Listen no longer."""
        if self.socket is not None and self.alarm is not None:
            loop = asyncio.get_running_loop()
            self.alarm.cancel()
            loop.remove_reader(self.socket)
            loop.remove_writer(self.socket)
            self.socket = None


class StatementLine:
    """One connection's statements, a `run` at a time. After an error of the connection, or a cancelled run, close it."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """`connection`: open, in autocommit."""
        self.connection = connection
        self._pgconn = connection.pgconn
        self._prepared: set[bytes] = set()
        self._exchange: _Exchange | None = None

    @property
    def closed(self) -> bool:
        """Whether it is of no more use."""
        return self.connection.closed or self._exchange is not None

    async def run(self, *commands: tuple[Statement, Mapping[str, Parameter]]) -> list[Answer]:
        """What each statement gave; all in one transaction, which is committed.

        Raises:
            psycopg.Error: the server refused one, and so all; or it cannot be reached.
        """
        try:
            return await self._attempt(commands)
        except (
            psycopg.errors.InvalidSqlStatementName
        ):  # `psycopg` forgets all that is prepared after a rollback of its own
            self._prepared.clear()
        return await self._attempt(commands)

    async def close(self) -> None:
        """Release the connection."""
        await self.connection.close()

    async def _attempt(self, commands: Commands) -> list[Answer]:
        loop = asyncio.get_running_loop()
        exchange = self._exchange = _Exchange(loop.create_future())
        fresh = self._send(commands)
        exchange.socket = socket = self._pgconn.socket
        exchange.alarm = loop.call_later(_LOOK_SECONDS, self._look, exchange)
        try:
            loop.add_reader(socket, self._read)
            if self._pgconn.flush():
                loop.add_writer(socket, self._write_on, socket)
            answers = await exchange.done
        finally:
            exchange.stop()
        self._exchange = None
        self._pgconn.exit_pipeline_mode()
        return self._judged(answers, fresh)

    def _send(self, commands: Commands) -> list[bytes]:
        """Queue the statements, new ones behind their preparation; for each message the name that it prepares, or nothing."""
        fresh: list[bytes] = []
        pgconn = self._pgconn
        pgconn.enter_pipeline_mode()
        for statement, told in commands:
            values = [told[name] for name in statement.parameters]
            if statement.name not in self._prepared and statement.name not in fresh:
                pgconn.send_prepare(statement.name, statement.text, [value.oid for value in values])
                fresh.append(statement.name)
            pgconn.send_query_prepared(statement.name, values, [_BINARY] * len(values), _BINARY)
            fresh.append(b"")
        pgconn.pipeline_sync()
        return fresh

    def _write_on(self, socket: int) -> None:
        """The socket takes more."""
        try:
            if not self._pgconn.flush():
                asyncio.get_running_loop().remove_writer(socket)
        except psycopg.Error as error:
            self._fail(error)

    def _look(self, exchange: _Exchange) -> None:
        """Nothing was heard for a while."""
        self._read()
        if not exchange.done.done():
            exchange.alarm = asyncio.get_running_loop().call_later(_LOOK_SECONDS, self._look, exchange)

    def _read(self) -> None:
        """The socket has something to say."""
        exchange = self._exchange
        if exchange is None or exchange.done.done():
            return
        try:
            self._pgconn.consume_input()
            while not self._pgconn.is_busy():
                answer = self._pgconn.get_result()
                if answer is None:
                    if exchange.after_none:
                        raise psycopg.OperationalError(self._pgconn.get_error_message())
                    exchange.after_none = True
                    continue
                exchange.after_none = False
                if answer.status == ExecStatus.PIPELINE_SYNC:
                    exchange.done.set_result(exchange.answers)
                    return
                exchange.answers.append(answer)
        except psycopg.Error as error:
            self._fail(error)

    def _fail(self, error: psycopg.Error) -> None:
        if self._exchange is not None and not self._exchange.done.done():
            # At once: libpq closes a socket that broke, and whatever is opened next, by anyone here, may have its number.
            self._exchange.stop()
            self._exchange.done.set_exception(error)

    def _judged(self, answers: list[PGresult], fresh: list[bytes]) -> list[PGresult]:
        """The answers to statements; raises what the server complained of first, at a statement or, behind them all, at the commit."""
        told = zip(answers, fresh, strict=False)
        self._prepared.update(name for answer, name in told if name and answer.status in _GOOD)
        for answer in answers:
            if answer.status not in _GOOD:
                raise psycopg.errors.error_from_result(answer)
        return [answer for answer, name in zip(answers, fresh, strict=True) if not name]


def number(answer: Answer, row: int, column: int) -> int:
    """A `bigint` that is not null."""
    value = answer.get_value(row, column)
    assert value is not None
    found: int = _bigint(value)[0]
    return found


def text(answer: Answer, row: int, column: int) -> str:
    """A `text` that is not null."""
    value = answer.get_value(row, column)
    assert value is not None
    return value.decode()
