"""The conversation of a turn, kept step by step while it goes on. Imported only where a model is configured.

A turn that a crash cut short goes on where it was: what the model answered is not paid for twice, and what it asked for keeps its
place. LangGraph's own tables are in a schema of their own, which LangGraph's own migrations keep.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import psycopg
import structlog
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata, CheckpointTuple
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from psycopg import sql
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

from kokex.adapters.langchain.forgetting import SCHEMA, delete_conversations, turns_of
from kokex.domain.decision import Turn
from kokex.domain.errors import StoreUnavailableError

log = structlog.get_logger(__name__)

_MAKE_SCHEMA = sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(SCHEMA))
_NOT_PERMITTED: Final = (psycopg.errors.InsufficientPrivilege, psycopg.errors.InvalidSchemaName)
_AT_ONCE: Final = (
    psycopg.errors.UniqueViolation,
    psycopg.errors.DuplicateSchema,
    psycopg.errors.DuplicateTable,
    psycopg.errors.DuplicateColumn,
)
"""What two get who make the same thing at once; a moment later it is there."""
_CONNECTIONS = 4
_PATIENCE = 10.0
"""Seconds for a connection."""


class Checkpoints:
    """Keeps the conversations of turns that are under way.

    Args:
        connect: keyword arguments of `psycopg.connect`.
        answers: classes of final answers, by module and name: nothing else of ours is ever made from what is kept.
    """

    def __init__(self, connect: Mapping[str, Any], answers: Sequence[tuple[str, str]]) -> None:
        options = f"{connect.get('options', '')} -c search_path={SCHEMA}".strip()
        self._pool: AsyncConnectionPool[psycopg.AsyncConnection[DictRow]] = AsyncConnectionPool(
            kwargs={
                **connect,
                "options": options,
                "autocommit": True,
                "prepare_threshold": 0,
                "row_factory": dict_row,
            },
            min_size=0,
            max_size=_CONNECTIONS,
            timeout=_PATIENCE,
            check=AsyncConnectionPool.check_connection,
            open=False,
        )
        self._serde = JsonPlusSerializer(allowed_msgpack_modules=list(answers))
        self._opening = asyncio.Lock()
        self._permitted: bool | None = None

    async def saver(self) -> AsyncPostgresSaver | None:
        """For one turn's graph; None where the database's user may not have the tables, so that nothing is kept.

        Raises:
            StoreUnavailableError: the database cannot be reached.
        """
        async with self._opening:
            if self._permitted is None:
                self._permitted = await self._prepared()
        return _Saver(self._pool, serde=self._serde) if self._permitted else None

    async def _prepared(self) -> bool:
        """Make what is missing of schema and tables; False where that is not permitted."""
        try:
            async with _translated():
                await self._pool.open()
                async with self._pool.connection() as connection:
                    found = await connection.execute("SELECT to_regnamespace(%s) AS schema", (SCHEMA,))
                    row = await found.fetchone()
                    # Even "if not exists" takes the right to create one.
                    if row is None or row["schema"] is None:
                        await connection.execute(_MAKE_SCHEMA)
                await AsyncPostgresSaver(self._pool).setup()
        except _NOT_PERMITTED as error:
            log.warning(
                "turns that are cut short begin anew: the database's user may not keep their conversations",
                schema=SCHEMA,
                reason=" ".join(str(error).split())[:200],
                what_to_do=f"create the schema {SCHEMA} with this user as its owner, and start again",
            )
            return False
        except _AT_ONCE as error:
            raise StoreUnavailableError(f"another engine makes the schema {SCHEMA} at this moment") from error
        return True

    async def forget(self, turn: Turn) -> None:
        """Let go of what is kept of the plan: its earlier turns, which are on record, and a beginning of this one.

        Raises:
            StoreUnavailableError: the database cannot be reached.
        """
        async with _translated(), self._pool.connection() as connection:
            await delete_conversations(connection, turn.plan.id)

    async def close(self) -> None:
        """Release connections."""
        await self._pool.close()


def thread(turn: Turn) -> str:
    """LangGraph's name of the turn's conversation."""
    return f"{turns_of(turn.plan.id)}{turn.id}"


class _Saver(AsyncPostgresSaver):
    """The library's, with a database that is away told in our own words."""

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        async with _translated():
            return await super().aget_tuple(config)

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        async with _translated():
            return await super().aput(config, checkpoint, metadata, new_versions)

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        async with _translated():
            await super().aput_writes(config, writes, task_id, task_path)


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    try:
        yield
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise StoreUnavailableError(
            f"the turn's conversation cannot be kept: {' '.join(str(error).split())[:200]}"
        ) from error
