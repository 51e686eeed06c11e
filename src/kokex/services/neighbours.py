"""The account around a plan: what it is worth, what its other plans hold, order and have set apart."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from kokex.domain.account import Balance
from kokex.domain.instrument import InstrumentKind
from kokex.domain.plan import Plan, PlanStatus
from kokex.domain.risk.state import Neighbours
from kokex.services.accounts import AccountSession
from kokex.services.ledger import Ledgers, PlanLedger
from kokex.services.market_data import MarketDataService

EQUITY_SECONDS: Final = 60.0
"""Balances older than this say nothing of an account's equity."""
_AT_WORK = (PlanStatus.RUNNING, PlanStatus.PAUSED)


class Neighbourhood:
    """Knows the plans of every account at work, also those that rest: what they hold is the account's risk too."""

    def __init__(self, ledgers: Ledgers, market_data: MarketDataService) -> None:
        self._ledgers = ledgers
        self._market_data = market_data
        self._plans: dict[int, Plan] = {}

    def know(self, plan: Plan) -> None:
        """The plan as its user wants it now."""
        self._plans[plan.id] = plan

    def forget(self, account_id: int) -> None:
        """No plan of the account is at work here any more."""
        self._plans = {number: plan for number, plan in self._plans.items() if plan.account_id != account_id}

    def of_account(self, account_id: int) -> list[int]:
        """Numbers of the account's plans."""
        return [plan.id for plan in self._plans.values() if plan.account_id == account_id]

    def alone(self, plan: Plan) -> bool:
        """Whether no other plan of the account trades the instrument: the account's position is the plan's."""
        return not any(other.inst_id == plan.inst_id for other, _ in self._others(plan))

    def around(self, session: AccountSession, plan: Plan) -> Neighbours:
        """What the gate is to know of the account beside `plan`, in its quote currency."""
        ledger = self._ledgers.of(plan.id)
        quote = ledger.book.instrument.quote_currency
        others = list(self._others(plan))
        return Neighbours(
            equity=self._equity(session, quote) if plan.limits.of_account else None,
            exposure=self._exposure(session, others, quote),
            resting=tuple(
                order
                for _, other in others
                for order in other.pending.values()
                if order.inst_id == plan.inst_id
            ),
            shared=any(other.inst_id == plan.inst_id for other, _ in others),
            reserved=sum(
                (
                    _unused(other, known)
                    for other, known in others
                    if known.book.instrument.quote_currency == quote
                ),
                Decimal(0),
            ),
        )

    def _others(self, plan: Plan) -> Iterable[tuple[Plan, PlanLedger]]:
        for other in self._plans.values():
            ledger = self._ledgers.known(other.id)
            if other.account_id == plan.account_id and other.id != plan.id and ledger is not None:
                yield other, ledger

    def _exposure(
        self, session: AccountSession, others: Iterable[tuple[Plan, PlanLedger]], quote: str
    ) -> Decimal | None:
        total = Decimal(0)
        for other, ledger in others:
            furthest = ledger.furthest
            if not furthest:
                continue
            price = self._price(session, other, ledger)
            rate = self._rate(session, ledger.book.instrument.quote_currency, quote)
            if price is None or rate is None:
                return None
            total += ledger.book.instrument.notional(furthest, price) * rate
        return total

    def _price(self, session: AccountSession, plan: Plan, ledger: PlanLedger) -> Decimal | None:
        """The last price, else what was paid or is offered: a plan that rests watches no market."""
        ticker = self._market_data.fresh_ticker(session.account, plan.inst_id)
        if ticker is not None:
            return ticker.last
        offered = [order.keenest_price for order in ledger.pending.values()]
        paid = ledger.results.average_price
        known = [price for price in (*offered, paid) if price is not None]
        return max(known, default=None)

    def _equity(self, session: AccountSession, quote: str) -> Decimal | None:
        """Worth of all balances. A coin whose price nobody watches counts nothing: equity is never put too high."""
        if session.snapshot is None or session.snapshot_age > EQUITY_SECONDS:
            return None
        total = Decimal(0)
        for balance in session.snapshot.balances.values():
            amount = _amount(balance)
            rate = self._rate(session, balance.currency, quote)
            if rate is not None:
                total += amount * rate
            elif amount < 0:
                return None
        return total

    def _rate(self, session: AccountSession, currency: str, quote: str) -> Decimal | None:
        """What one unit of `currency` is worth in `quote`; None where no market at work says so."""
        if currency == quote:
            return Decimal(1)
        for name in (f"{currency}-{quote}", f"{currency}-{quote}-SWAP"):
            ticker = self._market_data.fresh_ticker(session.account, name)
            if ticker is not None:
                return ticker.last
        ticker = self._market_data.fresh_ticker(session.account, f"{quote}-{currency}")
        return None if ticker is None else 1 / ticker.last


def _amount(balance: Balance) -> Decimal:
    """With unrealised profit or loss of swaps, where the exchange tells it."""
    return balance.total if balance.equity is None else balance.equity


def _unused(plan: Plan, ledger: PlanLedger) -> Decimal:
    """What is left of the plan's own capital in quote currency; orders that rest at the exchange hold theirs there."""
    capital = plan.limits.capital
    if capital is None or plan.status not in _AT_WORK:
        return Decimal(0)
    if ledger.book.instrument.kind is InstrumentKind.SWAP:
        return max(capital + ledger.results.realised, Decimal(0))
    return max(capital + ledger.book.cash - ledger.committed_cash(), Decimal(0))
