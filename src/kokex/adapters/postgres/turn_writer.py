"""Opens and closes turns: what is asked for while one transaction is under way goes into the next, whichever plans it is of."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import Final

import psycopg

from kokex.adapters.postgres.address import DatabaseAddress
from kokex.adapters.postgres.database import is_unavailable, translated
from kokex.adapters.postgres.journal_columns import Parameters
from kokex.adapters.postgres.parameters import BigintArray, DoubleArray, JsonbArray, MomentArray, TextArray
from kokex.adapters.postgres.statement_line import Statement, StatementLine, number
from kokex.adapters.postgres.turn_sql import CLOSE, OPEN
from kokex.domain.errors import StoreUnavailableError

# Planned once, and always along the indexes: a few turns are looked up among all that there ever were.
OPTIONS: Final = (
    " -c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off"
    " -c synchronous_commit=on"
)
MOST: Final = 64
"""Turns that are opened or closed in one transaction."""


@dataclass(frozen=True, slots=True)
class Opening:
    """A turn to be opened."""

    plan_id: int
    keys: Sequence[str]
    summary: str
    event_ids: Sequence[int]
    cursor: int
    account_cursor: int
    at: datetime

    @property
    def place(self) -> int:
        """Its plan."""
        return self.plan_id


@dataclass(frozen=True, slots=True)
class Closing:
    """A turn to be closed; `calls` and `record` are JSON."""

    turn_id: int
    status: str
    at: datetime
    calls: bytes
    record: bytes
    tokens_in: int | None = None
    tokens_out: int | None = None
    action: str | None = None
    reason: str | None = None
    confidence: float | None = None
    model: str | None = None
    error: str | None = None
    change_of_mind: str | None = None

    @property
    def place(self) -> int:
        """Its turn."""
        return self.turn_id


@dataclass(frozen=True, slots=True)
class _Asked:
    """What waits to be written, and the number that it is to come to; None: nothing was to be opened or closed."""

    row: Opening | Closing
    answer: asyncio.Future[int | None]

    @property
    def place(self) -> tuple[type, int]:
        """What only one in a transaction may have: its plan to be opened, or its turn to be closed."""
        return type(self.row), self.row.place

    @property
    def waits(self) -> bool:
        """Whether whoever asked is still there."""
        return not self.answer.done()

    def settle(self, number: int | None) -> None:
        """Tell whoever still waits."""
        if self.waits:
            self.answer.set_result(number)

    def refuse(self, error: Exception) -> None:
        """Tell whoever still waits why not."""
        if self.waits:
            self.answer.set_exception(error)


class TurnWriter:
    """One connection, one transaction after another. A lost connection is replaced, and all of it tried once more at once.

    What was committed although its answer was lost is asked for again: an opening then finds the turn running, a closing finds it
    closed. Whoever is cancelled while he waits takes nothing back that is under way; what is not goes out no more.
    """

    def __init__(self, address: DatabaseAddress) -> None:
        self._address = address
        self._line: StatementLine | None = None
        self._waiting: deque[_Asked] = deque()
        self._writing: asyncio.Task[None] | None = None

    async def open(self, opening: Opening) -> int | None:
        """The turn's number; None where a turn of the plan is running.

        Raises:
            StoreUnavailableError: the database cannot be reached.
            ConstraintError: the plan does not exist, or another process has just opened a turn of it.
        """
        return await self._written(opening)

    async def finish(self, closing: Closing) -> bool:
        """Whether the turn was running, and is closed now.

        Raises:
            StoreUnavailableError: the database cannot be reached.
        """
        return await self._written(closing) is not None

    async def close(self) -> None:
        """Write what waits, and release the connection."""
        while self._writing is not None:  # the last answer may have had someone ask for more
            await asyncio.wait([self._writing])
        await self._drop()

    async def _written(self, row: Opening | Closing) -> int | None:
        asked = _Asked(row, asyncio.get_running_loop().create_future())
        self._waiting.append(asked)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all())
        return await asked.answer

    async def _write_all(self) -> None:
        group: list[_Asked] = []
        try:
            while self._waiting:
                group = self._take()
                await self._write(group)
        finally:
            self._writing = None
            for asked in (*group, *self._waiting):  # none, unless this program ends
                asked.answer.cancel()

    def _take(self) -> list[_Asked]:
        """What goes into one transaction: the oldest, of each plan and each turn one."""
        group: dict[tuple[type, int], _Asked] = {}
        left: deque[_Asked] = deque()
        while self._waiting and len(group) < MOST:
            asked = self._waiting.popleft()
            if asked.place in group:
                left.append(asked)
            elif asked.waits:
                group[asked.place] = asked
        self._waiting.extendleft(reversed(left))
        return list(group.values())

    async def _write(self, group: Sequence[_Asked]) -> None:
        """One transaction. Where it is refused, each by itself, so that each hears its own reason."""
        try:
            with translated(self._address):
                numbers = await self._numbers(group)
        except StoreUnavailableError as error:
            for asked in group:
                asked.refuse(StoreUnavailableError(str(error)))
        except Exception as error:  # noqa: BLE001 - whoever asked has to hear of it, whatever it is
            if len(group) == 1:
                group[0].refuse(error)
                return
            for asked in group:
                await self._write([asked])
        else:
            for asked in group:
                asked.settle(numbers.get(asked.place))

    async def _numbers(self, group: Sequence[_Asked]) -> dict[tuple[type, int], int]:
        """Numbers of the turns that were opened, and of those that were closed."""
        try:
            return await self._attempt(group)
        except psycopg.Error as error:
            if not is_unavailable(error):
                raise
        return await self._attempt(group)

    async def _attempt(self, group: Sequence[_Asked]) -> dict[tuple[type, int], int]:
        line = await self._connect()
        # Only now: to connect may take seconds, and another engine may have taken up the plan of one who was cancelled meanwhile.
        rows = [asked.row for asked in group if asked.waits]
        commands = _commands(rows)
        if not commands:
            return {}
        try:
            answers = await line.run(*commands.values())
        except psycopg.Error:
            raise
        except BaseException:
            await self._drop()
            raise
        return {
            (kind, number(answer, row, 1)): number(answer, row, 0)
            for kind, answer in zip(commands, answers, strict=True)
            for row in range(answer.ntuples)
        }

    async def _connect(self) -> StatementLine:
        if self._line is None or self._line.closed:
            await self._drop()
            arguments = self._address.connect_arguments
            arguments["options"] += OPTIONS
            self._line = StatementLine(await psycopg.AsyncConnection.connect(**arguments, autocommit=True))
        return self._line

    async def _drop(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            await line.close()


def _commands(rows: Sequence[Opening | Closing]) -> dict[type, tuple[Statement, Parameters]]:
    """What closes turns, and then what opens some: a plan may have one of each."""
    commands: dict[type, tuple[Statement, Parameters]] = {}
    if closings := [row for row in rows if isinstance(row, Closing)]:
        commands[Closing] = (CLOSE, closing_columns(closings))
    if openings := [row for row in rows if isinstance(row, Opening)]:
        commands[Opening] = (OPEN, opening_columns(openings))
    return commands


def opening_columns(rows: Sequence[Opening]) -> Parameters:
    """Of `OPEN`."""
    first_keys, last_keys = _parts([row.keys for row in rows])
    first_events, last_events = _parts([row.event_ids for row in rows])
    return {
        "plan_ids": BigintArray.of([row.plan_id for row in rows]),
        "summaries": TextArray.of([row.summary for row in rows]),
        "cursors": BigintArray.of([row.cursor for row in rows]),
        "account_cursors": BigintArray.of([row.account_cursor for row in rows]),
        "moments": MomentArray.of([row.at for row in rows]),
        "keys": TextArray.of([key for row in rows for key in row.keys]),
        "first_keys": first_keys,
        "last_keys": last_keys,
        "event_ids": BigintArray.of([event_id for row in rows for event_id in row.event_ids]),
        "first_events": first_events,
        "last_events": last_events,
    }


def _parts(lists: Sequence[Sequence[object]]) -> tuple[BigintArray, BigintArray]:
    """Where each list begins and ends, counted from 1, when all of them stand one after another."""
    ends = list(accumulate(map(len, lists)))
    return BigintArray.of([end - len(one) + 1 for end, one in zip(ends, lists, strict=True)]), BigintArray.of(
        ends
    )


def closing_columns(rows: Sequence[Closing]) -> Parameters:
    """Of `CLOSE`."""
    return {
        "turn_ids": BigintArray.of([row.turn_id for row in rows]),
        "statuses": TextArray.of([row.status for row in rows]),
        "moments": MomentArray.of([row.at for row in rows]),
        "actions": TextArray.of([row.action for row in rows]),
        "reasons": TextArray.of([row.reason for row in rows]),
        "confidences": DoubleArray.of([row.confidence for row in rows]),
        "models": TextArray.of([row.model for row in rows]),
        "errors": TextArray.of([row.error for row in rows]),
        "changes_of_mind": TextArray.of([row.change_of_mind for row in rows]),
        "tokens_in": BigintArray.of([row.tokens_in for row in rows]),
        "tokens_out": BigintArray.of([row.tokens_out for row in rows]),
        "calls": JsonbArray.of([row.calls for row in rows]),
        "records": JsonbArray.of([row.record for row in rows]),
    }
