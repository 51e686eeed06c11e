"""The registry of models: versions, which is active, what their trainings told."""

from __future__ import annotations

import builtins
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Select, exists, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from kokex.adapters.postgres.database import Database
from kokex.adapters.postgres.repositories.plan_changes import tell_of_plan
from kokex.adapters.postgres.repositories.version_rows import STANDING, VERSIONS, version
from kokex.adapters.postgres.tables import model_activations, model_events, model_versions, plans
from kokex.adapters.postgres.text import storable_json, storable_text
from kokex.domain.errors import NotFoundError, StateError
from kokex.domain.model import ModelVersion, VersionOrigin, VersionStatus, VersionWish
from kokex.domain.plan import KRONOS
from kokex.ports.models import ProgressEvent, VersionOutcome, VersionStart

_TOLD_OF_IMPORTS = (
    "preset",
    "parameters",
    "data",
    "code_revision",
    "device",
    "seeds",
    "curves",
    "evaluation",
)
"""What an export's record tells of its training, by column."""


class PostgresModels:
    """`ModelStore` on `model_versions`, `model_activations` and `model_events`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(
        self, plan_id: int, wish: VersionWish, origin: VersionOrigin = VersionOrigin.TRAINED
    ) -> ModelVersion:
        """See `ModelStore`."""
        next_number = select(func.coalesce(func.max(model_versions.c.number), 0) + 1).where(
            model_versions.c.plan_id == plan_id
        )
        async with self._database.begin() as connection:
            await _lock_plan(connection, plan_id)
            statement = (
                insert(model_versions)
                .values(
                    plan_id=plan_id,
                    number=(await connection.execute(next_number)).scalar_one(),
                    status=VersionStatus.TRAINING.value,
                    origin=origin.value,
                    preset=wish.preset,
                    wish=storable_json(wish),
                    parent=wish.parent,
                )
                .returning(model_versions.c.id)
            )
            version_id = (await connection.execute(statement)).scalar_one()
        return await self.get(version_id)

    async def get(self, version_id: int) -> ModelVersion:
        """See `ModelStore`."""
        found = await self._read(VERSIONS.where(model_versions.c.id == version_id))
        if not found:
            raise NotFoundError(f"model version with number {version_id} does not exist")
        return found[0]

    async def by_number(self, plan_id: int, number: int) -> ModelVersion:
        """See `ModelStore`."""
        versions = await self.list(plan_id)
        for found in versions:
            if found.number == number:
                return found
        known = ", ".join(found.name for found in versions[-20:]) or "none yet"
        async with self._database.begin() as connection:
            name = (
                await connection.execute(select(plans.c.name).where(plans.c.id == plan_id))
            ).scalar_one_or_none()
        raise NotFoundError(f"plan {name or plan_id} has no version v{number}; it has: {known}")

    async def list(self, plan_id: int | None = None) -> builtins.list[ModelVersion]:
        """See `ModelStore`."""
        query = VERSIONS.order_by(model_versions.c.plan_id, model_versions.c.number)
        if plan_id is not None:
            query = query.where(model_versions.c.plan_id == plan_id)
        return await self._read(query)

    async def wish(self, version_id: int) -> VersionWish:
        """See `ModelStore`."""
        query = select(model_versions.c.wish).where(model_versions.c.id == version_id)
        async with self._database.begin() as connection:
            found = (await connection.execute(query)).scalar_one_or_none()
        if found is None:
            raise NotFoundError(f"model version with number {version_id} does not exist")
        return msgspec.convert(found, VersionWish)

    async def started(self, version_id: int, start: VersionStart, at: datetime) -> None:
        """See `ModelStore`."""
        await self._change(
            version_id,
            parameters=storable_json(start.parameters),
            data=storable_json(start.data),
            code_revision=start.code_revision,
            device=storable_text(start.device),
            seeds=storable_json(start.seeds),
            started_at=func.coalesce(model_versions.c.started_at, at),
        )

    async def finished(self, version_id: int, outcome: VersionOutcome, at: datetime) -> None:
        """See `ModelStore`."""
        not_yet = model_versions.c.status != VersionStatus.READY.value
        await self._change(version_id, not_yet, **_outcome_values(outcome), finished_at=at)

    async def imported(self, version_id: int, record: Mapping[str, Any], outcome: VersionOutcome) -> None:
        """See `ModelStore`."""
        told = {
            name: storable_json(record[name]) for name in _TOLD_OF_IMPORTS if record.get(name) is not None
        }
        values = {"seconds": record.get("seconds"), **_outcome_values(outcome), **told}
        await self._change(version_id, **values, finished_at=func.now())

    async def failed(self, version_id: int, error: str, at: datetime) -> None:
        """See `ModelStore`."""
        at_work = model_versions.c.status == VersionStatus.TRAINING.value
        values = {"status": VersionStatus.FAILED.value, "error": storable_text(error), "finished_at": at}
        await self._change(version_id, at_work, **values)

    async def evaluated(self, version_id: int, evaluation: Mapping[str, Any]) -> None:
        """See `ModelStore`."""
        await self._change(version_id, evaluation=storable_json(evaluation))

    async def prune(self, version_ids: Collection[int]) -> builtins.list[ModelVersion]:
        """See `ModelStore`."""
        if not version_ids:
            return []
        query = VERSIONS.where(model_versions.c.id.in_(version_ids))
        async with self._database.begin() as connection:
            owners = select(model_versions.c.plan_id).where(model_versions.c.id.in_(version_ids)).distinct()
            for plan_id in sorted((await connection.execute(owners)).scalars()):
                await _lock_plan(connection, plan_id)  # no activation meanwhile
            found = [version(row) for row in (await connection.execute(query)).all()]
            chosen = [one for one in found if not one.active and one.status is not VersionStatus.TRAINING]
            change = update(model_versions).where(model_versions.c.id.in_([one.id for one in chosen]))
            await connection.execute(change.values(status=VersionStatus.PRUNED.value))
        return chosen

    async def hashes(self) -> set[str]:
        """See `ModelStore`."""
        query = select(model_versions.c.content_hash).where(
            model_versions.c.status != VersionStatus.PRUNED.value, model_versions.c.content_hash.is_not(None)
        )
        async with self._database.begin() as connection:
            return set((await connection.execute(query)).scalars())

    async def active(self, plan_id: int) -> ModelVersion | None:
        """See `ModelStore`."""
        found = await self._read(VERSIONS.where(model_versions.c.plan_id == plan_id, STANDING))
        return found[0] if found else None

    async def activate(self, version_id: int, at: datetime) -> None:
        """See `ModelStore`. Activating what is active changes nothing."""
        chosen = await self.get(version_id)
        async with self._database.begin() as connection:
            await _lock_plan(connection, chosen.plan_id)
            query = VERSIONS.where(model_versions.c.id == version_id)
            chosen = version((await connection.execute(query)).one())
            if chosen.status is not VersionStatus.READY:
                raise StateError(
                    f"version {chosen.name} is {chosen.status.value} and cannot be active; choose one that is ready"
                )
            if not chosen.active:
                values = {"plan_id": chosen.plan_id, "version_id": version_id, "activated_at": at}
                await connection.execute(insert(model_activations).values(**values))
            await _use_models(connection, chosen.plan_id)

    async def roll_back(self, plan_id: int, at: datetime) -> ModelVersion | None:
        """See `ModelStore`. Activations of versions that were pruned since are passed over."""
        rows = model_activations
        top = select(rows.c.id).where(rows.c.plan_id == plan_id, rows.c.withdrawn_at.is_(None))
        gone = exists().where(
            model_versions.c.id == rows.c.version_id, model_versions.c.status != VersionStatus.READY.value
        )
        async with self._database.begin() as connection:
            name = await _lock_plan(connection, plan_id)
            number = (await connection.execute(top.order_by(rows.c.id.desc()).limit(1))).scalar_one_or_none()
            if number is None:
                raise StateError(
                    f"plan {name} has no active version to roll back from; its baseline forecasts"
                )
            await connection.execute(update(rows).where(rows.c.id == number).values(withdrawn_at=at))
            standing = (rows.c.plan_id == plan_id, rows.c.withdrawn_at.is_(None))
            await connection.execute(update(rows).where(*standing, gone).values(withdrawn_at=at))
            await _use_models(connection, plan_id)
        return await self.active(plan_id)

    async def tell(self, version_id: int, events: Sequence[ProgressEvent]) -> None:
        """See `ModelStore`."""
        if events:
            rows = [{"version_id": version_id, "event": storable_json(dict(event))} for event in events]
            async with self._database.begin() as connection:
                await connection.execute(insert(model_events), rows)

    async def told(
        self, version_id: int, after: int = 0, *, limit: int = 1000
    ) -> Sequence[tuple[int, ProgressEvent]]:
        """See `ModelStore`."""
        query = (
            select(model_events.c.id, model_events.c.event)
            .where(model_events.c.version_id == version_id, model_events.c.id > after)
            .order_by(model_events.c.id)
            .limit(limit)
        )
        async with self._database.begin() as connection:
            return [(row.id, row.event) for row in (await connection.execute(query)).all()]

    async def _change(self, version_id: int, *conditions: ColumnElement[bool], **values: object) -> None:
        change = update(model_versions).where(model_versions.c.id == version_id, *conditions).values(**values)
        async with self._database.begin() as connection:
            if not (await connection.execute(change)).rowcount and not conditions:
                raise NotFoundError(f"model version with number {version_id} does not exist")

    async def _read(self, query: Select[Any]) -> builtins.list[ModelVersion]:
        async with self._database.begin() as connection:
            return [version(row) for row in (await connection.execute(query)).all()]


def _outcome_values(outcome: VersionOutcome) -> dict[str, object]:
    values: dict[str, object] = {
        "status": VersionStatus.READY.value,
        "curves": storable_json(outcome.curves),
        "evaluation": storable_json(outcome.evaluation),
        "content_hash": outcome.content_hash,
        "content_bytes": outcome.content_bytes,
        "error": None,
    }
    if outcome.data is not None:
        values["data"] = storable_json(outcome.data)
    if outcome.seconds is not None:
        values["seconds"] = outcome.seconds
    return values


async def _lock_plan(connection: AsyncConnection, plan_id: int) -> str:
    """One change of a plan's versions at a time; the plan's name. Raises `NotFoundError`."""
    plan = select(plans.c.name).where(plans.c.id == plan_id).with_for_update(key_share=True)
    found = await connection.execute(plan)
    name = found.scalar_one_or_none()
    if name is None:
        raise NotFoundError(f"plan {plan_id} does not exist")
    return str(name)


async def _use_models(connection: AsyncConnection, plan_id: int) -> None:
    """The plan forecasts with its active version, its baseline where there is none; the engine reads it anew."""
    forecast = func.jsonb_set(
        plans.c.forecast, text("'{forecaster}'"), func.to_jsonb(text(f"'{KRONOS}'::text"))
    )
    await connection.execute(update(plans).where(plans.c.id == plan_id).values(forecast=forecast))
    await tell_of_plan(connection, plan_id)
