"""Free cash may be told too low for a moment, never too high."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from kokex.domain.account import AccountSnapshot, Balance
from kokex.services.accounts import AccountSession
from tests.builders import START
from tests.fakes.clock import ManualClock
from tests.fakes.exchange import CREDENTIALS, account


class Bank:
    """Tells balances; freezes what it was told of."""

    def __init__(self) -> None:
        self.frozen = Decimal(0)
        self.asked = 0

    async def account(self) -> AccountSnapshot:
        self.asked += 1
        free = Decimal(1000) - self.frozen
        return AccountSnapshot({"USDT": Balance("USDT", Decimal(1000), free, self.frozen)}, {}, START)


def session(bank: Any, clock: ManualClock) -> AccountSession:
    return AccountSession(account(), CREDENTIALS, bank, clock)


async def test_cash_is_unknown_before_the_exchange_told_it() -> None:
    """None, not zero."""
    assert session(Bank(), ManualClock()).free_cash("USDT") is None


async def test_an_order_on_its_way_is_taken_off_however_often_balances_are_asked() -> None:
    """The exchange may not have seen it when it answered."""
    clock, bank = ManualClock(), Bank()
    here = session(bank, clock)
    await here.refresh()
    here.spend("a", Decimal(300))
    await clock.advance(1)
    await here.refresh()
    assert here.free_cash("USDT") == 700


async def test_once_its_outcome_is_known_the_next_answer_counts_it() -> None:
    """Taken off twice for a moment, then once."""
    clock, bank = ManualClock(), Bank()
    here = session(bank, clock)
    await here.refresh()
    here.spend("a", Decimal(300))
    bank.frozen = Decimal(300)
    await clock.advance(1)
    await here.refresh()
    assert here.free_cash("USDT") == 400
    here.outcome_known("a")
    await clock.advance(1)
    await here.refresh()
    assert here.free_cash("USDT") == 700


async def test_a_young_answer_is_not_asked_for_again() -> None:
    """The exchange limits how often balances are told."""
    clock, bank = ManualClock(), Bank()
    here = session(bank, clock)
    await here.refresh(older_than=1)
    await clock.advance(0.5)
    await here.refresh(older_than=1)
    assert bank.asked == 1
    await clock.advance(0.6)
    await here.refresh(older_than=1)
    assert bank.asked == 2
