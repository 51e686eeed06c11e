"""Opening and closing a turn in one prepared statement each: every event that wakes an agent pays for both.

These are the ordinary cases. Where nothing comes back (another turn of the plan is still running, or this one is closed already)
`PostgresTurns` looks closer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import psycopg

from kokex.adapters.postgres.address import DatabaseAddress
from kokex.adapters.postgres.database import is_unavailable, translated
from kokex.adapters.postgres.parameters import register

OPEN: Final = """
WITH opened AS (
    INSERT INTO turns (
        plan_id, status, trigger_keys, trigger_summary, event_ids, cursor, account_cursor, started_at)
    SELECT %(plan_id)s, 'running', %(keys)s::text[], %(summary)s, %(event_ids)s::bigint[], %(cursor)s,
        %(account_cursor)s, %(at)s
    WHERE NOT EXISTS (SELECT FROM turns WHERE plan_id = %(plan_id)s AND status = 'running')
    RETURNING id
), noted AS (
    INSERT INTO turn_triggers (plan_id, trigger_key, turn_id)
    SELECT %(plan_id)s, key, opened.id FROM opened, unnest(%(keys)s::text[]) AS key
    ON CONFLICT DO NOTHING
)
SELECT id FROM opened
"""

CLOSE: Final = """
WITH closed AS (
    UPDATE turns SET status = %(status)s, finished_at = %(at)s, action = %(action)s::text,
        reason = %(reason)s::text, confidence = %(confidence)s::double precision, model = %(model)s::text,
        error = %(error)s::text, change_of_mind = %(change_of_mind)s::text,
        tokens_in = %(tokens_in)s::bigint, tokens_out = %(tokens_out)s::bigint
    WHERE id = %(turn_id)s AND status = 'running'
    RETURNING id, event_ids, status
), told AS (
    UPDATE order_event_logs SET agent_conversation_id = closed.id FROM closed
    WHERE order_event_logs.id = ANY (closed.event_ids) AND closed.status = 'done'
), called AS (
    INSERT INTO tool_calls (turn_id, step, name, arguments, result, seconds, asked_at)
    SELECT closed.id, call.* FROM closed, jsonb_to_recordset(%(calls)s::jsonb) AS call (
        step integer, name text, arguments jsonb, result jsonb, seconds double precision,
        asked_at timestamptz)
), recorded AS (
    INSERT INTO turn_records (turn_id, record) SELECT closed.id, %(record)s::jsonb FROM closed
)
SELECT id FROM closed
"""

_CONNECTIONS = 8
_OPTIONS = " -c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c synchronous_commit=on"


class TurnWriter:
    """A few connections that have both statements prepared. Each call is one transaction."""

    def __init__(self, address: DatabaseAddress) -> None:
        self._address = address
        self._idle: list[psycopg.AsyncConnection[Any]] = []
        self._free = asyncio.Semaphore(_CONNECTIONS)

    async def number(self, statement: str, parameters: Mapping[str, Any]) -> int | None:
        """The one number that `statement` gives, or None. Tried once more on a new connection where one was lost.

        Raises:
            StoreUnavailableError: the database cannot be reached.
            ConstraintError: against a rule of the schema.
        """
        async with self._free:
            with translated(self._address):
                try:
                    return await self._attempt(statement, parameters)
                except psycopg.Error as error:
                    if not is_unavailable(error):
                        raise
                return await self._attempt(statement, parameters)

    async def close(self) -> None:
        """Release the connections."""
        while self._idle:
            await self._idle.pop().close()

    async def _attempt(self, statement: str, parameters: Mapping[str, Any]) -> int | None:
        connection = self._idle.pop() if self._idle else await self._connect()
        try:
            cursor = await connection.execute(statement, parameters, prepare=True, binary=True)
            row = await cursor.fetchone()
        except psycopg.IntegrityError:
            self._idle.append(connection)
            raise
        except BaseException:
            await connection.close()
            raise
        self._idle.append(connection)
        return None if row is None else int(row[0])

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        arguments = self._address.connect_arguments
        arguments["options"] += _OPTIONS
        connection = await psycopg.AsyncConnection.connect(**arguments, autocommit=True)
        register(connection)
        return connection
