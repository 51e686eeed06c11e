"""A journal in memory that keeps each event once, and can be made to fail or to wait."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from kokex.domain.account_book import AccountBook, Known
from kokex.domain.errors import StoreUnavailableError
from kokex.domain.order import Fill
from kokex.ports.account_journal import AccountEntry
from kokex.ports.store import JournalEntry, SubscriptionStatus


class MemoryJournal:
    """`append` as the port says it. `gate` cleared holds commits back; `failures` counts those that still fail."""

    def __init__(self) -> None:
        self.entries: list[JournalEntry] = []
        self.batches: list[int] = []
        self.readings = 0
        self.failures = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self._keys: set[tuple[Any, ...]] = set()

    async def append(self, entries: Sequence[JournalEntry]) -> list[int | None]:
        await self.gate.wait()
        if self.failures:
            self.failures -= 1
            raise StoreUnavailableError("the database went away")
        self.batches.append(len(entries))
        numbers: list[int | None] = []
        for entry in entries:
            event = entry.classified
            key = (entry.plan_id, event.update.order_id, event.event_type, event.event_key)
            if key in self._keys:
                numbers.append(None)
                continue
            self._keys.add(key)
            self.entries.append(entry)
            numbers.append(len(self.entries))
        return numbers

    async def fills(self, plan_id: int) -> list[Fill]:
        """Each execution once, as the table of fills has them."""
        self.readings += 1
        found = {
            (
                entry.classified.update.order_id,
                entry.classified.update.fill.trade_id,
            ): entry.classified.update.fill
            for entry in self.entries
            if entry.plan_id == plan_id and not entry.external and entry.classified.update.fill is not None
        }
        return list(found.values())


class MemoryAccountJournal:
    """`AccountJournalStore` in memory: keeps each event once, and the book as `append` and `adopt` say it."""

    def __init__(self) -> None:
        self.entries: list[AccountEntry] = []
        self.batches: list[int] = []
        self.adopted: dict[int, list[Known]] = {}
        self.failures = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self._keys: set[tuple[Any, ...]] = set()

    async def append(self, entries: Sequence[AccountEntry]) -> list[int | None]:
        await self._pass()
        self.batches.append(len(entries))
        numbers: list[int | None] = []
        for entry in entries:
            key = (entry.account_id, entry.event.kind, entry.event.event_key)
            new = key not in self._keys
            self._keys.add(key)
            if new:
                self.entries.append(entry)
            numbers.append(len(self.entries) if new else None)
        return numbers

    async def adopt(self, account_id: int, known: Sequence[Known], at: datetime) -> None:
        await self._pass()
        self.adopted[account_id] = list(known)

    async def book(self, account_id: int) -> AccountBook:
        await self._pass()
        known = {entry.subject: entry for entry in self.adopted.get(account_id, [])}
        for entry in self.entries:
            if entry.account_id == account_id and entry.known is not None:
                known[entry.known.subject] = entry.known
        return AccountBook(known.values(), complete=account_id in self.adopted)

    async def _pass(self) -> None:
        await self.gate.wait()
        if self.failures:
            self.failures -= 1
            raise StoreUnavailableError("the database went away")


class MemorySubscriptions:
    """The latest status of each plan."""

    def __init__(self) -> None:
        self.statuses: dict[int, SubscriptionStatus] = {}

    async def save(self, statuses: Sequence[SubscriptionStatus], at: datetime) -> None:
        self.statuses.update({status.plan_id: status for status in statuses})


def memory_store() -> Any:
    """As much of a `Store` as order events need."""
    return SimpleNamespace(
        journal=MemoryJournal(), account_journal=MemoryAccountJournal(), subscriptions=MemorySubscriptions()
    )
