"""Funding payments of accounts, and what of them is each plan's."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from sqlalchemy import case, func, select
from sqlalchemy.dialects.postgresql import insert

from kokex.adapters.postgres.database import Database
from kokex.adapters.postgres.tables import coverages, fills, funding_payments, funding_shares
from kokex.domain.funding import FundingPayment, Holders
from kokex.domain.instrument import Side

_ZERO = Decimal(0)


class PostgresFunding:
    """`FundingStore` on `funding_payments`, `funding_shares` and the fills."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def newest(self, account_id: int, inst_id: str) -> FundingPayment | None:
        """See `FundingStore`."""
        paid = funding_payments.c
        query = (
            select(funding_payments)
            .where(paid.account_id == account_id, paid.inst_id == inst_id)
            .order_by(paid.occurred_at.desc(), func.length(paid.bill_id).desc(), paid.bill_id.desc())
            .limit(1)
        )
        async with self._database.begin() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            return None
        return FundingPayment(
            row.bill_id, row.inst_id, row.amount, row.currency, row.position, row.occurred_at
        )

    async def first_fill_at(self, account_id: int, inst_id: str) -> datetime | None:
        """See `FundingStore`."""
        query = select(func.min(fills.c.occurred_at)).where(
            fills.c.account_id == account_id, fills.c.inst_id == inst_id, fills.c.plan_id.is_not(None)
        )
        async with self._database.begin() as connection:
            first: datetime | None = (await connection.execute(query)).scalar_one_or_none()
        return first

    async def holders(self, account_id: int, inst_id: str, at: datetime, *, with_it: bool) -> Holders:
        """See `FundingStore`."""
        signed = case((fills.c.side == Side.BUY.value, fills.c.quantity), else_=-fills.c.quantity)
        before = fills.c.occurred_at <= at if with_it else fills.c.occurred_at < at
        these = (fills.c.account_id == account_id, fills.c.inst_id == inst_id, before)
        query = select(fills.c.plan_id, func.sum(signed)).where(*these).group_by(fills.c.plan_id)
        beside = select(coverages.c.unrecorded_quantity).where(
            coverages.c.account_id == account_id, coverages.c.inst_id == inst_id
        )
        async with self._database.begin() as connection:
            held = {row[0]: row[1] for row in (await connection.execute(query)).all()}
            unrecorded = (await connection.execute(beside)).scalar_one_or_none()
        others = held.pop(None, _ZERO) + (unrecorded or _ZERO)
        return Holders(held, others)

    async def keep(self, account_id: int, payment: FundingPayment, shares: Mapping[int, Decimal]) -> None:
        """See `FundingStore`."""
        paid = insert(funding_payments).values(
            account_id=account_id,
            bill_id=payment.bill_id,
            inst_id=payment.inst_id,
            amount=payment.amount,
            currency=payment.currency,
            position=payment.position,
            occurred_at=payment.occurred_at,
        )
        rows = [
            {"plan_id": plan_id, "account_id": account_id, "bill_id": payment.bill_id, "amount": share}
            for plan_id, share in shares.items()
        ]
        async with self._database.begin() as connection:
            kept = paid.on_conflict_do_nothing().returning(funding_payments.c.bill_id)
            new = (await connection.execute(kept)).scalar_one_or_none()
            if new is not None and rows:
                await connection.execute(insert(funding_shares), rows)

    async def total(self, plan_id: int) -> Decimal:
        """See `FundingStore`."""
        query = select(func.coalesce(func.sum(funding_shares.c.amount), 0)).where(
            funding_shares.c.plan_id == plan_id
        )
        async with self._database.begin() as connection:
            return Decimal((await connection.execute(query)).scalar_one())
