"""What the services keep. Every method is one transaction; `StoreUnavailableError` where the database cannot be reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from kokex.domain.amendment import Amendment, AmendmentStatus
from kokex.domain.events import ClassifiedUpdate, EventSource, OrderEvent
from kokex.domain.forecast import Forecast
from kokex.domain.grant import Grant
from kokex.domain.instrument import Instrument
from kokex.domain.order import Fill, Order, OrderStatus
from kokex.domain.quick_init import quick_init
from kokex.ports.account_journal import AccountJournalStore
from kokex.ports.accounts import AccountStore
from kokex.ports.approvals import ApprovalStore
from kokex.ports.candles import CandleStore
from kokex.ports.funding import FundingStore
from kokex.ports.messages import MessageStore
from kokex.ports.models import ModelStore
from kokex.ports.notices import AlertStore, NoteStore, NoticeStore
from kokex.ports.ownership import AccountLocks, AccountOwners
from kokex.ports.parent_orders import ParentOrderStore
from kokex.ports.plans import PlanStore
from kokex.ports.reconciliation import ReconciliationStore
from kokex.ports.risk import RiskStore
from kokex.ports.spending import SpendingStore
from kokex.ports.subscriptions import SubscriptionStatus, SubscriptionStore
from kokex.ports.trails import TrailStore
from kokex.ports.turns import TurnNotes, TurnRecord, TurnStore, TurnTally
from kokex.ports.work import WorkStore

__all__ = [
    "ForecastStore",
    "InstrumentStore",
    "JournalEntry",
    "JournalStore",
    "OrderStore",
    "Store",
    "SubscriptionStatus",
    "SubscriptionStore",
    "TurnNotes",
    "TurnRecord",
    "TurnStore",
    "TurnTally",
]


@quick_init
@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One order event on its way into the journal."""

    plan_id: int
    account_id: int
    classified: ClassifiedUpdate
    source: EventSource
    external: bool
    received_at: datetime


class JournalStore(Protocol):
    """`order_event_logs` and what follows from it."""

    async def append(self, entries: Sequence[JournalEntry]) -> list[int | None]:
        """Journal `entries`, and bring orders and fills up to date, in one transaction.

        Returns:
            The journal's number of each entry, in order; None where that event was already there. Numbers rise in commit
            order within a plan (one writer per account).
        """
        ...

    async def events_after(self, plan_id: int, after: int, *, limit: int = 1000) -> list[OrderEvent]:
        """Events of the plan numbered above `after`, in order."""
        ...

    async def last_occurred_at(self, account_id: int, inst_id: str) -> datetime | None:
        """Exchange's time of the newest journalled event of the account in `inst_id`; None where there is none."""
        ...

    async def fills(self, plan_id: int) -> list[Fill]:
        """All fills of the plan's own orders, oldest first."""
        ...

    async def latest_fills(self, plan_id: int, *, limit: int) -> list[Fill]:
        """The latest fills of the plan's own orders, newest first."""
        ...

    async def fills_of(self, account_id: int, inst_id: str, order_ids: Sequence[str]) -> list[Fill]:
        """Fills of orders by the exchange's ids, whoever made them, oldest first."""
        ...

    async def count(self, plan_id: int) -> int:
        """Number of journalled events of the plan that the exchange made (not those of source `command`)."""
        ...


class OrderStore(Protocol):
    """Orders of plans."""

    async def add(self, order: Order, *, grant_left: Grant | None = None) -> bool:
        """Keep a new order (intended, or denied). False where its client order id is already there: nothing changed.

        Args:
            grant_left: of the turn that asks for it, once this order is taken off.
        """
        ...

    async def grant_left(self, plan_id: int, decision_id: int) -> Grant | None:
        """What the turn's latest order, or change of one, that spent of its grant left over; None where none did."""
        ...

    async def amend(
        self, account_id: int, client_order_id: str, change: Amendment, *, grant_left: Grant | None = None
    ) -> bool:
        """Keep a change that is about to be sent. False where the order is closed or has another of that `request_id`."""
        ...

    async def decide(
        self,
        account_id: int,
        client_order_id: str,
        request_id: str,
        status: AmendmentStatus,
        reason: str | None = None,
        *,
        applied: bool = False,
    ) -> bool:
        """Record what is known of a change that is undecided; where it was seen `applied`, on the order too.

        False where it was decided before: nothing changed.
        """
        ...

    async def settle(
        self,
        account_id: int,
        client_order_id: str,
        status: OrderStatus,
        *,
        at: datetime,
        order_id: str | None = None,
        reason: str | None = None,
    ) -> bool:
        """Record a command's outcome on an order that is still in flight. False where it no longer is: nothing changed.

        `order_id` is filled in wherever it was missing, whatever the status.
        """
        ...

    async def get(self, account_id: int, client_order_id: str) -> Order | None:
        """One order by our own name for it."""
        ...

    async def pending(self, *, account_id: int | None = None, plan_id: int | None = None) -> list[Order]:
        """Orders open, in flight, unknown or waiting for approval, oldest first."""
        ...

    async def recent(self, plan_id: int, *, limit: int) -> list[Order]:
        """The plan's latest orders, newest first."""
        ...

    async def of_decision(self, plan_id: int, decision_id: int) -> list[Order]:
        """Orders that one turn of the plan asked for, denied ones too, in the order of asking."""
        ...

    async def let_through_since(self, plan_id: int, since: datetime) -> list[Order]:
        """The plan's orders made or changed at or after `since` that the gate did not deny, oldest first."""
        ...

    async def count_since(self, plan_id: int, since: datetime) -> int:
        """Orders that the gate let through since `since`."""
        ...


class InstrumentStore(Protocol):
    """Instruments as last read from the exchange, by market."""

    async def upsert(self, market: str, instruments: Sequence[Instrument]) -> None:
        """Keep them, replacing older rows."""
        ...

    async def get(self, market: str, inst_id: str) -> Instrument | None:
        """One, or None."""
        ...


class ForecastStore(Protocol):
    """Forecasts, with all their paths."""

    async def add(self, plan_id: int, forecast: Forecast) -> int:
        """Keep one; its number. The same plan and origin time gives the number of the one already kept."""
        ...

    async def latest(self, plan_id: int) -> tuple[int, Forecast] | None:
        """The newest and its number, or None."""
        ...

    async def numbers(self, plan_id: int, *, limit: int) -> list[tuple[int, datetime]]:
        """Numbers and origin times of the plan's latest forecasts, newest origin first."""
        ...

    async def some(self, numbers: Sequence[int]) -> list[tuple[int, Forecast]]:
        """Forecasts by number, in no order; what does not exist is left out."""
        ...


class Store(Protocol):
    """All of it, on one database."""

    @property
    def journal(self) -> JournalStore: ...
    @property
    def account_journal(self) -> AccountJournalStore: ...
    @property
    def orders(self) -> OrderStore: ...
    @property
    def accounts(self) -> AccountStore: ...
    @property
    def plans(self) -> PlanStore: ...
    @property
    def candles(self) -> CandleStore: ...
    @property
    def instruments(self) -> InstrumentStore: ...
    @property
    def forecasts(self) -> ForecastStore: ...
    @property
    def turns(self) -> TurnStore: ...
    @property
    def messages(self) -> MessageStore: ...
    @property
    def subscriptions(self) -> SubscriptionStore: ...
    @property
    def models(self) -> ModelStore: ...
    @property
    def work(self) -> WorkStore: ...
    @property
    def owners(self) -> AccountOwners: ...
    @property
    def reconciliation(self) -> ReconciliationStore: ...
    @property
    def funding(self) -> FundingStore: ...
    @property
    def spending(self) -> SpendingStore: ...

    @property
    def risk(self) -> RiskStore: ...
    @property
    def trails(self) -> TrailStore: ...

    @property
    def parent_orders(self) -> ParentOrderStore: ...
    @property
    def approvals(self) -> ApprovalStore: ...
    @property
    def notices(self) -> NoticeStore: ...
    @property
    def alerts(self) -> AlertStore: ...
    @property
    def notes(self) -> NoteStore: ...

    def account_locks(self) -> AccountLocks:
        """Ownership of accounts for one engine, on a session of its own."""
        ...

    async def installation(self) -> str:
        """Four letters or digits, drawn once per database: part of every client order id."""
        ...

    async def close(self) -> None:
        """Release connections."""
        ...
