"""Order events: one stream an account, shared by its plans; what it says goes to the journal, and from there to whom it concerns.

stream ─► take ─► held until the account is reconciled ─► `Journalling`: one transaction, ledgers, dispatch
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import structlog

from kokex.domain.account import Credentials, ExchangeAccount
from kokex.domain.account_reports import AccountReport
from kokex.domain.errors import ExchangeStoppedError, StoreUnavailableError
from kokex.domain.events import ClassifiedUpdate, EventSource
from kokex.domain.plan import Plan
from kokex.ports.clock import Clock
from kokex.ports.exchange import AccountStream, ExchangeAdapter
from kokex.ports.store import Store, SubscriptionStatus
from kokex.services import journalling
from kokex.services.journalling import Journalling, JournalSink
from kokex.services.ledger import Ledgers

log = structlog.get_logger(__name__)

STATUS_SECONDS = 1.0
"""How often `ws_subscriptions` is brought up to date while events arrive."""


class OrderEventSink(JournalSink, Protocol):
    """Who is told of a plan's journalled events, and of how the streams stand."""

    def on_account_subscribed(self, connection_key: str) -> None:
        """The account's stream stands (again): reconcile."""
        ...

    def on_account_lost(self, connection_key: str) -> None:
        """The account's stream is gone: something may be missed from here on."""
        ...

    def on_account_stopped(self, connection_key: str, reason: str) -> None:
        """The account's stream cannot be had until a person acts."""
        ...


@dataclass(slots=True)
class Connection:
    """The one stream of an account, shared by its plans.

    Attributes:
        plans: instrument of each plan that is subscribed here, by plan number.
        held: updates that wait for the reconciliation to end; None when it has.
    """

    account: ExchangeAccount
    credentials: Credentials
    stream: AccountStream | None = None
    plans: dict[int, str] = field(default_factory=dict)
    held: list[tuple[ClassifiedUpdate, datetime]] | None = field(default_factory=list)
    connected_since: datetime | None = None
    last_event_at: datetime | None = None
    events: int = 0
    reconnects: int = -1
    reconciled_at: datetime | None = None
    stopped: str | None = None
    task: asyncio.Task[None] | None = None
    released: asyncio.Event = field(default_factory=asyncio.Event)


class OrderEventService:
    """Keeps one stream an account, journals what it says, and tells the plans. One per process.

    Args:
        installation: part of our client order ids; an id of another installation is an outsider's.
    """

    def __init__(
        self, store: Store, clock: Clock, adapter: ExchangeAdapter, ledgers: Ledgers, installation: str
    ) -> None:
        self._store = store
        self._clock = clock
        self._adapter = adapter
        self._journalling = Journalling(store, clock, ledgers, installation)
        self._tasks: asyncio.TaskGroup | None = None
        self._sink: OrderEventSink | None = None
        self.connections: dict[str, Connection] = {}

    @property
    def journal_lock(self) -> asyncio.Lock:
        """Under it, journal and ledgers agree: no transaction is under way."""
        return self._journalling.lock

    async def run(self, sink: OrderEventSink) -> None:
        """Serve until cancelled."""
        self._sink = sink
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            for connection in self.connections.values():
                self._start(connection)
            tasks.create_task(self._journalling.run(sink))
            tasks.create_task(self._report())

    async def subscribe(self, plan: Plan, account: ExchangeAccount, credentials: Credentials) -> None:
        """Have the order events of the plan's instrument on its account; the connection is made if it is the first."""
        connection = self.connections.get(account.connection_key)
        if connection is None:
            connection = Connection(account, credentials)
            connection.stream = self._adapter.account_stream(
                account, credentials, _Listener(self, connection)
            )
            self.connections[account.connection_key] = connection
        known = plan.inst_id in connection.plans.values()
        connection.plans[plan.id] = plan.inst_id
        if not known and connection.stream is not None:
            connection.stream.subscribe_orders_channel(plan.inst_id)
        self._start(connection)
        await self._store.subscriptions.save(self._statuses(connection), self._clock.now())

    async def unsubscribe(self, plan: Plan, account: ExchangeAccount) -> None:
        """Want the plan's events no longer; the connection closes with its last plan."""
        connection = self.connections.get(account.connection_key)
        if connection is None or plan.id not in connection.plans:
            return
        gone = [status for status in self._statuses(connection, active=False) if status.plan_id == plan.id]
        inst_id = connection.plans.pop(plan.id)
        if inst_id not in connection.plans.values() and connection.stream is not None:
            connection.stream.unsubscribe_orders_channel(inst_id)
        if not connection.plans:
            if connection.task is not None:
                connection.task.cancel()
            del self.connections[account.connection_key]
        await self._store.subscriptions.save(gone, self._clock.now())

    async def ingest(
        self, account: ExchangeAccount, updates: Sequence[ClassifiedUpdate], source: EventSource
    ) -> None:
        """Journal facts learned otherwise than by the stream, and return when they are committed and dispatched."""
        now = self._clock.now()
        connection = self.connections.get(account.connection_key)
        plans = connection.plans if connection else {}
        await self._journalling.write(
            [
                entry
                for update in updates
                for entry in self._journalling.entries(account, plans, update, source, now)
            ]
        )

    def hold(self, account: ExchangeAccount) -> None:
        """Keep back what the stream says until `release`: the account is about to be reconciled."""
        connection = self.connections.get(account.connection_key)
        if connection is not None and connection.held is None:
            connection.held = []
            connection.released.clear()

    def release(self, account: ExchangeAccount) -> None:
        """The account is reconciled: let through what the stream said meanwhile."""
        connection = self.connections.get(account.connection_key)
        if connection is None:
            return
        held, connection.held = connection.held or [], None
        connection.released.set()
        connection.reconciled_at = self._clock.now()
        for update, received_at in held:
            self._enqueue(connection, update, received_at)

    def _start(self, connection: Connection) -> None:
        if self._tasks is not None and connection.task is None:
            connection.task = self._tasks.create_task(self._keep_connected(connection))

    async def _keep_connected(self, connection: Connection) -> None:
        assert connection.stream is not None
        try:
            await connection.stream.run()
        except ExchangeStoppedError as error:
            connection.stopped = str(error)
            connection.connected_since = None
            log.error(
                "account stream stopped", connection=connection.account.connection_key, reason=str(error)
            )
            if self._sink is not None:
                self._sink.on_account_stopped(connection.account.connection_key, str(error))

    async def room(self, connection: Connection) -> None:
        """Return when the queue is short again, and what was held is let through."""
        if connection.held is not None:
            await connection.released.wait()
        await self._journalling.room()

    def take(
        self, connection: Connection, updates: Sequence[ClassifiedUpdate], received_at: datetime
    ) -> bool:
        """A frame's updates. False: no room for more until `room` returns."""
        connection.events += len(updates)
        connection.last_event_at = received_at
        if connection.held is not None:
            connection.held.extend((update, received_at) for update in updates)
            return len(connection.held) < journalling.QUEUE
        for update in updates:
            self._enqueue(connection, update, received_at)
        return self._journalling.has_room()

    def subscribed(self, connection: Connection) -> None:
        """Every wanted channel is open: hold what they say until the past is reconciled."""
        if connection.connected_since is None:
            connection.connected_since = self._clock.now()
            connection.reconnects += 1
        connection.stopped = None
        self.hold(connection.account)
        self._save_soon(connection)
        if self._sink is not None:
            self._sink.on_account_subscribed(connection.account.connection_key)

    def disconnected(self, connection: Connection, reason: str) -> None:
        """The stream is gone: from here on something may be missed."""
        connection.connected_since = None
        self.hold(connection.account)
        self._save_soon(connection)
        log.warning("account stream lost", connection=connection.account.connection_key, reason=reason)
        if self._sink is not None:
            self._sink.on_account_lost(connection.account.connection_key)

    def _enqueue(self, connection: Connection, update: ClassifiedUpdate, received_at: datetime) -> None:
        self._journalling.put(
            self._journalling.entries(
                connection.account, connection.plans, update, EventSource.STREAM, received_at
            )
        )

    def _save_soon(self, connection: Connection) -> None:
        """Connected or lost: that is told at once, counts now and then."""
        if self._tasks is not None:
            self._tasks.create_task(self._save_status(connection))

    async def _report(self) -> None:
        reported: dict[str, tuple[int, int, datetime | None, datetime | None]] = {}
        while True:
            await self._clock.sleep(STATUS_SECONDS)
            for key, connection in list(self.connections.items()):
                state = (
                    connection.events,
                    connection.reconnects,
                    connection.connected_since,
                    connection.reconciled_at,
                )
                if reported.get(key) == state:
                    continue
                if await self._save_status(connection):
                    reported[key] = state

    async def _save_status(self, connection: Connection) -> bool:
        try:
            await self._store.subscriptions.save(self._statuses(connection), self._clock.now())
        except StoreUnavailableError as error:
            log.warning("subscription status waits for the database", reason=str(error))
            return False
        return True

    def _statuses(self, connection: Connection, *, active: bool = True) -> list[SubscriptionStatus]:
        return [
            SubscriptionStatus(
                plan_id=plan_id,
                connection_key=connection.account.connection_key,
                inst_id=inst_id,
                active=active,
                connected_since=connection.connected_since if active else None,
                last_event_at=connection.last_event_at,
                events=connection.events,
                reconnects=max(connection.reconnects, 0),
                reconciled_at=connection.reconciled_at,
            )
            for plan_id, inst_id in connection.plans.items()
        ]


class _Listener:
    """Joins one stream to the service."""

    def __init__(self, service: OrderEventService, connection: Connection) -> None:
        self._service = service
        self._connection = connection

    def on_order_updates(self, updates: Sequence[ClassifiedUpdate], received_at: datetime) -> bool:
        return self._service.take(self._connection, updates, received_at)

    async def room(self) -> None:
        await self._service.room(self._connection)

    def on_account_reports(self, reports: Sequence[AccountReport], received_at: datetime) -> None:
        self._connection.last_event_at = received_at

    def on_flaw(self, reason: str) -> None:
        log.warning("push not readable", connection=self._connection.account.connection_key, reason=reason)
        self._service.subscribed(self._connection)

    def on_refused(self, channel: str, inst_id: str, reason: str) -> None:
        log.error(
            "channel refused",
            connection=self._connection.account.connection_key,
            channel=channel,
            inst_id=inst_id,
            reason=reason,
        )

    def on_subscribed(self) -> None:
        self._service.subscribed(self._connection)

    def on_disconnected(self, reason: str) -> None:
        self._service.disconnected(self._connection, reason)
