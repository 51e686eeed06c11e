"""A turn's budget while the turn runs: what is left of its grant."""

from __future__ import annotations

import asyncio

from kokex.domain.grant import Grant
from kokex.ports.store import Store


class TurnBudget:
    """Spent with each order that the gate lets through, in the order's own row, so a turn that is run again goes on with what is left."""

    def __init__(self, plan_id: int, turn_id: int, drawn: Grant, *, fresh: bool = False) -> None:
        """`fresh`: the turn was never run before, so nothing is spent yet."""
        self._plan_id = plan_id
        self.turn_id = turn_id
        self._known = fresh
        self._reading = asyncio.Lock()
        self.left = drawn

    async def read(self, store: Store) -> None:
        """Take up what the turn spent before it was cut short; once."""
        async with self._reading:
            if self._known:
                return
            left = await store.orders.grant_left(self._plan_id, self.turn_id)
            if left is not None:
                self.left = self.left.meet(left)
            self._known = True
