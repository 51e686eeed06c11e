"""Account events: from what an exchange reports of an account to the journal, and from there to whom it concerns.

    stream ─► take ─► held until the account is reconciled ─┐
    REST ─► reconcile ─► what differs ──────────────────────┴► book ─► queue ─► one transaction ─► plans

Nobody acts on an event before it is committed. A report that finds no room is not taken, so the book does not know of it either: the
next picture of the account tells it as a difference.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol, TypeVar

import structlog

from kokex.domain.account import ExchangeAccount
from kokex.domain.account_book import AccountBook
from kokex.domain.account_events import AccountEventRecord
from kokex.domain.account_reports import AccountReport, BalanceReport, PositionReport, StopReport
from kokex.domain.errors import StoreUnavailableError
from kokex.domain.events import EventSource
from kokex.domain.instrument import Instrument
from kokex.ports.account_journal import AccountEntry
from kokex.ports.clock import Clock
from kokex.ports.store import Store

log = structlog.get_logger(__name__)

BATCH = 2000
"""Most events in one transaction."""
QUEUE = 20_000
"""Events that wait for the journal, or reports for a reconciliation, before further reports are not taken."""

_Result = TypeVar("_Result")


class AccountEventSink(Protocol):
    """Who is told of journalled account events."""

    def on_account_events(self, plan_id: int, events: Sequence[AccountEventRecord]) -> None:
        """Take note, without waiting; `events` are in the journal's order."""
        ...


@dataclass(slots=True)
class _Account:
    """One account at work: its book, and instruments of the plans that listen, by plan number.

    Attributes:
        held: reports that wait for the reconciliation to end; None when it has.
        missed: a report found no room since the account was held.
    """

    book: AccountBook
    plans: dict[int, Instrument] = field(default_factory=dict)
    held: list[tuple[AccountReport, datetime]] | None = field(default_factory=list)
    missed: bool = False


class AccountEventService:
    """Keeps the book of each account, journals what changes in it, and tells the plans. One per process."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._accounts: dict[int, _Account] = {}
        self._opening = asyncio.Lock()
        self._queue: deque[AccountEntry] = deque()
        self._arrived = asyncio.Event()
        self._progress = asyncio.Condition()
        self._put_in = 0
        self._written = 0
        self._sink: AccountEventSink | None = None

    async def run(self, sink: AccountEventSink) -> None:
        """Write and tell, until cancelled."""
        self._sink = sink
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._queue:
                batch = [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]
                await self._journal(batch)
                self._written += len(batch)
                async with self._progress:
                    self._progress.notify_all()

    async def subscribe(self, plan_id: int, account: ExchangeAccount, instrument: Instrument) -> None:
        """Have a plan hear of its instrument and its currencies on the account. Raises `StoreUnavailableError`."""
        async with self._opening:
            if account.id not in self._accounts:
                self._accounts[account.id] = _Account(await self._store.account_journal.book(account.id))
        self._accounts[account.id].plans[plan_id] = instrument

    def unsubscribe(self, plan_id: int, account: ExchangeAccount) -> None:
        """Have it hear no longer; the book is closed with its last plan."""
        opened = self._accounts.get(account.id)
        if opened is None:
            return
        opened.plans.pop(plan_id, None)
        if not opened.plans:
            del self._accounts[account.id]

    def book(self, account_id: int) -> AccountBook | None:
        """The newest that is known of an account at work here; read it, do not change it."""
        opened = self._accounts.get(account_id)
        return opened.book if opened else None

    def take(self, account: ExchangeAccount, reports: Sequence[AccountReport], received_at: datetime) -> bool:
        """A frame's reports. False: no room for all of them, the account must be reconciled."""
        opened = self._accounts.get(account.id)
        if opened is None:
            return True
        if opened.held is not None:
            room = max(QUEUE - len(opened.held), 0)
            opened.held.extend((report, received_at) for report in reports[:room])
            opened.missed |= len(reports) > room
            return len(reports) <= room
        if len(self._queue) >= QUEUE:
            return False
        self._put(self._entries(account.id, opened, reports, EventSource.STREAM, received_at))
        return True

    def hold(self, account: ExchangeAccount) -> None:
        """Keep back what the stream reports until `release`: the account is about to be reconciled."""
        opened = self._accounts.get(account.id)
        if opened is not None and opened.held is None:
            opened.held = []
            opened.missed = False

    def release(self, account: ExchangeAccount) -> bool:
        """The account is reconciled: let through what was reported meanwhile.

        Returns:
            False where some of it was left out: it had found no room, or the reconciliation says another amount for the same
                moment, and it cannot be told which was later. Reconcile again.
        """
        opened = self._accounts.get(account.id)
        if opened is None or opened.held is None:
            return True
        held, opened.held = opened.held, None
        for report, received_at in held:
            past = _as_news(report)
            if opened.book.disputes(past):
                opened.missed = True
                continue
            self._put(self._entries(account.id, opened, [past], EventSource.STREAM, received_at))
        return not opened.missed

    async def reconcile(
        self,
        account: ExchangeAccount,
        reports: Sequence[AccountReport],
        *,
        taken_at: datetime | None = None,
    ) -> int:
        """Compare what was read over REST with the book, and return when every difference is journalled and told.

        Args:
            reports: positions, balances and stops as the exchange states them now; stops that ended meanwhile as they ended.
            taken_at: given, `reports` is the full picture of positions and balances: what is not in it is gone. The
                exchange's time when the reading began; what the stream told for a later moment stays.

        Returns:
            How many events the differences are. The first picture of an account is taken over without any.
        """
        opened = self._accounts.get(account.id)
        if opened is None:
            return 0
        if opened.held is not None:
            await self._all_written()
            opened.book = await self._patiently(lambda: self._store.account_journal.book(account.id))
        picture = [_as_snapshot(report) for report in reports]
        if taken_at is not None:
            picture += opened.book.absent(reports, taken_at)
        now = self._clock.now()
        entries = self._entries(account.id, opened, picture, EventSource.RECONCILE, now)
        if not opened.book.complete:
            opened.book.complete = True
            known = opened.book.known
            await self._patiently(lambda: self._store.account_journal.adopt(account.id, known, now))
        self._put(entries)
        await self._all_written()
        return len(entries)

    def _entries(
        self,
        account_id: int,
        opened: _Account,
        reports: Iterable[AccountReport],
        source: EventSource,
        received_at: datetime,
    ) -> list[AccountEntry]:
        entries = []
        for report in reports:
            event = opened.book.apply(report)
            if event is not None:
                plans = tuple(
                    number for number, instrument in opened.plans.items() if event.concerns(instrument)
                )
                known = opened.book.of(report)
                entries.append(AccountEntry(account_id, event, known, plans, source, received_at))
        return entries

    def _put(self, entries: Sequence[AccountEntry]) -> None:
        if entries:
            self._queue.extend(entries)
            self._put_in += len(entries)
            self._arrived.set()

    async def _all_written(self) -> None:
        """Return when what was put so far is committed and told."""
        target = self._put_in
        async with self._progress:
            await self._progress.wait_for(lambda: self._written >= target)

    async def _journal(self, batch: Sequence[AccountEntry]) -> None:
        numbers = await self._patiently(lambda: self._store.account_journal.append(batch))
        told: dict[int, list[AccountEventRecord]] = {}
        for number, entry in zip(numbers, batch, strict=True):
            if number is not None:
                record = AccountEventRecord(
                    number, entry.account_id, entry.event, entry.source, entry.received_at
                )
                for plan_id in entry.plan_ids:
                    told.setdefault(plan_id, []).append(record)
        if self._sink is not None:
            for plan_id, events in told.items():
                self._sink.on_account_events(plan_id, events)

    async def _patiently(self, ask: Callable[[], Awaitable[_Result]]) -> _Result:
        delay = 0.05
        while True:
            try:
                return await ask()
            except StoreUnavailableError as error:
                log.warning(
                    "account events wait for the database", waiting=len(self._queue), reason=str(error)
                )
                await self._clock.sleep(delay)
                delay = min(delay * 2, 2.0)


def _as_snapshot(report: AccountReport) -> AccountReport:
    """What was asked for is a picture, not news."""
    if isinstance(report, PositionReport | BalanceReport | StopReport):
        return replace(report, snapshot=True)
    return report


def _as_news(report: AccountReport) -> AccountReport:
    """A picture that had to wait is one of the past: it must not bring back what a newer one lacked."""
    if isinstance(report, PositionReport | BalanceReport):
        return replace(report, snapshot=False)
    return report
