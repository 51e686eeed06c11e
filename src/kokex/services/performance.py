"""What each plan's trading came to: its results, how its worth moved, which of its stops were triggered.

Results follow from the fills, so they are the same after a restart; how the worth moved between two fills is marked at the last
price, every `MARK_SECONDS` and at each closed candle, and kept. All times are the exchange's.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Final

import structlog

from kokex.domain.account import ExchangeAccount
from kokex.domain.account_events import AccountEventKind, AccountEventRecord
from kokex.domain.account_reports import StopReport
from kokex.domain.errors import StoreUnavailableError
from kokex.domain.ids import order_origin
from kokex.domain.plan import Plan
from kokex.domain.results import Worth
from kokex.domain.risk.state import Performance
from kokex.ports.clock import Clock
from kokex.ports.store import Store
from kokex.services.ledger import Ledgers
from kokex.services.market_data import MarketDataService

log = structlog.get_logger(__name__)

MARK_SECONDS: Final = 2.0
_STOPS_KEPT: Final = 200
_PAGE: Final = 1000


@dataclass(slots=True)
class _Record:
    """One plan at work; `saved` is what the database has."""

    plan: Plan
    account: ExchangeAccount
    worth: Worth | None
    saved: Worth | None
    stops: deque[datetime] = field(default_factory=lambda: deque(maxlen=_STOPS_KEPT))
    last_stop: int = 0


class PerformanceService:
    """Keeps the performance of the plans at work."""

    def __init__(self, store: Store, clock: Clock, ledgers: Ledgers, market_data: MarketDataService) -> None:
        self._store = store
        self._clock = clock
        self._ledgers = ledgers
        self._market_data = market_data
        self._records: dict[int, _Record] = {}

    async def run(self) -> None:
        """Mark and keep until cancelled."""
        while True:
            await self._clock.sleep(MARK_SECONDS)
            for plan_id in list(self._records):
                self.mark(plan_id)
                await asyncio.sleep(0)  # events between: two hundred marks at once take milliseconds
            await self._save(self._records.values())

    async def open(self, plan: Plan, account: ExchangeAccount) -> None:
        """Take up what is kept of a plan; its ledger must be open."""
        worth = await self._store.risk.worth(plan.id)
        record = _Record(plan, account, worth, worth)
        trailing = await self._store.trails.hits(plan.id, limit=_STOPS_KEPT)
        self._records[plan.id] = record
        after = 0
        while True:
            page = await self._store.account_journal.events_after(
                plan.account_id,
                after,
                plan_id=plan.id,
                kinds=[AccountEventKind.STOP_TRIGGERED],
                limit=_PAGE,
            )
            _take_stops(record, page)
            if len(page) < _PAGE:
                break
            after = page[-1].id
        together = sorted([*record.stops, *trailing])
        record.stops.clear()
        record.stops.extend(together)

    async def close(self, plan_id: int) -> None:
        """The plan is at work no longer."""
        record = self._records.get(plan_id)
        if record is not None:
            self.mark(plan_id)
            await self._save([record])
            self._records.pop(plan_id, None)

    def hear_account_events(self, plan_id: int, events: Iterable[AccountEventRecord]) -> None:
        """The journal has new events of a plan's account."""
        record = self._records.get(plan_id)
        if record is not None:
            _take_stops(record, events)

    def hear_stop(self, plan_id: int, hit_at: datetime) -> None:
        """The plan's trailing stop was hit: it counts like one that the exchange triggered."""
        record = self._records.get(plan_id)
        if record is not None:
            record.stops.append(hit_at)

    def mark(self, plan_id: int) -> None:
        """The plan's worth at the last price, where a fresh one is known."""
        record, ledger = self._records.get(plan_id), self._ledgers.get(plan_id)
        if record is None or ledger is None:
            return
        ticker = self._market_data.fresh_ticker(record.account, record.plan.inst_id)
        if ticker is None:
            return
        pnl = ledger.book.pnl(ticker.last)
        if record.worth is None:
            record.worth = Worth(ticker.occurred_at, pnl, day_start=pnl, peak=max(pnl, Decimal(0)))
        else:
            record.worth = record.worth.mark(pnl, ticker.occurred_at)

    def of(self, plan_id: int) -> Performance | None:
        """What the gate is to judge the plan by; None where the plan is not at work or no price was ever known."""
        record, ledger = self._records.get(plan_id), self._ledgers.get(plan_id)
        if record is None or ledger is None:
            return None
        if record.worth is None:
            self.mark(plan_id)
        if record.worth is None:
            return None
        ticker = self._market_data.fresh_ticker(record.account, record.plan.inst_id)
        results = ledger.results
        losses = results.losing_streak()
        return Performance(
            worth=record.worth,
            pnl=None if ticker is None else ledger.book.pnl(ticker.last),
            losing_streak=losses,
            last_loss_at=results.results[-1].closed_at if losses else None,
            stops=tuple(record.stops),
            at=record.worth.marked_at if ticker is None else ticker.occurred_at,
        )

    async def _save(self, records: Iterable[_Record]) -> None:
        changed = {
            one.plan.id: one.worth for one in records if one.worth is not None and one.worth != one.saved
        }
        if not changed:
            return
        try:
            await self._store.risk.save_worths(changed)
        except StoreUnavailableError as error:
            log.warning("worths not kept yet", plans=len(changed), reason=str(error))
            return
        for plan_id, worth in changed.items():
            if plan_id in self._records:
                self._records[plan_id].saved = worth


def _take_stops(record: _Record, events: Iterable[AccountEventRecord]) -> None:
    """Stops in the plan's instrument; one that another plan placed is that plan's."""
    for event in events:
        report = event.event.report
        if event.event.kind is not AccountEventKind.STOP_TRIGGERED or event.id <= record.last_stop:
            continue
        if not isinstance(report, StopReport) or report.inst_id != record.plan.inst_id:
            continue
        record.last_stop = event.id
        origin = order_origin(report.client_stop_id)
        if origin is None or origin.plan_id == record.plan.id:
            record.stops.append(report.occurred_at)
