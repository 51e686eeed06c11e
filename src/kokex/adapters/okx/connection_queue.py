"""Whose turn it is to open a connection.

OKX v5 counts new connections by our address, over all accounts and paths of a host (three a second). So all that this process opens to a
host share one budget; and where many wait, what an account cannot do without goes first.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import count
from urllib.parse import urlsplit

from kokex.adapters.okx.first_of import first_of
from kokex.adapters.okx.rate_limit import Budget, RateLimiter
from kokex.ports.clock import Clock

_AFTER_A_REFUSAL = Budget(3, 1.0)
"""What a host that had no budget is given once it says that it was too much."""


class Rank(IntEnum):
    """What a connection is for; lower goes first."""

    ORDERS = 0
    """An account's private socket: without it the account may do nothing."""
    MARKET = 1
    STOPS = 2
    """An account's business socket."""


_Ticket = tuple[Rank, int]


@dataclass(slots=True)
class _Line:
    waiting: dict[_Ticket, asyncio.Event] = field(default_factory=dict)
    resting: set[asyncio.Event] = field(default_factory=set)
    budget: Budget | None = None

    def beckon(self) -> None:
        """Whoever is first looks whether his turn has come."""
        if self.waiting:
            self.waiting[min(self.waiting)].set()


class ConnectionQueue:
    """Lets the connections of this process be opened in turn. One for the process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._limiter = RateLimiter(clock)
        self._numbers = count()
        self._lines: dict[str, _Line] = {}

    async def turn(self, url: str, rank: Rank, budget: Budget | None) -> None:
        """Return when a connection to `url` may be opened; it then counts.

        Args:
            budget: of the host; None: any number, as long as it does not complain.
        """
        host = _host(url)
        line = self._lines.setdefault(host, _Line())
        ticket = (rank, next(self._numbers))
        beckoned = line.waiting[ticket] = asyncio.Event()
        try:
            while (allowed := budget or line.budget) is not None:
                if min(line.waiting) != ticket:
                    beckoned.clear()
                    await beckoned.wait()
                elif (wait := self._limiter.wait_for(host, allowed)) > 0:
                    await self._clock.sleep(wait)
                else:
                    await self._limiter.acquire(host, allowed)
                    return
        finally:
            del line.waiting[ticket]
            line.beckon()

    async def rest(self, url: str, seconds: float) -> None:
        """Wait so long after a connection could not be opened; less where another one to the same host can."""
        resting = self._lines.setdefault(_host(url), _Line()).resting
        reached = asyncio.Event()
        resting.add(reached)
        try:
            await first_of(reached.wait(), self._clock.sleep(seconds))
        finally:
            resting.discard(reached)

    def opened(self, url: str) -> None:
        """A connection was opened: the host is there (again)."""
        for reached in self._lines.setdefault(_host(url), _Line()).resting:
            reached.set()

    def refused(self, url: str, budget: Budget | None) -> None:
        """The host says that it was too much: nothing is opened there for as long as its budget counts."""
        host = _host(url)
        line = self._lines.setdefault(host, _Line())
        allowed = budget or line.budget or _AFTER_A_REFUSAL
        line.budget = line.budget or allowed
        self._limiter.wait_for(host, allowed)
        self._limiter.hold(host, allowed.window)


def _host(url: str) -> str:
    return urlsplit(url).netloc
