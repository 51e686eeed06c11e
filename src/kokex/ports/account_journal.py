"""The journal of account events. `StoreUnavailableError` where the database cannot be reached."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from kokex.domain.account_book import AccountBook, Known
from kokex.domain.account_events import AccountEvent, AccountEventKind, AccountEventRecord
from kokex.domain.events import EventSource


@dataclass(frozen=True, slots=True)
class AccountEntry:
    """One account event on its way into the journal.

    Attributes:
        known: what is known once it is there; None where nothing is kept of it (fills, warnings, stops that ended).
        plan_ids: plans that are to hear of it.
    """

    account_id: int
    event: AccountEvent
    known: Known | None
    plan_ids: tuple[int, ...]
    source: EventSource
    received_at: datetime


class AccountJournalStore(Protocol):
    """`account_event_logs`, and the book of each account as it was last journalled. One writer per account."""

    async def append(self, entries: Sequence[AccountEntry]) -> list[int | None]:
        """Journal `entries` and bring the books up to date, in one transaction.

        Returns:
            The journal's number of each entry, in order; None where that event was already there. Numbers rise in commit
            order within an account.
        """
        ...

    async def adopt(self, account_id: int, known: Sequence[Known], at: datetime) -> None:
        """Keep the first full picture of an account: no events, but from here on what is absent is known to be."""
        ...

    async def book(self, account_id: int) -> AccountBook:
        """As last journalled; empty and not complete for an account that was never seen."""
        ...

    async def events_after(
        self,
        account_id: int,
        after: int,
        *,
        plan_id: int | None = None,
        kinds: Collection[AccountEventKind] | None = None,
        limit: int = 1000,
    ) -> list[AccountEventRecord]:
        """Events of the account numbered above `after`, in order: all, or those that `plan_id` was to hear of, or of `kinds`."""
        ...

    async def latest(self, account_id: int, *, limit: int) -> list[AccountEventRecord]:
        """The newest events of the account, oldest of them first."""
        ...
