"""The writing half of order events: attribution, one transaction for all that waits, ledgers, dispatch.

    put ───► queue ─┬► one transaction ─► ledgers ─► sink, plan by plan
    write ─► ahead ─┘

Nobody acts on an event before it is committed. What arrives while a commit is under way goes into the next one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol, TypeVar

import structlog

from kokex.domain.account import ExchangeAccount
from kokex.domain.errors import StoreError, StoreUnavailableError
from kokex.domain.events import ClassifiedUpdate, EventSource, OrderEvent
from kokex.domain.ids import order_origin
from kokex.ports.clock import Clock
from kokex.ports.store import JournalEntry, Store
from kokex.services.beginnings import Beginnings
from kokex.services.ledger import Ledgers

log = structlog.get_logger(__name__)

BATCH = 2000
"""Most events in one transaction."""
QUEUE = 20_000
"""Events waiting for the journal before a socket is asked to wait."""

_Result = TypeVar("_Result")


class JournalSink(Protocol):
    """Who is told of a plan's journalled events."""

    def on_order_events(self, plan_id: int, events: Sequence[OrderEvent]) -> None:
        """Take note, without waiting; `events` are in the journal's order."""
        ...


class Journalling:
    """Writes order events to the journal, and only then moves the ledgers and tells the sink. One per process.

    Args:
        installation: part of our client order ids; an id of another installation is an outsider's.

    Attributes:
        lock: held from a transaction's start until the ledgers have moved: under it, journal and ledgers agree.
    """

    def __init__(self, store: Store, clock: Clock, ledgers: Ledgers, installation: str) -> None:
        self._store = store
        self._clock = clock
        self._ledgers = ledgers
        self._installation = installation
        self._beginnings = Beginnings()
        self._queue: deque[JournalEntry] = deque()
        self._ahead: deque[tuple[Sequence[JournalEntry], asyncio.Future[None]]] = deque()
        self._arrived = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()
        self._sink: JournalSink | None = None
        self.lock = asyncio.Lock()

    async def run(self, sink: JournalSink) -> None:
        """Write what is put, until cancelled."""
        self._sink = sink
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._queue or self._ahead:
                while self._ahead:
                    await self._write_ahead(*self._ahead.popleft())
                batch = [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]
                if batch:
                    await self._journal(batch)
                if len(self._queue) <= max(QUEUE - BATCH, QUEUE // 2):
                    self._drained.set()

    def entries(
        self,
        account: ExchangeAccount,
        plans: Mapping[int, str],
        classified: ClassifiedUpdate,
        source: EventSource,
        received_at: datetime,
    ) -> list[JournalEntry]:
        """Whose journal an update goes into: the plan's that made the order; where nobody here did, of all that listen.

        An order that begins with something else than its `live` gets that first: learned by inference, source `reconcile`.

        Args:
            plans: instrument of each plan that listens to the account, by plan number.
        """
        live = self._beginnings.missing(account.id, classified)
        if live is None:
            return self._addressed(account, plans, classified, source, received_at)
        return [
            *self._addressed(account, plans, live, EventSource.RECONCILE, received_at),
            *self._addressed(account, plans, classified, source, received_at),
        ]

    def _addressed(
        self,
        account: ExchangeAccount,
        plans: Mapping[int, str],
        classified: ClassifiedUpdate,
        source: EventSource,
        received_at: datetime,
    ) -> list[JournalEntry]:
        origin = order_origin(classified.update.client_order_id)
        if origin is not None and origin.installation == self._installation:
            return [JournalEntry(origin.plan_id, account.id, classified, source, False, received_at)]
        return [
            JournalEntry(plan_id, account.id, classified, source, True, received_at)
            for plan_id, inst_id in plans.items()
            if inst_id == classified.update.inst_id
        ]

    def put(self, entries: Iterable[JournalEntry]) -> None:
        """Have `entries` written soon, after all that was put before."""
        self._queue.extend(entries)
        self._arrived.set()

    def has_room(self) -> bool:
        """Whether the queue is short enough for more; where it is not, wait for `room`."""
        if len(self._queue) >= QUEUE:
            self._drained.clear()
            return False
        return True

    async def room(self) -> None:
        """Return when the queue is short again."""
        await self._drained.wait()

    async def write(self, entries: Sequence[JournalEntry]) -> None:
        """Have `entries` written past the queue, and return when they are committed and told.

        A caller who is cancelled while he waits takes nothing back: what is committed has to reach the ledgers.

        Raises:
            StoreError: the database refused them.
        """
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ahead.append((entries, written))
        self._arrived.set()
        await written

    async def _write_ahead(self, entries: Sequence[JournalEntry], written: asyncio.Future[None]) -> None:
        try:
            for start in range(0, len(entries), BATCH):
                await self._journal(entries[start : start + BATCH])
        except StoreError as error:
            self._beginnings.forget()
            if written.done():
                log.error("events not journalled", entries=len(entries), reason=str(error))
            else:
                written.set_exception(error)
        else:
            if not written.done():
                written.set_result(None)

    async def _journal(self, batch: Sequence[JournalEntry]) -> None:
        async with self.lock:
            numbers = await self._append(batch)
            told: dict[int, list[OrderEvent]] = {}
            doubtful: set[int] = set()
            for number, entry in zip(numbers, batch, strict=True):
                if number is not None:
                    event = _event(number, entry)
                    if not self._ledgers.apply(event):
                        doubtful.add(entry.plan_id)
                    told.setdefault(entry.plan_id, []).append(event)
            for plan_id in doubtful:
                await self._recount(plan_id)
        if self._sink is not None:
            for plan_id, events in told.items():
                self._sink.on_order_events(plan_id, events)

    async def _recount(self, plan_id: int) -> None:
        """Under the lock the table of fills says exactly what the events so far come to."""
        fills = await self._patiently(lambda: self._store.journal.fills(plan_id))
        ledger = self._ledgers.known(plan_id)
        if ledger is not None:
            ledger.recount(fills)

    async def _append(self, batch: Sequence[JournalEntry]) -> list[int | None]:
        return await self._patiently(lambda: self._store.journal.append(batch))

    async def _patiently(self, ask: Callable[[], Awaitable[_Result]]) -> _Result:
        delay = 0.05
        while True:
            try:
                return await ask()
            except StoreUnavailableError as error:
                log.warning("journal waits for the database", waiting=len(self._queue), reason=str(error))
                await self._clock.sleep(delay)
                delay = min(delay * 2, 2.0)


def _event(number: int, entry: JournalEntry) -> OrderEvent:
    return OrderEvent(
        id=number,
        plan_id=entry.plan_id,
        account_id=entry.account_id,
        event_type=entry.classified.event_type,
        kind=entry.classified.kind,
        event_key=entry.classified.event_key,
        update=entry.classified.update,
        source=entry.source,
        external=entry.external,
        received_at=entry.received_at,
    )
