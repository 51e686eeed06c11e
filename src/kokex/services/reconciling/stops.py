"""An account's stops: read with every look at the account, and by themselves when the socket that tells of them comes (back).

That socket opens after the one that orders are traded over, and may be lost alone: orders are not held for it. What a stop became while
it was not told of is read over REST, as soon as it is told of again.
"""

from __future__ import annotations

import asyncio

import structlog

from kokex.domain.account_reports import StopReport, StopState
from kokex.domain.errors import KokexError
from kokex.ports.clock import Clock
from kokex.services.account_events import AccountEventService
from kokex.services.accounts import AccountSession
from kokex.services.reconciling.together import heed_cancellation

log = structlog.get_logger(__name__)

RETRY_SECONDS = 5.0
"""How soon stops that could not be read are asked for again."""


class Stops:
    """Reads the stops of accounts."""

    def __init__(self, clock: Clock, account_events: AccountEventService) -> None:
        self._clock = clock
        self._account_events = account_events
        self._told: dict[str, asyncio.Event] = {}

    def told(self, connection_key: str) -> None:
        """They are told of (again): what they became before has to be read."""
        self._news(connection_key).set()

    def forget(self, connection_key: str) -> None:
        """The account's stream is lost."""
        self._told.pop(connection_key, None)

    async def read(self, session: AccountSession) -> list[StopReport]:
        """Every stop that waits at the exchange, and how each ended that we think waits and that does not.

        Raises:
            ExchangeError: the exchange cannot be asked to the end.
        """
        self._news(session.account.connection_key).clear()
        reports = await session.exchange.open_stops()
        listed = {stop.stop_id for stop in reports}
        book = self._account_events.book(session.account.id)
        for known in book.known if book is not None else ():
            stop = known.report
            if isinstance(stop, StopReport) and stop.state is StopState.LIVE and stop.stop_id not in listed:
                ended = await session.exchange.stop(stop.stop_id)
                reports += [] if ended is None else [ended]
        return reports

    async def follow(self, session: AccountSession) -> None:
        """Journal what stops became whenever they are told of anew, for an account whose first look is over; until cancelled."""
        while True:
            news = self._news(session.account.connection_key)
            await news.wait()
            book = self._account_events.book(session.account.id)
            if book is None or not book.complete:
                news.clear()  # the first look that has a picture of the account has its stops
                continue
            try:
                await self._account_events.reconcile(session.account, await self.read(session))
            except KokexError as error:
                heed_cancellation()
                log.warning("stops not read yet", account=session.account.name, reason=str(error))
                news.set()
                await self._clock.sleep(RETRY_SECONDS)

    def _news(self, connection_key: str) -> asyncio.Event:
        return self._told.setdefault(connection_key, asyncio.Event())
