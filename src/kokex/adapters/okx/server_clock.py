"""The exchange's time, from our clock and what we learned of the difference."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from kokex.adapters.okx.shared_answers import SharedAnswers
from kokex.ports.clock import Clock


@dataclass(slots=True)
class Offset:
    """What to add to our time for an exchange's; None until learned. All accounts of a host share it."""

    value: timedelta | None = None
    lessons: SharedAnswers[timedelta] = field(default_factory=SharedAnswers)


class ServerClock:
    """The exchange's clock: ours plus an offset, learned before the first use and again when the exchange complains.

    Args:
        fetch: asks the exchange what time it is.
        shared: what others learn and we need not.
    """

    def __init__(
        self, clock: Clock, fetch: Callable[[], Awaitable[datetime]], shared: Offset | None = None
    ) -> None:
        self._clock = clock
        self._fetch = fetch
        self._shared = shared or Offset()

    @property
    def offset(self) -> timedelta:
        """What to add to our time; zero until learned."""
        return self._shared.value or timedelta(0)

    def now(self) -> datetime:
        """The exchange's time as well as we know it (UTC)."""
        return self._clock.now() + self.offset

    def ours(self, moment: datetime) -> datetime:
        """The exchange's `moment` on our clock."""
        return moment - self.offset

    async def ready(self) -> None:
        """Learn the offset, unless it is known."""
        if self._shared.value is None:
            await self._shared.lessons.get("first", self._first)

    async def learn(self) -> None:
        """Learn the offset anew. Half of the round trip is taken for the way back."""
        await self._shared.lessons.get("again", self._learn)

    async def _first(self) -> timedelta:
        """Others may have learned it while this one waited for his turn."""
        return await self._learn() if self._shared.value is None else self._shared.value

    async def _learn(self) -> timedelta:
        before = self._clock.now()
        theirs = await self._fetch()
        after = self._clock.now()
        offset = self._shared.value = theirs - (before + (after - before) / 2)
        return offset
