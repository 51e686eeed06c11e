"""The plans' owner, played: asks each agent once why it bought, and answers the orders that wait for a person."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from kokex.bootstrap import Application
from kokex.cli.output import plain
from kokex.demo.watch import Happening
from kokex.domain.approvals import Approval, PersonsAnswer
from kokex.domain.errors import StateError
from kokex.domain.plan import Plan
from kokex.services.chat import send

QUESTION: Final = "Why did you buy?"
NAME: Final = "demo owner"
"""Who answers, for the record."""
REFUSAL: Final = "not at this size now"
_ROUND: Final = 3
_REFUSED: Final = 1
"""Of each `_ROUND` orders that wait, the one of this number (from 0) is refused."""


class Owner:
    """Writes to agents as `kokex agent chat` does, where the answer comes as a decision; answers orders as `kokex approve` does."""

    def __init__(self, opened: Application, plans: Iterable[Plan]) -> None:
        self._opened = opened
        self._plans = {plan.id: plan for plan in plans}
        self._curious = {plan.name: plan.id for plan in self._plans.values()}
        self._answers = 0

    async def look(self, happenings: Iterable[Happening], now: datetime | None) -> list[Happening]:
        """Ask whoever has just bought for the first time, and answer what waits; `now`: the market's."""
        asked = []
        for one in happenings:
            bought = one.kind == "event" and one.text.startswith(("buy_order_done", "buy_order_partial"))
            if bought and one.plan in self._curious:
                plan = await self._opened.store.plans.get(self._curious.pop(one.plan))
                await send(self._opened.store, self._opened.clock, plan, QUESTION)
                asked.append(Happening("owner", one.at, QUESTION, one.plan))
        return asked + await self._answer_orders(now)

    async def _answer_orders(self, now: datetime | None) -> list[Happening]:
        """Approve or refuse each order that waits, once."""
        said = []
        for approval in await self._opened.store.approvals.waiting():
            if approval.answer is None and approval.plan_id in self._plans:
                words = await self._answer(approval)
                if words is not None:
                    plan = self._plans[approval.plan_id]
                    said.append(Happening("owner", now, words, plan.name))
        return said

    async def _answer(self, approval: Approval) -> str | None:
        """What is said to it; None where it waits no more."""
        store, name = self._opened.store, approval.client_order_id
        order = await store.orders.get(approval.account_id, name)
        if order is None:
            return None
        approved = self._answers % _ROUND != _REFUSED
        answer = PersonsAnswer(approved, NAME, self._opened.clock.now(), "" if approved else REFUSAL)
        try:
            await store.approvals.answer(name, answer)
        except StateError:  # withdrawn by its agent in this moment
            return None
        self._answers += 1
        what = f"{order.side.value} {plain(order.quantity)} {order.order_type}, worth {approval.notional:.2f}"
        return f"approves {what}" if approved else f"refuses {what}: {REFUSAL}"
