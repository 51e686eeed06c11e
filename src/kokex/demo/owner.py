"""The plans' owner, played: asks each agent once why it bought, in the middle of the show."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from kokex.bootstrap import Application
from kokex.demo.watch import Happening
from kokex.domain.plan import Plan
from kokex.services.chat import send

QUESTION: Final = "Why did you buy?"


class Owner:
    """Writes to agents as `kokex agent chat` does; the answer comes as a decision."""

    def __init__(self, opened: Application, plans: Iterable[Plan]) -> None:
        self._opened = opened
        self._curious = {plan.name: plan.id for plan in plans}

    async def look(self, happenings: Iterable[Happening]) -> list[Happening]:
        """Ask whoever has just bought for the first time."""
        asked = []
        for one in happenings:
            bought = one.kind == "event" and one.text.startswith(("buy_order_done", "buy_order_partial"))
            if bought and one.plan in self._curious:
                plan = await self._opened.store.plans.get(self._curious.pop(one.plan))
                await send(self._opened.store, self._opened.clock, plan, QUESTION)
                asked.append(Happening("owner", one.at, QUESTION, one.plan))
        return asked
