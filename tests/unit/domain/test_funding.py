"""Funding is shared out by holdings, and not a digit is lost."""

from __future__ import annotations

from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokex.domain.funding import FundingPayment, Holders, share_out
from kokex.domain.position import PlanBook
from tests.builders import ETH_SWAP, START, fill

CONTRACTS = st.decimals(-10_000, 10_000, places=2)
AMOUNTS = st.decimals(-10_000, 10_000, places=12)


def paid(amount: str | Decimal) -> FundingPayment:
    return FundingPayment("1", "ETH-USDT-SWAP", Decimal(amount), "USDT", None, START)


@pytest.mark.parametrize(
    ("plans", "others", "shares"),
    [
        ({1: "10"}, "0", {1: "-6"}),
        ({1: "10", 2: "-4"}, "0", {1: "-10", 2: "4"}),
        ({1: "3"}, "3", {1: "-3"}),
        ({1: "-6"}, "12", {1: "6"}),
        ({1: "1", 2: "1", 3: "1"}, "0", {1: "-2", 2: "-2", 3: "-2"}),
        ({1: "0"}, "6", {}),
        ({1: "5"}, "-5", {}),
        ({}, "6", {}),
    ],
)
def test_shares_follow_the_holdings(plans: dict[int, str], others: str, shares: dict[int, str]) -> None:
    """Whoever holds against the position gets what the others pay; what is nobody's here stays the account's."""
    holders = Holders({plan: Decimal(held) for plan, held in plans.items()}, Decimal(others))
    assert share_out(paid("-6"), holders) == {plan: Decimal(share) for plan, share in shares.items()}


@given(st.dictionaries(st.integers(1, 9), CONTRACTS, min_size=1, max_size=5), AMOUNTS)
def test_plans_that_hold_all_have_all(held: dict[int, Decimal], amount: Decimal) -> None:
    """To the last digit, also where a share has no end."""
    holders = Holders(held, Decimal(0))
    shares = share_out(paid(amount), holders)
    if holders.net:
        with localcontext() as context:
            context.prec = 100
            assert sum(shares.values()) == amount
        assert shares.keys() == {plan for plan, quantity in held.items() if quantity}
    else:
        assert not shares


@given(CONTRACTS.filter(bool), CONTRACTS, AMOUNTS)
def test_a_plan_alone_pays_for_what_it_holds(held: Decimal, others: Decimal, amount: Decimal) -> None:
    """Within half of the last place that is kept."""
    holders = Holders({1: held}, others)
    if not holders.net:
        return
    share = share_out(paid(amount), holders)[1]
    assert abs(share * holders.net - amount * held) <= abs(holders.net) * Decimal("1e-12")


def test_a_book_counts_funding_and_keeps_it_through_fills() -> None:
    """In its profit, apart from its cash."""
    book = PlanBook(ETH_SWAP, funding=Decimal("-1.5"))
    after = book.apply(fill(inst_id="ETH-USDT-SWAP", quantity=Decimal(1), fee=None))
    assert after.funding == Decimal("-1.5")
    assert after.pnl(Decimal(2000)) == Decimal("-1.5")
