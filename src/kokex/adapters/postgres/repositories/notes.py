"""Notes that agents keep for later turns of their plan: few, short and dated."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, func, insert, select

from kokex.adapters.postgres.database import Database
from kokex.adapters.postgres.tables import plan_notes, plans
from kokex.adapters.postgres.text import storable_text
from kokex.domain.errors import NotFoundError
from kokex.domain.notice import LONGEST_NOTE, MOST_NOTES, PlanNote


class PostgresNotes:
    """`NoteStore` on `plan_notes`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, plan_id: int, turn_id: int, text: str, at: datetime) -> PlanNote:
        """See `NoteStore`. Raises `NotFoundError` where the plan does not exist."""
        values = {"plan_id": plan_id, "turn_id": turn_id, "text": storable_text(text[:LONGEST_NOTE])}
        newest = (
            select(plan_notes.c.id)
            .where(plan_notes.c.plan_id == plan_id)
            .order_by(plan_notes.c.id.desc())
            .limit(MOST_NOTES)
        )
        too_old = delete(plan_notes).where(plan_notes.c.plan_id == plan_id, plan_notes.c.id.not_in(newest))
        async with self._database.begin() as connection:
            plan = select(plans.c.id).where(plans.c.id == plan_id).with_for_update(key_share=True)
            if (await connection.execute(plan)).one_or_none() is None:
                raise NotFoundError(f"plan {plan_id} does not exist")
            row = (await connection.execute(select(plan_notes).filter_by(**values))).first()
            if row is None:
                statement = insert(plan_notes).values(**values, made_at=at).returning(plan_notes)
                row = (await connection.execute(statement)).one()
                await connection.execute(too_old)
        return _note(row)

    async def find(self, plan_id: int, words: Sequence[str] = (), *, limit: int) -> list[PlanNote]:
        """See `NoteStore`."""
        query = select(plan_notes).where(plan_notes.c.plan_id == plan_id)
        for word in words:
            query = query.where(plan_notes.c.text.icontains(storable_text(word), autoescape=True))
        async with self._database.begin() as connection:
            rows = (await connection.execute(query.order_by(plan_notes.c.id.desc()).limit(limit))).all()
        return [_note(row) for row in rows]

    async def count(self, plan_id: int) -> int:
        """See `NoteStore`."""
        query = select(func.count()).select_from(plan_notes).where(plan_notes.c.plan_id == plan_id)
        async with self._database.begin() as connection:
            return (await connection.execute(query)).scalar_one()


def _note(row: Row[Any]) -> PlanNote:
    return PlanNote(row.id, row.turn_id, row.text, row.made_at)
