"""Messages from users, and word of them to every process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from sqlalchemy import Row, String, and_, cast, insert, literal, select
from sqlalchemy import text as sql_text

from kokex.adapters.postgres.database import ConstraintError, Database
from kokex.adapters.postgres.listening import notifications
from kokex.adapters.postgres.tables import turn_triggers, turns, user_messages
from kokex.adapters.postgres.text import storable_text
from kokex.domain.decision import TurnStatus
from kokex.domain.errors import NotFoundError
from kokex.ports.messages import Answered, UserMessage

_CHANNEL = "kokex_user_message"
"""Where messages are told; the payload is the plan's number."""
_OF_MESSAGE = and_(
    turn_triggers.c.plan_id == user_messages.c.plan_id,
    turn_triggers.c.trigger_key == literal("user:") + cast(user_messages.c.id, String),
)


class PostgresMessages:
    """`MessageStore` on `user_messages`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, plan_id: int, text: str, at: datetime) -> UserMessage:
        """See `MessageStore`."""
        values = {"plan_id": plan_id, "text": storable_text(text), "sent_at": at}
        tell = sql_text("SELECT pg_notify(:channel, :plan_id)")
        try:
            async with self._database.begin() as connection:
                statement = insert(user_messages).values(**values).returning(user_messages)
                row = (await connection.execute(statement)).one()
                await connection.execute(tell, {"channel": _CHANNEL, "plan_id": str(plan_id)})
        except ConstraintError as error:
            raise NotFoundError(f"plan {plan_id} does not exist") from error
        return _message(row)

    async def get(self, message_id: int) -> UserMessage:
        """See `MessageStore`."""
        query = select(user_messages).where(user_messages.c.id == message_id)
        async with self._database.begin() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            raise NotFoundError(f"message {message_id} does not exist")
        return _message(row)

    async def waiting(self, plan_id: int) -> list[UserMessage]:
        """See `MessageStore`."""
        told = select(turn_triggers.c.turn_id).where(_OF_MESSAGE).exists()
        query = (
            select(user_messages)
            .where(user_messages.c.plan_id == plan_id, ~told)
            .order_by(user_messages.c.id)
        )
        async with self._database.begin() as connection:
            return [_message(row) for row in (await connection.execute(query)).all()]

    async def answered(self, plan_id: int, *, limit: int) -> list[Answered]:
        """See `MessageStore`."""
        query = (
            select(
                user_messages,
                turns.c.id.label("turn_id"),
                turns.c.reason,
                turns.c.error,
                (turns.c.status != TurnStatus.RUNNING.value).label("finished"),
            )
            .join(turn_triggers, _OF_MESSAGE)
            .join(turns, turns.c.id == turn_triggers.c.turn_id)
            .where(user_messages.c.plan_id == plan_id)
            .order_by(user_messages.c.id.desc())
            .limit(limit)
        )
        async with self._database.begin() as connection:
            rows = (await connection.execute(query)).all()
        return [
            Answered(_message(row), row.turn_id, row.reason, row.error, row.finished)
            for row in reversed(rows)
        ]

    async def arrivals(self) -> AsyncIterator[int]:
        """See `MessageStore`. The first item is 0, once it listens: what was written before must be read.

        Raises:
            StoreUnavailableError: the database cannot be reached at the start; later it is waited for.
        """
        async for payload in notifications(self._database.address, _CHANNEL):
            yield int(payload) if payload else 0


def _message(row: Row[Any]) -> UserMessage:
    return UserMessage(row.id, row.plan_id, row.text, row.sent_at)
