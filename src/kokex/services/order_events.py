"""Order events: one stream an account, shared by its plans; what it says goes to the journal, and from there to whom it concerns.

stream ─┬► take ─► held until the account is reconciled ─► `Journalling`: one transaction, ledgers, dispatch
        └► take_reports ─► `AccountEventService`
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

import structlog

from kokex.domain.account import Credentials, ExchangeAccount
from kokex.domain.account_reports import AccountReport
from kokex.domain.errors import ExchangeStoppedError
from kokex.domain.events import ClassifiedUpdate, EventSource
from kokex.domain.plan import Plan
from kokex.ports.clock import Clock
from kokex.ports.exchange import ExchangeAdapter
from kokex.ports.store import Store
from kokex.services import journalling
from kokex.services.account_events import AccountEventService
from kokex.services.accounts import what_to_do
from kokex.services.connections import Connection
from kokex.services.journalling import Journalling, JournalSink
from kokex.services.ledger import Ledgers
from kokex.services.stream_listener import StreamListener
from kokex.services.stream_reporting import StreamReporting

log = structlog.get_logger(__name__)

FLAW_SECONDS = 5.0
"""An account is looked at once in so long at most because of pushes that could not be read."""


class OrderEventSink(JournalSink, Protocol):
    """Who is told of a plan's journalled events, and of how the streams stand."""

    def on_account_subscribed(self, connection_key: str) -> None:
        """The account's stream stands (again): reconcile."""
        ...

    def on_stops_subscribed(self, connection_key: str) -> None:
        """The account's stops are told of (again): what they became before is to be read."""
        ...

    def on_account_lost(self, connection_key: str) -> None:
        """The account's stream is gone: something may be missed from here on."""
        ...

    def on_account_stopped(self, connection_key: str, reason: str) -> None:
        """The account's stream cannot be had until a person acts."""
        ...


class OrderEventService:
    """Keeps one stream an account, journals what it says, and tells the plans. One per process.

    Args:
        installation: part of our client order ids; an id of another installation is an outsider's.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        adapter: ExchangeAdapter,
        ledgers: Ledgers,
        account_events: AccountEventService,
        installation: str,
    ) -> None:
        self._clock = clock
        self._adapter = adapter
        self._journalling = Journalling(store, clock, ledgers, installation)
        self._account_events = account_events
        self._standing = StreamReporting(store, clock)
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
            tasks.create_task(self._standing.run(self.connections))

    async def subscribe(self, plan: Plan, account: ExchangeAccount, credentials: Credentials) -> None:
        """Have the order events of the plan's instrument on its account; the connection is made if it is the first."""
        connection = self.connections.get(account.connection_key)
        if connection is None:
            connection = Connection(account, credentials)
            self._open_stream(connection)
            self.connections[account.connection_key] = connection
        connection.add(plan.id, plan.inst_id)
        self._start(connection)
        await self._standing.save_if_possible(connection)

    async def reconnect(self, account: ExchangeAccount, credentials: Credentials) -> None:
        """Give the account's stream up, and make it anew with these keys."""
        connection = self.connections.get(account.connection_key)
        if connection is None:
            return
        if connection.task is not None:
            connection.task.cancel()
            await asyncio.wait([connection.task])
        if self.connections.get(account.connection_key) is not connection:
            return
        self.disconnected(connection, "the account's keys are read anew")
        connection.credentials = credentials
        connection.stopped = None
        connection.refused.clear()
        self._open_stream(connection)
        connection.task = None
        self._start(connection)

    def _open_stream(self, connection: Connection) -> None:
        stream = self._adapter.account_stream(
            connection.account, connection.credentials, StreamListener(self, connection)
        )
        stream.subscribe_account_channels()
        stream.subscribe_stop_channels()
        stream.subscribe_fills_channel()
        for inst_id in dict.fromkeys(connection.plans.values()):
            stream.subscribe_orders_channel(inst_id)
        connection.stream = stream

    async def unsubscribe(self, plan: Plan, account: ExchangeAccount) -> None:
        """Want the plan's events no longer; the connection closes with its last plan."""
        connection = self.connections.get(account.connection_key)
        if connection is None or plan.id not in connection.plans:
            return
        gone = [status for status in connection.statuses(active=False) if status.plan_id == plan.id]
        connection.remove(plan.id)
        if not connection.plans:
            for task in (connection.task, connection.asking):
                if task is not None:
                    task.cancel()
            del self.connections[account.connection_key]
        await self._standing.save(gone)

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
        self._account_events.hold(account)

    def release(self, account: ExchangeAccount) -> None:
        """The account is reconciled: let through what the stream said meanwhile."""
        connection = self.connections.get(account.connection_key)
        if connection is None:
            return
        held, connection.held = connection.held or [], None
        connection.released.set()
        for update, received_at in held:
            self._enqueue(connection, update, received_at)
        if not self._account_events.release(account):
            self._look_soon(connection)

    def reconciled(self, account: ExchangeAccount, at: datetime) -> None:
        """The account was found in line."""
        connection = self.connections.get(account.connection_key)
        if connection is not None:
            connection.reconciled_at = at

    def lost(self, account: ExchangeAccount, instruments: Mapping[str, str]) -> None:
        """Which instruments cannot be reconciled, and why: their plans' subscriptions say so."""
        connection = self.connections.get(account.connection_key)
        if connection is not None:
            connection.lost = dict(instruments)

    def _start(self, connection: Connection) -> None:
        if self._tasks is not None and connection.task is None:
            connection.task = self._tasks.create_task(self._keep_connected(connection))

    async def _keep_connected(self, connection: Connection) -> None:
        assert connection.stream is not None
        try:
            await connection.stream.run()
        except ExchangeStoppedError as error:
            connection.stopped = reason = what_to_do(connection.account, error)
            connection.connected_since = None
            log.error("account stream stopped", connection=connection.key, reason=reason)
            self._save_soon(connection)
            if self._sink is not None:
                self._sink.on_account_stopped(connection.key, reason)

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
        for update in updates[-1:]:
            connection.told(update.update.occurred_at, received_at)
        if connection.held is not None:
            connection.held.extend((update, received_at) for update in updates)
            return len(connection.held) < journalling.QUEUE
        for update in updates:
            self._enqueue(connection, update, received_at)
        return self._journalling.has_room()

    def take_reports(
        self, connection: Connection, reports: Sequence[AccountReport], received_at: datetime
    ) -> None:
        """A frame's reports of the account."""
        connection.reports += len(reports)
        news = [report for report in reports if not getattr(report, "snapshot", False)]
        for report in news[-1:]:
            connection.told(report.occurred_at, received_at)
        if not self._account_events.take(connection.account, reports, received_at):
            self._look_soon(connection)

    def flawed(self, connection: Connection, reason: str) -> None:
        """Something was told that could not be read, or missed: ask over REST, soon but not for each."""
        connection.flaws += 1
        log.warning("push not readable", connection=connection.key, reason=reason)
        self._look_soon(connection)

    def refused(self, connection: Connection, channel: str, inst_id: str, reason: str) -> None:
        """A channel is not given until a person acts."""
        connection.refused[f"{channel} {inst_id}".strip()] = reason

    def subscribed(self, connection: Connection) -> None:
        """Every wanted channel is open: hold what they say until the past is reconciled."""
        if connection.connected_since is None:
            connection.connected_since = self._clock.now()
            connection.reconnects += 1
        connection.stopped = None
        self._look(connection)
        self._save_soon(connection)

    def stops_subscribed(self, connection: Connection) -> None:
        """The channels of stops are open (again); orders and their stream are not held for that."""
        if self._sink is not None:
            self._sink.on_stops_subscribed(connection.key)

    def disconnected(self, connection: Connection, reason: str) -> None:
        """The stream is gone: from here on something may be missed."""
        connection.connected_since = None
        self.hold(connection.account)
        self._save_soon(connection)
        log.warning("account stream lost", connection=connection.key, reason=reason)
        if self._sink is not None:
            self._sink.on_account_lost(connection.key)

    def _look(self, connection: Connection) -> None:
        """Hold what the stream says, and have the account reconciled."""
        connection.asked_at = self._clock.monotonic()
        self.hold(connection.account)
        if self._sink is not None:
            self._sink.on_account_subscribed(connection.key)

    def _look_soon(self, connection: Connection) -> None:
        """The same, at once or when the last time is long enough ago; what comes meanwhile is part of it."""
        if self._tasks is not None and connection.asking is None:
            connection.asking = self._tasks.create_task(self._look_in_time(connection))

    async def _look_in_time(self, connection: Connection) -> None:
        await self._clock.sleep(max(connection.asked_at + FLAW_SECONDS - self._clock.monotonic(), 0.0))
        connection.asking = None
        if connection.connected_since is not None:
            self._look(connection)

    def _enqueue(self, connection: Connection, update: ClassifiedUpdate, received_at: datetime) -> None:
        self._journalling.put(
            self._journalling.entries(
                connection.account, connection.plans, update, EventSource.STREAM, received_at
            )
        )

    def _save_soon(self, connection: Connection) -> None:
        """Connected or lost: that is told at once, counts now and then."""
        if self._tasks is not None:
            self._tasks.create_task(self._standing.save_if_possible(connection))
