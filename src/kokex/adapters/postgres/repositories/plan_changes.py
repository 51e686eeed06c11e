"""Settings of plans that are changed under a number, with who and why, and word of changes to every process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import Column, Table, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from kokex.adapters.postgres.database import Database
from kokex.adapters.postgres.tables import plans
from kokex.adapters.postgres.text import storable_json, storable_text
from kokex.domain.errors import NotFoundError

STATUS_CHANNEL = "kokex_plan_status"
"""Where changes of plans are told; the payload is the plan's number."""

_TELL = text("SELECT pg_notify(:channel, :plan_id)")

_Settings = TypeVar("_Settings")


@dataclass(frozen=True, slots=True)
class NumberedSetting(Generic[_Settings]):
    """A column of `plans` whose changes have a table of their own.

    Attributes:
        read: the settings from what the column keeps.
        recorded: what the table keeps of them, before and after.
    """

    column: Column[Any]
    changes: Table
    read: Callable[[Any], _Settings]
    recorded: Callable[[_Settings], object] = storable_json


async def change_setting(
    database: Database,
    setting: NumberedSetting[_Settings],
    plan_id: int,
    edit: Callable[[_Settings], _Settings],
    *,
    by: str,
    reason: str,
    at: datetime,
) -> tuple[int, _Settings, _Settings]:
    """Change a plan's setting, record the change under the next number and tell of it; number, before and after.

    What the plan was created with is number 1, without a record.

    Raises:
        NotFoundError: there is no such plan.
    """
    this, changes = plans.c.id == plan_id, setting.changes
    latest = select(func.max(changes.c.version)).where(changes.c.plan_id == plan_id)
    async with database.begin() as connection:
        # `key_share`, here and wherever a plan is locked: rows that only name it, its turns among them, are written meanwhile.
        locked = select(setting.column).where(this).with_for_update(key_share=True)
        kept = (await connection.execute(locked)).scalar_one_or_none()
        if kept is None:
            raise NotFoundError(f"plan {plan_id} does not exist")
        before = setting.read(kept)
        after = edit(before)
        values = {setting.column.name: storable_json(after), "updated_at": func.now()}
        await connection.execute(update(plans).where(this).values(values))
        version = ((await connection.execute(latest)).scalar_one() or 1) + 1
        row = {
            "plan_id": plan_id,
            "version": version,
            "before": setting.recorded(before),
            "after": setting.recorded(after),
            "changed_by": storable_text(by),
            "reason": storable_text(reason),
            "changed_at": at,
        }
        await connection.execute(insert(changes).values(**row))
        await tell_of_plan(connection, plan_id)
    return version, before, after


async def tell_of_plan(connection: AsyncConnection, plan_id: int) -> None:
    """Once this transaction is committed, every process hears that the plan changed."""
    await connection.execute(_TELL, {"channel": STATUS_CHANNEL, "plan_id": str(plan_id)})
