"""Notices of plans: risk events and price alerts that fired, each kept once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Row, String, and_, cast, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from kokex.adapters.postgres.database import Database
from kokex.adapters.postgres.tables import orders, plan_notices, plan_watches, turn_triggers
from kokex.adapters.postgres.text import storable_json, storable_text
from kokex.domain.errors import NotFoundError
from kokex.domain.notice import Notice
from kokex.domain.order import OrderStatus
from kokex.domain.plan import TriggerKind

_OF_NOTICE = and_(
    turn_triggers.c.plan_id == plan_notices.c.plan_id,
    turn_triggers.c.trigger_key == plan_notices.c.kind + ":" + cast(plan_notices.c.id, String),
)


class PostgresNotices:
    """`NoticeStore` on `plan_notices` and `plan_watches`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def watch(self, plan_id: int, at: datetime) -> datetime:
        """See `NoticeStore`."""
        keep = insert(plan_watches).values(plan_id=plan_id, since=at).on_conflict_do_nothing()
        query = select(plan_watches.c.since).where(plan_watches.c.plan_id == plan_id)
        async with self._database.begin() as connection:
            await connection.execute(keep)
            since: datetime = (await connection.execute(query)).scalar_one()
        return since

    async def unwatch(self, plan_id: int) -> None:
        """See `NoticeStore`."""
        async with self._database.begin() as connection:
            await connection.execute(delete(plan_watches).where(plan_watches.c.plan_id == plan_id))

    async def note(self, plan_id: int, key: str, facts: Mapping[str, Any], at: datetime) -> Notice | None:
        """See `NoticeStore`."""
        async with self._database.begin() as connection:
            return await keep_notice(connection, plan_id, (TriggerKind.RISK_EVENT, key), facts, at)

    async def get(self, notice_id: int) -> Notice:
        """See `NoticeStore`."""
        query = select(plan_notices).where(plan_notices.c.id == notice_id)
        async with self._database.begin() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            raise NotFoundError(f"notice {notice_id} does not exist")
        return _notice(row)

    async def waiting(self, plan_id: int) -> list[Notice]:
        """See `NoticeStore`."""
        told = select(turn_triggers.c.turn_id).where(_OF_NOTICE).exists()
        query = (
            select(plan_notices).where(plan_notices.c.plan_id == plan_id, ~told).order_by(plan_notices.c.id)
        )
        async with self._database.begin() as connection:
            return [_notice(row) for row in (await connection.execute(query)).all()]

    async def latest(self, plan_id: int, prefix: str) -> Notice | None:
        """See `NoticeStore`."""
        these = (
            plan_notices.c.plan_id == plan_id,
            plan_notices.c.notice_key.startswith(prefix, autoescape=True),
        )
        query = select(plan_notices).where(*these).order_by(plan_notices.c.id.desc()).limit(1)
        async with self._database.begin() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else _notice(row)

    async def denials(self, plan_id: int, after: datetime, *, limit: int) -> list[datetime]:
        """See `NoticeStore`."""
        query = (
            select(orders.c.created_at)
            .where(
                orders.c.plan_id == plan_id,
                orders.c.created_at > after,
                orders.c.status == OrderStatus.DENIED.value,
            )
            .order_by(orders.c.created_at)
            .limit(limit)
        )
        async with self._database.begin() as connection:
            return list((await connection.execute(query)).scalars())

    async def last_told(self, plan_id: int, kind: TriggerKind) -> str | None:
        """See `NoticeStore`."""
        key = turn_triggers.c.trigger_key
        these = (turn_triggers.c.plan_id == plan_id, key.startswith(f"{kind.value}:", autoescape=True))
        query = select(key).where(*these).order_by(turn_triggers.c.turn_id.desc()).limit(1)
        async with self._database.begin() as connection:
            found: str | None = (await connection.execute(query)).scalar_one_or_none()
        return found


async def keep_notice(
    connection: AsyncConnection,
    plan_id: int,
    name: tuple[TriggerKind, str],
    facts: Mapping[str, Any],
    at: datetime,
) -> Notice | None:
    """Keep a notice of that kind and key; None where it is there already."""
    kind, key = name
    statement = (
        insert(plan_notices)
        .values(
            plan_id=plan_id,
            kind=kind.value,
            notice_key=storable_text(key),
            occurred_at=at,
            facts=storable_json(dict(facts)),
        )
        .on_conflict_do_nothing()
        .returning(plan_notices)
    )
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else _notice(row)


def _notice(row: Row[Any]) -> Notice:
    return Notice(row.id, row.plan_id, TriggerKind(row.kind), row.notice_key, row.occurred_at, row.facts)
