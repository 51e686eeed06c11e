"""Funding of swaps, read from the account's ledger and put into the books of the plans that it belongs to."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import structlog

from kokex.domain.errors import ExchangeError
from kokex.domain.funding import FundingPayment, Holders, share_out
from kokex.ports.reconciliation import Coverage
from kokex.ports.store import Store
from kokex.services.accounts import AccountSession
from kokex.services.ledger import Ledgers

log = structlog.get_logger(__name__)

OVERLAP = timedelta(minutes=1)
"""How far before the last entry on record the list is read again (exchange's time)."""


class Funding:
    """Follows the funding payments of accounts."""

    def __init__(self, store: Store, ledgers: Ledgers) -> None:
        self._store = store
        self._ledgers = ledgers

    async def read(self, session: AccountSession, coverages: Iterable[Coverage]) -> None:
        """Take up what was paid for each swap, as far as its fills are on record. A ledger that cannot be read now waits for the next look.

        Raises:
            StoreUnavailableError: the database is away.
        """
        touched: set[int] = set()
        for coverage in coverages:
            if not coverage.inst_id.endswith("-SWAP"):
                continue
            try:
                touched |= await self._instrument(session, coverage)
            except ExchangeError as error:
                log.warning("funding not read yet", account=session.account.name, reason=str(error))
        for plan_id in touched:
            ledger = self._ledgers.known(plan_id)
            if ledger is not None:
                ledger.set_funding(await self._store.funding.total(plan_id))

    async def _instrument(self, session: AccountSession, coverage: Coverage) -> set[int]:
        account_id, inst_id, store = session.account.id, coverage.inst_id, self._store.funding
        newest = await store.newest(account_id, inst_id)
        since = await store.first_fill_at(account_id, inst_id)
        if since is None:
            return set()
        if newest is not None:
            since = max(since, newest.occurred_at - OVERLAP)
        touched: set[int] = set()
        for payment in await session.exchange.funding_payments(inst_id, since):
            if payment.occurred_at > coverage.read_to:
                break  # fills of that moment may be missing still: the next look takes it up
            shares = share_out(payment, await self._holders(account_id, payment))
            await store.keep(account_id, payment, shares)
            touched |= shares.keys()
        return touched

    async def _holders(self, account_id: int, payment: FundingPayment) -> Holders:
        """Who held it then. Executions of that very millisecond count where the entry's own position says so."""
        store = self._store.funding
        before = await store.holders(account_id, payment.inst_id, payment.occurred_at, with_it=False)
        if payment.position is None or abs(before.net) == payment.position:
            return before
        after = await store.holders(account_id, payment.inst_id, payment.occurred_at, with_it=True)
        if abs(after.net) == payment.position:
            return after
        log.warning(
            "funding of another position than the record's",
            account=account_id,
            inst_id=payment.inst_id,
            bill=payment.bill_id,
            position=str(payment.position),
            known=str(before.net),
        )
        return before
