"""Letting go of conversations that nobody goes on with. Needs nothing of LangGraph but the names of its tables."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import psycopg
from psycopg import sql

from kokex.domain.errors import StoreUnavailableError

SCHEMA: Final = "langgraph"
_TABLES: Final = ("checkpoint_writes", "checkpoint_blobs", "checkpoints")


def turns_of(plan_id: int) -> str:
    """How the names of the conversations of a plan's turns begin; the turn's number follows."""
    return f"plan:{plan_id}:turn:"


async def delete_conversations(connection: psycopg.AsyncConnection[Any], plan_id: int) -> None:
    """Delete what is kept of the plan's turns; the tables must be there."""
    for table in _TABLES:
        statement = sql.SQL("DELETE FROM {} WHERE thread_id LIKE %s").format(sql.Identifier(SCHEMA, table))
        await connection.execute(statement, (f"{turns_of(plan_id)}%",))


class KeptConversations:
    """`Conversations` in LangGraph's tables, whether a model is configured now or was once.

    One connection at a time: an engine begins with every plan that was ever stopped.

    Args:
        connect: keyword arguments of `psycopg.connect`.
    """

    def __init__(self, connect: Mapping[str, Any]) -> None:
        self._connect = connect
        self._turn = asyncio.Lock()

    async def forget(self, plan_id: int) -> None:
        """See `Conversations`."""
        async with self._turn:
            await self._forget(plan_id)

    async def _forget(self, plan_id: int) -> None:
        try:
            async with await psycopg.AsyncConnection.connect(**self._connect) as connection:
                wanted = [f"{SCHEMA}.{table}" for table in _TABLES]
                found = await connection.execute(
                    "SELECT bool_and(to_regclass(name) IS NOT NULL) FROM unnest(%s::text[]) AS name",
                    (wanted,),
                )
                row = await found.fetchone()
                if row is not None and row[0]:
                    await delete_conversations(connection, plan_id)
        except psycopg.errors.InsufficientPrivilege:
            return  # then none of ours are there
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            words = " ".join(str(error).split())[:200]
            raise StoreUnavailableError(f"kept conversations cannot be removed now: {words}") from error
