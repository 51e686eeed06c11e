"""Joins one account's stream to the service that hears all of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from kokex.domain.account_reports import AccountReport
from kokex.domain.events import ClassifiedUpdate
from kokex.services.connections import Connection

if TYPE_CHECKING:
    from kokex.services.order_events import OrderEventService


class StreamListener:
    """See `kokex.ports.exchange.AccountStreamListener`."""

    def __init__(self, service: OrderEventService, connection: Connection) -> None:
        self._service = service
        self._connection = connection

    def on_order_updates(self, updates: Sequence[ClassifiedUpdate], received_at: datetime) -> bool:
        """See `AccountStreamListener`."""
        return self._service.take(self._connection, updates, received_at)

    async def room(self) -> None:
        """See `AccountStreamListener`."""
        await self._service.room(self._connection)

    def on_account_reports(self, reports: Sequence[AccountReport], received_at: datetime) -> None:
        """See `AccountStreamListener`."""
        self._service.take_reports(self._connection, reports, received_at)

    def on_flaw(self, reason: str) -> None:
        """See `AccountStreamListener`."""
        self._service.flawed(self._connection, reason)

    def on_refused(self, channel: str, inst_id: str, reason: str) -> None:
        """See `AccountStreamListener`."""
        self._service.refused(self._connection, channel, inst_id, reason)

    def on_subscribed(self) -> None:
        """See `AccountStreamListener`."""
        self._service.subscribed(self._connection)

    def on_stops_subscribed(self) -> None:
        """See `AccountStreamListener`."""
        self._service.stops_subscribed(self._connection)

    def on_disconnected(self, reason: str) -> None:
        """See `AccountStreamListener`."""
        self._service.disconnected(self._connection, reason)
