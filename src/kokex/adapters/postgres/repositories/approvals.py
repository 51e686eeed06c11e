"""Orders that wait for a person. An order's row is locked before its approval's, everywhere: nobody waits in a circle."""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from sqlalchemy import Row, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from kokex.adapters.postgres.database import Database
from kokex.adapters.postgres.listening import notifications
from kokex.adapters.postgres.repositories.orders import insert_order, read_order
from kokex.adapters.postgres.tables import approvals, orders
from kokex.adapters.postgres.text import storable_text
from kokex.domain.approvals import Approval, ApprovalOutcome, PersonsAnswer
from kokex.domain.errors import NotFoundError, StateError
from kokex.domain.grant import Grant
from kokex.domain.order import Order, OrderStatus

APPROVAL_CHANNEL = "kokex_approvals"
"""Where new questions and answers are told."""
_TELL = text("SELECT pg_notify(:channel, '')").bindparams(channel=APPROVAL_CHANNEL)


class PostgresApprovals:
    """`ApprovalStore` on `approvals` and `orders`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, order: Order, approval: Approval, *, grant_left: Grant | None = None) -> bool:
        """See `ApprovalStore`."""
        row = {
            "account_id": approval.account_id,
            "client_order_id": approval.client_order_id,
            "plan_id": approval.plan_id,
            "notional": approval.notional,
            "price": approval.price,
            "asked_at": approval.asked_at,
            "expires_at": approval.expires_at,
        }
        async with self._database.begin() as connection:
            if (await connection.execute(insert_order(order, grant_left))).first() is None:
                return False
            await connection.execute(insert(approvals).values(**row))
            await connection.execute(_TELL)
        return True

    async def answer(self, client_order_id: str, answer: PersonsAnswer) -> Approval:
        """See `ApprovalStore`."""
        this = approvals.c.client_order_id == client_order_id
        values = {
            "approved": answer.approved,
            "answered_by": storable_text(answer.by),
            "answered_at": answer.at,
            "answer_reason": storable_text(answer.reason),
        }
        async with self._database.begin() as connection:
            order = orders.c.order_key == client_order_id
            status = (
                await connection.execute(select(orders.c.status).where(order).with_for_update())
            ).scalar_one_or_none()
            kept = (await connection.execute(select(approvals).where(this).with_for_update())).one_or_none()
            if status is None or kept is None:
                raise NotFoundError(
                    f"no order {client_order_id!r} waits for approval; `kokex approve` lists those that do"
                )
            _refuse_late(kept, OrderStatus(status), answer.at)
            row = (
                await connection.execute(update(approvals).where(this).values(**values).returning(approvals))
            ).one()
            await connection.execute(_TELL)
        return _approval(row)

    async def settle(
        self,
        account_id: int,
        client_order_id: str,
        outcome: ApprovalOutcome,
        *,
        at: datetime,
        reason: str | None = None,
    ) -> Order | None:
        """See `ApprovalStore`."""
        changes: dict[str, object] = {
            "status": outcome.status.value,
            "updated_at": at,
            "reason": None if reason is None else storable_text(reason),
        }
        this = [approvals.c.account_id == account_id, approvals.c.client_order_id == client_order_id]
        open_now = [*this, approvals.c.outcome.is_(None)]
        if outcome is ApprovalOutcome.SENT:
            changes["created_at"] = at
            open_now += [approvals.c.approved, approvals.c.expires_at > at]
        async with self._database.begin() as connection:
            if not await _lock_waiting(connection, account_id, client_order_id):
                return None
            ended = update(approvals).where(*open_now).values(outcome=outcome.value, outcome_at=at)
            if not (await connection.execute(ended)).rowcount:
                return None
            moved = (
                update(orders)
                .where(orders.c.account_id == account_id, orders.c.order_key == client_order_id)
                .values(**changes)
                .returning(orders)
            )
            return read_order((await connection.execute(moved)).one())

    async def set_told(self, account_id: int, client_order_id: str, at: datetime) -> None:
        """See `ApprovalStore`."""
        statement = (
            update(approvals)
            .where(approvals.c.account_id == account_id, approvals.c.client_order_id == client_order_id)
            .where(approvals.c.outcome.is_not(None), approvals.c.told_at.is_(None))
            .values(told_at=at)
        )
        async with self._database.begin() as connection:
            await connection.execute(statement)

    async def get(self, client_order_id: str) -> Approval | None:
        """See `ApprovalStore`."""
        query = select(approvals).where(approvals.c.client_order_id == client_order_id)
        async with self._database.begin() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else _approval(row)

    async def waiting(self) -> builtins.list[Approval]:
        """See `ApprovalStore`."""
        return [approval for approval in await self.unsettled() if approval.outcome is None]

    async def of_plan(self, plan_id: int) -> builtins.list[Approval]:
        """See `ApprovalStore`."""
        oldest_first = (approvals.c.asked_at, approvals.c.client_order_id)
        query = select(approvals).where(approvals.c.plan_id == plan_id).order_by(*oldest_first)
        async with self._database.begin() as connection:
            return [_approval(row) for row in (await connection.execute(query)).all()]

    async def unsettled(self) -> builtins.list[Approval]:
        """See `ApprovalStore`."""
        oldest_first = (approvals.c.asked_at, approvals.c.client_order_id)
        query = select(approvals).where(approvals.c.told_at.is_(None)).order_by(*oldest_first)
        async with self._database.begin() as connection:
            return [_approval(row) for row in (await connection.execute(query)).all()]

    async def changes(self) -> AsyncIterator[None]:
        """See `ApprovalStore`.

        Raises:
            StoreUnavailableError: the database cannot be reached at the start; later it is waited for.
        """
        async for _ in notifications(self._database.address, APPROVAL_CHANNEL):
            yield None


async def _lock_waiting(connection: AsyncConnection, account_id: int, client_order_id: str) -> bool:
    query = (
        select(orders.c.status)
        .where(orders.c.account_id == account_id, orders.c.order_key == client_order_id)
        .with_for_update()
    )
    status = (await connection.execute(query)).scalar_one_or_none()
    return bool(status == OrderStatus.AWAITING_APPROVAL.value)


def _refuse_late(kept: Row[tuple[object, ...]], status: OrderStatus, now: datetime) -> None:
    name = kept.client_order_id
    if kept.outcome is not None or not status.waiting:
        what = kept.outcome or status.value
        raise StateError(f"order {name} waits no longer: {what}, and the order is {status.value} now")
    if kept.approved is not None:
        said = "approved" if kept.approved else "refused"
        raise StateError(
            f"order {name} was {said} already, by {kept.answered_by} at {kept.answered_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
        )
    if now >= kept.expires_at:
        raise StateError(
            f"order {name} waited until {kept.expires_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC: its time is over, "
            "and it is never sent"
        )


def _approval(row: Row[tuple[object, ...]]) -> Approval:
    answer = None
    if row.approved is not None:
        answer = PersonsAnswer(row.approved, row.answered_by, row.answered_at, row.answer_reason or "")
    return Approval(
        account_id=row.account_id,
        client_order_id=row.client_order_id,
        plan_id=row.plan_id,
        notional=row.notional,
        price=row.price,
        asked_at=row.asked_at,
        expires_at=row.expires_at,
        answer=answer,
        outcome=None if row.outcome is None else ApprovalOutcome(row.outcome),
    )
