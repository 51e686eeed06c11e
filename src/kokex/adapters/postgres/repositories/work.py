"""Requests to workers: claimed row by row, held by leases, taken over from the dead.

Leases run on the database's clock alone, so that machines with different clocks agree on who is dead.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, and_, delete, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from kokex.adapters.postgres.database import Database
from kokex.adapters.postgres.listening import notifications
from kokex.adapters.postgres.tables import work_requests
from kokex.adapters.postgres.text import storable_json, storable_text
from kokex.domain.errors import NotFoundError, StateError
from kokex.ports.work import NewWork, Work, WorkKind, WorkStatus

_ARRIVALS: Final = "kokex_work"
_ENDINGS: Final = "kokex_work_ended"
_ENDED: Final = (WorkStatus.DONE.value, WorkStatus.FAILED.value, WorkStatus.EXPIRED.value)

_table = work_requests.c
_wanted = or_(_table.wanted_until.is_(None), _table.wanted_until > func.now())
_left = and_(_table.status == WorkStatus.RUNNING.value, _table.lease_until < func.now())
"""Its worker is dead, or as good as."""


class PostgresWork:
    """`WorkStore` on `work_requests`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, work: NewWork, *, claimed_by: str | None = None, lease_seconds: float = 0.0) -> int:
        """See `WorkStore`."""
        status = WorkStatus.WAITING if claimed_by is None else WorkStatus.RUNNING
        statement = (
            insert(work_requests)
            .values(
                kind=work.kind.value,
                key=work.key,
                status=status.value,
                details=storable_json(dict(work.details)),
                data=work.data,
                attempts=0 if claimed_by is None else 1,
                worker=claimed_by,
                lease_until=None if claimed_by is None else _from_now(lease_seconds),
                wanted_until=None if work.seconds is None else _from_now(work.seconds),
            )
            .on_conflict_do_nothing(index_elements=[_table.key])
            .returning(_table.id)
        )
        async with self._database.begin() as connection:
            number = (await connection.execute(statement)).scalar_one_or_none()
            if number is None:
                return int(
                    (await connection.execute(select(_table.id).where(_table.key == work.key))).scalar_one()
                )
            if claimed_by is None:
                await _notify(connection, _ARRIVALS, work.kind.value)
        return int(number)

    async def claim(
        self, worker: str, kinds: Collection[WorkKind], *, lease_seconds: float, most_attempts: int
    ) -> Work | None:
        """See `WorkStore`."""
        free = or_(_table.status == WorkStatus.WAITING.value, _left)
        query = (
            select(_table.id, _table.attempts)
            .where(_table.kind.in_([kind.value for kind in kinds]), free, _wanted)
            .order_by(_table.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        async with self._database.begin() as connection:
            row = (await connection.execute(query)).one_or_none()
            if row is None:
                return None
            if row.attempts < most_attempts:
                return await _take(connection, row.id, worker, lease_seconds)
            return await _give_up(connection, row.id, row.attempts)

    async def resume(self, key: str, worker: str, *, lease_seconds: float) -> Work:
        """See `WorkStore`."""
        query = select(work_requests, _left.label("left_behind")).where(_table.key == key).with_for_update()
        async with self._database.begin() as connection:
            row = (await connection.execute(query)).one_or_none()
            if row is None:
                raise NotFoundError(f"there is no request {key!r} to resume")
            free = row.left_behind or row.status in (WorkStatus.WAITING.value, WorkStatus.STOPPED.value)
            if not free:
                where = f" by {row.worker}" if row.status == WorkStatus.RUNNING.value else ""
                raise StateError(f"request {key!r} is {row.status}{where} and cannot be resumed")
            return await _take(connection, row.id, worker, lease_seconds)

    async def renew(self, work_id: int, worker: str, *, lease_seconds: float) -> bool:
        """See `WorkStore`."""
        return await self._mine(work_id, worker, lease_until=_from_now(lease_seconds))

    async def finish(
        self, work_id: int, worker: str, answer: Mapping[str, Any], data: bytes | None = None
    ) -> bool:
        """See `WorkStore`."""
        values = {"answer": storable_json(dict(answer)), "answer_data": data}
        return await self._mine(work_id, worker, status=WorkStatus.DONE.value, ended_at=func.now(), **values)

    async def fail(self, work_id: int, worker: str, error: str) -> bool:
        """See `WorkStore`."""
        values = {"status": WorkStatus.FAILED.value, "error": storable_text(error), "ended_at": func.now()}
        return await self._mine(work_id, worker, **values)

    async def release(self, work_id: int, worker: str, *, stopped: bool = False) -> bool:
        """See `WorkStore`. An end on purpose is no attempt that failed."""
        status = WorkStatus.STOPPED if stopped else WorkStatus.WAITING
        return await self._mine(
            work_id, worker, status=status.value, worker=None, lease_until=None, attempts=_table.attempts - 1
        )

    async def get(self, work_id: int) -> Work:
        """See `WorkStore`."""
        async with self._database.begin() as connection:
            row = (await connection.execute(select(work_requests).where(_table.id == work_id))).one_or_none()
        if row is None:
            raise NotFoundError(f"request {work_id} does not exist")
        return _work(row)

    async def by_key(self, key: str) -> Work | None:
        """See `WorkStore`."""
        async with self._database.begin() as connection:
            row = (await connection.execute(select(work_requests).where(_table.key == key))).one_or_none()
        return None if row is None else _work(row)

    async def expire(self, work_id: int) -> Work:
        """See `WorkStore`."""
        open_ = _table.status.not_in(_ENDED)
        change = update(work_requests).where(_table.id == work_id, open_)
        async with self._database.begin() as connection:
            await connection.execute(change.values(status=WorkStatus.EXPIRED.value, ended_at=func.now()))
        return await self.get(work_id)

    async def tidy(self, *, older_than_seconds: float) -> int:
        """See `WorkStore`."""
        old = _table.created_at < _from_now(-older_than_seconds)
        unwanted = and_(_table.wanted_until < func.now(), _table.lease_until.is_(None) | _left)
        ended = or_(_table.status.in_(_ENDED), unwanted)
        statement = delete(work_requests).where(_table.kind == WorkKind.FORECAST.value, old, ended)
        async with self._database.begin() as connection:
            return (await connection.execute(statement)).rowcount

    async def arrivals(self) -> AsyncIterator[str]:
        """See `WorkStore`."""
        async for payload in notifications(self._database.address, _ARRIVALS):
            yield payload

    async def endings(self) -> AsyncIterator[str]:
        """See `WorkStore`."""
        async for payload in notifications(self._database.address, _ENDINGS):
            yield payload

    async def _mine(self, work_id: int, holder: str, /, **values: object) -> bool:
        """Change a request that this worker holds; whether it does."""
        held = (_table.id == work_id, _table.worker == holder, _table.status == WorkStatus.RUNNING.value)
        change = update(work_requests).where(*held).values(**values).returning(_table.key, _table.kind)
        async with self._database.begin() as connection:
            row = (await connection.execute(change)).one_or_none()
            if row is None:
                return False
            if values.get("status") in _ENDED:
                await _notify(connection, _ENDINGS, row.key)
            elif values.get("status") == WorkStatus.WAITING.value:
                await _notify(connection, _ARRIVALS, row.kind)
        return True


async def _take(connection: AsyncConnection, work_id: int, worker: str, lease_seconds: float) -> Work:
    change = (
        update(work_requests)
        .where(_table.id == work_id)
        .values(
            status=WorkStatus.RUNNING.value,
            worker=worker,
            lease_until=_from_now(lease_seconds),
            attempts=_table.attempts + 1,
        )
        .returning(work_requests)
    )
    return _work((await connection.execute(change)).one())


async def _give_up(connection: AsyncConnection, work_id: int, attempts: int) -> Work:
    reason = f"begun {attempts} times, and each time its worker died; see the worker's log"
    values = {"status": WorkStatus.FAILED.value, "error": reason, "ended_at": func.now()}
    change = update(work_requests).where(_table.id == work_id).values(**values).returning(work_requests)
    row = (await connection.execute(change)).one()
    await _notify(connection, _ENDINGS, row.key)
    return _work(row)


async def _notify(connection: AsyncConnection, channel: str, payload: str) -> None:
    await connection.execute(
        text("SELECT pg_notify(:channel, :payload)"), {"channel": channel, "payload": payload}
    )


def _from_now(seconds: float) -> ColumnElement[Any]:
    return func.now() + timedelta(seconds=seconds)


def _work(row: Row[Any]) -> Work:
    return Work(
        id=row.id,
        kind=WorkKind(row.kind),
        key=row.key,
        status=WorkStatus(row.status),
        details=row.details,
        data=row.data,
        attempts=row.attempts,
        worker=row.worker,
        error=row.error,
        answer=row.answer,
        answer_data=row.answer_data,
    )
