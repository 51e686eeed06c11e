"""Keeps `ws_subscriptions` up to date, so that anybody can see how the streams stand, also from another process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import structlog

from kokex.domain.errors import StoreUnavailableError
from kokex.ports.clock import Clock
from kokex.ports.store import Store, SubscriptionStatus
from kokex.services.connections import Connection

log = structlog.get_logger(__name__)

STATUS_SECONDS = 1.0
"""How often counts are written while they change."""
SIGN_OF_LIFE_SECONDS = 10.0
"""How often they are written in any case: rows that grow older than this were left by an engine that is down."""


class StreamReporting:
    """Writes how connections stand. One per process."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def run(self, connections: Mapping[str, Connection]) -> None:
        """Serve until cancelled."""
        written: dict[str, tuple[float, list[SubscriptionStatus]]] = {}
        while True:
            await self._clock.sleep(STATUS_SECONDS)
            for key, connection in list(connections.items()):
                statuses = connection.statuses()
                at, before = written.get(key, (float("-inf"), []))
                now = self._clock.monotonic()
                if statuses == before and now - at < SIGN_OF_LIFE_SECONDS:
                    continue
                if await self.save_if_possible(connection):
                    written[key] = (now, statuses)

    async def save_if_possible(self, connection: Connection) -> bool:
        """Write how `connection` stands. False: the database is away, a later time will do."""
        try:
            await self.save(connection.statuses())
        except StoreUnavailableError as error:
            log.warning("subscription status waits for the database", reason=str(error))
            return False
        return True

    async def save(self, statuses: Sequence[SubscriptionStatus]) -> None:
        """Write `statuses`. Raises `StoreUnavailableError`."""
        now = self._clock.now()
        await self._store.subscriptions.save([replace(status, updated_at=now) for status in statuses], now)
