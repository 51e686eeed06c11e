"""The exchange's time, from our clock and what we learned of the difference."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from kokex.ports.clock import Clock


class ServerClock:
    """The exchange's clock: ours plus an offset, learned before the first use and again when the exchange complains.

    Args:
        fetch: asks the exchange what time it is.
    """

    def __init__(self, clock: Clock, fetch: Callable[[], Awaitable[datetime]]) -> None:
        self._clock = clock
        self._fetch = fetch
        self._offset: timedelta | None = None
        self._lesson = asyncio.Lock()

    @property
    def offset(self) -> timedelta:
        """What to add to our time; zero until learned."""
        return self._offset or timedelta(0)

    def now(self) -> datetime:
        """The exchange's time as well as we know it (UTC)."""
        return self._clock.now() + self.offset

    def ours(self, moment: datetime) -> datetime:
        """The exchange's `moment` on our clock."""
        return moment - self.offset

    async def ready(self) -> None:
        """Learn the offset, unless it is known."""
        async with self._lesson:
            if self._offset is None:
                await self._learn()

    async def learn(self) -> None:
        """Learn the offset anew. Half of the round trip is taken for the way back."""
        async with self._lesson:
            await self._learn()

    async def _learn(self) -> None:
        before = self._clock.now()
        theirs = await self._fetch()
        after = self._clock.now()
        self._offset = theirs - (before + (after - before) / 2)
