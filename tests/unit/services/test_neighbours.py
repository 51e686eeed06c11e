"""What the gate hears of the account around a plan."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from kokex.domain.account import AccountSnapshot, Balance, ExchangeAccount, Ticker
from kokex.domain.instrument import Side
from kokex.domain.limits import RiskLimits
from kokex.domain.order import OrderStatus
from kokex.domain.plan import PlanStatus
from kokex.domain.risk.state import Neighbours
from kokex.services.ledger import Ledgers
from kokex.services.neighbours import Neighbourhood
from tests.builders import ETH, ETH_SWAP, START, fill, order, plan
from tests.fakes.exchange import account

SHARE = RiskLimits(max_order_share=Decimal("0.5"))
BTC = replace(ETH, inst_id="BTC-USDT", base_currency="BTC")


class Prices:
    """As much of market data as is asked."""

    def __init__(self, **prices: int) -> None:
        self.prices = {name.replace("_", "-"): Decimal(price) for name, price in prices.items()}

    def fresh_ticker(self, account: ExchangeAccount, inst_id: str) -> Ticker | None:
        price = self.prices.get(inst_id)
        return None if price is None else Ticker(inst_id, price, None, None, START)


def _session(age: float = 0.0, **totals: str) -> Any:
    balances = {
        name: Balance(name, Decimal(text), Decimal(text), Decimal(0)) for name, text in totals.items()
    }
    snapshot = AccountSnapshot(balances, {}, START) if totals else None
    return SimpleNamespace(account=account(), snapshot=snapshot, snapshot_age=age)


class Street:
    """A plan of ETH-USDT, and the neighbours that a test moves in."""

    def __init__(self, **prices: int) -> None:
        self.ledgers = Ledgers()
        self.prices = Prices(**(prices or {"ETH_USDT": 2000}))
        self.neighbourhood = Neighbourhood(self.ledgers, self.prices)  # type: ignore[arg-type]
        self.plan = plan(limits=SHARE)
        self.add(self.plan)

    def add(self, other: Any, instrument: Any = ETH, fills: Any = (), pending: Any = ()) -> None:
        self.ledgers.open(other.id, instrument, fills, pending)
        self.neighbourhood.know(other)

    def around(self, session: Any = None) -> Neighbours:
        return self.neighbourhood.around(session or _session(USDT="100"), self.plan)


@pytest.mark.parametrize(
    ("totals", "equity"),
    [
        ({"USDT": "100"}, 100),
        ({"USDT": "100", "ETH": "0.5"}, 1100),
        ({"USDT": "100", "DOGE": "99"}, 100),
        ({"USDT": "100", "DOGE": "-99"}, None),
        ({}, None),
    ],
)
def test_equity(totals: dict[str, str], equity: int | None) -> None:
    """Coins at their last price; one without a price counts nothing, and a debt without one leaves it unknown."""
    assert Street().around(_session(**totals)).equity == equity


def test_equity_of_contracts_is_the_exchange_s_word() -> None:
    """With what open positions have won or lost."""
    session = _session(USDT="100")
    session.snapshot.balances["USDT"] = replace(session.snapshot.balances["USDT"], equity=Decimal(70))
    assert Street().around(session).equity == 70


def test_old_balances_tell_no_equity() -> None:
    """Better unknown than wrong."""
    assert Street().around(_session(age=61, USDT="100")).equity is None


def test_what_others_hold_and_may_come_to_hold() -> None:
    """Bought 0.04 (0.03996 after fees), 0.1 more may fill; a plan that rests counts as well, a plan of another account does not."""
    street = Street()
    street.add(plan(id=2), fills=[fill()], pending=[order(plan_id=2, status=OrderStatus.ACCEPTED)])
    assert street.around().exposure == Decimal("0.13996") * 2000
    street.add(plan(id=3, account_id=2), fills=[fill()])
    street.ledgers.rest(2)
    street.neighbourhood.know(plan(id=2, status=PlanStatus.STOPPED))
    assert street.around().exposure == Decimal("0.13996") * 2000


def test_a_holding_without_a_price_counts_at_what_was_paid() -> None:
    """And at what is offered, where that is more."""
    street = Street(DOGE_USDT=1)
    street.add(plan(id=2, inst_id="BTC-USDT"), BTC, fills=[fill(inst_id="BTC-USDT", fee=None)])
    assert street.around().exposure == 80
    pending = order(plan_id=2, price=None, order_type="market", status=OrderStatus.ACCEPTED)
    street.add(plan(id=3, inst_id="BTC-USDT"), BTC, pending=[pending])
    assert street.around().exposure is None


def test_another_quote_currency_is_converted_or_unknown() -> None:
    """Never added up as if it were the same."""
    street = Street(ETH_USDT=2000)
    foreign = replace(ETH, inst_id="ETH-EUR", quote_currency="EUR")
    street.add(plan(id=2, inst_id="ETH-EUR"), foreign, fills=[fill(inst_id="ETH-EUR", fee=None)])
    assert street.around().exposure is None
    street.prices.prices["EUR-USDT"] = Decimal("1.5")
    assert street.around().exposure == 120


def test_resting_orders_of_others_in_the_same_instrument() -> None:
    """What the plan's own orders could trade with."""
    street = Street()
    mine = order(plan_id=2, side=Side.SELL, status=OrderStatus.ACCEPTED)
    other = replace(mine, client_order_id="KXtestP3D1S0", plan_id=3, inst_id="BTC-USDT")
    street.add(plan(id=2), pending=[mine])
    street.add(plan(id=3, inst_id="BTC-USDT"), BTC, pending=[other])
    assert [one.client_order_id for one in street.around().resting] == [mine.client_order_id]


def test_capital_set_apart_and_not_used() -> None:
    """Less what it paid and what its orders hold at the exchange; a stopped plan has none, a perpetual's is whole."""
    street = Street()
    own = RiskLimits(capital=Decimal(1000))
    pending = [order(plan_id=2, status=OrderStatus.ACCEPTED)]
    street.add(plan(id=2, limits=own), fills=[fill()], pending=pending)
    assert street.around().reserved == 1000 - 80 - 200
    street.neighbourhood.know(plan(id=2, limits=own, status=PlanStatus.STOPPED))
    assert street.around().reserved == 0
    swap_fill = fill(inst_id=ETH_SWAP.inst_id, fee=Decimal(-1), fee_currency="USDT")
    street.add(plan(id=3, inst_id=ETH_SWAP.inst_id, limits=own), ETH_SWAP, fills=[swap_fill])
    assert street.around().reserved == 1000
