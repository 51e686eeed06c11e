"""Orders that wait for a person: who asked, who answered, what came of it."""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Protocol

from kokex.domain.approvals import Approval, ApprovalOutcome, PersonsAnswer
from kokex.domain.grant import Grant
from kokex.domain.order import Order


class ApprovalStore(Protocol):
    """`approvals`, and the orders that they are about. An approval and its order's status move in one transaction."""

    async def add(self, order: Order, approval: Approval, *, grant_left: Grant | None = None) -> bool:
        """Keep a new order that waits, and tell whoever listens. False where its client order id is already there."""
        ...

    async def answer(self, client_order_id: str, answer: PersonsAnswer) -> Approval:
        """Keep what a person said, and tell the engine; the first answer stands.

        Raises:
            NotFoundError: no such order ever waited.
            StateError: it waits no longer, its time is over, or somebody answered already; the message says which.
        """
        ...

    async def settle(
        self,
        account_id: int,
        client_order_id: str,
        outcome: ApprovalOutcome,
        *,
        at: datetime,
        reason: str | None = None,
    ) -> Order | None:
        """End an order's waiting, once: of several who try, one gets the order as it is then, the others None.

        `SENT` needs a person's approval on record and time left; the order counts as made at `at` then.
        """
        ...

    async def set_told(self, account_id: int, client_order_id: str, at: datetime) -> None:
        """The plan's agent was told, or will be by the exchange."""
        ...

    async def get(self, client_order_id: str) -> Approval | None:
        """One, by the order's own name."""
        ...

    async def waiting(self) -> builtins.list[Approval]:
        """Those whose orders wait, oldest first."""
        ...

    async def of_plan(self, plan_id: int) -> builtins.list[Approval]:
        """All that the plan ever asked for, whatever became of them, oldest first."""
        ...

    async def unsettled(self) -> builtins.list[Approval]:
        """Those whose orders wait, and those whose end the agent was not told of yet, oldest first."""
        ...

    def changes(self) -> AsyncIterator[None]:
        """An item when an order was asked for or answered, by any process; one once it listens, and after a lost connection."""
        ...
