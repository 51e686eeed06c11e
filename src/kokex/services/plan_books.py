"""The ledgers of plans that come to work and go: read from the record under the journal's lock, so that none misses an event."""

from __future__ import annotations

from kokex.domain.instrument import Instrument
from kokex.domain.plan import Plan
from kokex.ports.clock import Clock
from kokex.ports.store import Store
from kokex.services.accounts import AccountSession, market_of
from kokex.services.ledger import PlanLedger
from kokex.services.order_pace import REMEMBERED
from kokex.services.plan_services import Services


class PlanBooks:
    """Opens and closes ledgers, of plans at work and of those that rest beside them on their accounts."""

    def __init__(self, store: Store, clock: Clock, services: Services) -> None:
        self._store = store
        self._clock = clock
        self._services = services

    async def open(self, plan: Plan, session: AccountSession, instrument: Instrument) -> PlanLedger:
        """The plan's ledger from what is kept, and those of the plans that rest on its account."""
        services, store = self._services, self._store
        since = self._clock.now() - REMEMBERED
        async with services.order_events.journal_lock:
            ledger = services.ledgers.open(
                plan.id,
                instrument,
                await store.journal.fills(plan.id),
                await store.orders.pending(plan_id=plan.id),
                await store.orders.let_through_since(plan.id, since),
            )
            ledger.set_funding(await store.funding.total(plan.id))
            await self._open_neighbours(plan, session)
        for order in ledger.pending.values():
            if order.status.in_flight or order.status.waiting:
                services.trading.count_cash(session, plan, order)
        services.neighbourhood.know(plan)
        return ledger

    async def _open_neighbours(self, plan: Plan, session: AccountSession) -> None:
        services, store = self._services, self._store
        for other in await store.plans.list():
            if other.account_id != plan.account_id or other.id == plan.id:
                continue
            services.neighbourhood.know(other)
            instrument = await store.instruments.get(market_of(session.account), other.inst_id)
            if services.ledgers.known(other.id) is None and instrument is not None:
                fills = await store.journal.fills(other.id)
                pending = await store.orders.pending(plan_id=other.id)
                services.ledgers.open_resting(other.id, instrument, fills, pending)

    def close(self, plan: Plan, *, account_at_work: bool) -> None:
        """The plan is at work no longer; with the last of its account everything about the account is forgotten."""
        if account_at_work:
            self._services.ledgers.rest(plan.id)
            return
        self._services.ledgers.drop(plan.id)
        self.forget(plan.account_id)

    def forget(self, account_id: int) -> None:
        """Nobody hears any more what happens on the account: its ledgers are of the past."""
        for number in self._services.neighbourhood.of_account(account_id):
            self._services.ledgers.drop(number)
        self._services.neighbourhood.forget(account_id)
