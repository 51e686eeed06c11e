"""`ApprovalStore` in memory, beside a record of orders."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from kokex.domain.approvals import Approval, ApprovalOutcome, PersonsAnswer
from kokex.domain.errors import StateError
from kokex.domain.grant import Grant
from kokex.domain.order import Order


class Approvals:
    """What waits; `record` is an order store with its orders by name in `orders`."""

    def __init__(self, record: Any) -> None:
        self._record = record
        self.rows: dict[str, Approval] = {}
        self.told: list[str] = []

    async def add(self, order: Order, approval: Approval, *, grant_left: Grant | None = None) -> bool:
        if not await self._record.add(order, grant_left=grant_left):
            return False
        self.rows[approval.client_order_id] = approval
        return True

    async def answer(self, client_order_id: str, answer: PersonsAnswer) -> Approval:
        kept = self.rows[client_order_id]
        if kept.outcome is not None or kept.answer is not None or answer.at >= kept.expires_at:
            raise StateError(f"order {client_order_id} cannot be answered")
        self.rows[client_order_id] = replace(kept, answer=answer)
        return self.rows[client_order_id]

    async def settle(
        self,
        account_id: int,
        client_order_id: str,
        outcome: ApprovalOutcome,
        *,
        at: datetime,
        reason: str | None = None,
    ) -> Order | None:
        kept, order = self.rows[client_order_id], self._record.orders[client_order_id]
        if kept.outcome is not None or not order.status.waiting:
            return None
        sent = outcome is ApprovalOutcome.SENT
        if sent and (kept.answer is None or not kept.answer.approved or kept.expires_at <= at):
            return None
        self.rows[client_order_id] = replace(kept, outcome=outcome)
        made = replace(order, status=outcome.status, updated_at=at, reason=reason)
        self._record.orders[client_order_id] = replace(made, created_at=at) if sent else made
        settled: Order = self._record.orders[client_order_id]
        return settled

    async def set_told(self, account_id: int, client_order_id: str, at: datetime) -> None:
        self.told.append(client_order_id)

    async def get(self, client_order_id: str) -> Approval | None:
        return self.rows.get(client_order_id)

    async def waiting(self) -> list[Approval]:
        return [one for one in self.rows.values() if one.outcome is None]

    async def unsettled(self) -> list[Approval]:
        return [one for name, one in self.rows.items() if name not in self.told]

    async def changes(self) -> AsyncIterator[None]:
        yield None
