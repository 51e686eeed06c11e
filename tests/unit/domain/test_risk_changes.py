"""The gate before changes of orders: as of the order that it would become, the larger of both counted."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokex.domain.amendment import Amendment, AmendmentStatus
from kokex.domain.grant import Grant
from kokex.domain.instrument import Side
from kokex.domain.limits import RiskLimits
from kokex.domain.order import Order, OrderStatus, OrderType
from kokex.domain.risk import ApprovedAmendment, DenialCode, Denied, check_amendment
from kokex.domain.risk.state import Neighbours, RecentOrder
from kokex.domain.standing import Standing
from kokex.domain.stops import Stops
from tests.builders import ETH, START, order, request, risk_state

LIMITS = RiskLimits()
RESTING = order(status=OrderStatus.ACCEPTED)


def ask(
    before: Order, change: dict[str, Any], limits: RiskLimits = LIMITS, **state: Any
) -> ApprovedAmendment | Denied:
    """The gate's word on `change` of `before`, which is pending."""
    pending = (before, *state.pop("pending", ()))
    asked = request(
        side=before.side,
        order_type=OrderType(before.order_type),
        quantity=before.quantity,
        price=before.price,
    )
    return check_amendment(replace(asked, **change), before, limits, risk_state(pending=pending, **state))


def test_what_changes_is_sent_and_nothing_else() -> None:
    """A new total, a new price; what stays is left out."""
    dearer = ask(RESTING, {"price": Decimal(2010)})
    assert isinstance(dearer, ApprovedAmendment)
    assert (dearer.quantity, dearer.price) == (None, Decimal(2010))
    assert dearer.added == dearer.cash == Decimal("0.1") * 10
    larger = ask(RESTING, {"quantity": Decimal("0.3")})
    assert isinstance(larger, ApprovedAmendment)
    assert (larger.quantity, larger.price) == (Decimal("0.3"), None)
    assert larger.added == larger.cash == Decimal("0.2") * 2000


def test_nobody_else_can_make_an_approval() -> None:
    """The exchange takes `ApprovedAmendment` alone."""
    with pytest.raises(TypeError, match="check_amendment alone"):
        ApprovedAmendment(request(), RESTING, Decimal(0), Decimal(0), maker=object())


UNDECIDED = replace(RESTING, amendments=(Amendment("A1", Decimal("0.2"), None, START),))
PARTLY = replace(RESTING, status=OrderStatus.PARTIALLY_FILLED, filled_quantity=Decimal("0.04"))

DENIALS: list[tuple[DenialCode, Order, dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    (DenialCode.NOT_AMENDABLE, replace(RESTING, status=OrderStatus.UNKNOWN), {"price": Decimal(1990)}, {}, {}),
    (DenialCode.NOT_AMENDABLE, replace(RESTING, status=OrderStatus.AWAITING_APPROVAL), {"price": Decimal(1990)}, {}, {}),
    (DenialCode.NOT_AMENDABLE, replace(RESTING, order_type="ioc"), {"price": Decimal(1990)}, {}, {}),
    (DenialCode.AMENDMENT_UNDECIDED, UNDECIDED, {"price": Decimal(1990)}, {}, {}),
    (DenialCode.INVALID_QUANTITY, PARTLY, {"quantity": Decimal("0.04")}, {}, {}),
    (DenialCode.INVALID_QUANTITY, RESTING, {"quantity": Decimal("NaN")}, {}, {}),
    (DenialCode.INVALID_QUANTITY, RESTING, {"quantity": Decimal("0.0000001")}, {}, {}),
    (DenialCode.NOTHING_CHANGES, RESTING, {}, {}, {}),
    (DenialCode.INVALID_PRICE, RESTING, {"price": Decimal("2000.001")}, {}, {}),
    (DenialCode.PRICE_COLLAR, RESTING, {"price": Decimal(1200)}, {}, {}),
    (DenialCode.NEEDS_APPROVAL, RESTING, {"quantity": Decimal("0.2")}, {"approval_notional": Decimal(300)}, {}),
    (DenialCode.ORDER_TOO_LARGE, RESTING, {"quantity": Decimal("0.2")}, {"max_order_notional": Decimal(300)}, {}),
    (DenialCode.POSITION_TOO_LARGE, RESTING, {"quantity": Decimal("0.2")}, {"max_position_notional": Decimal(300)}, {}),
    (DenialCode.NOT_ENOUGH_CASH, RESTING, {"quantity": Decimal("0.2")}, {}, {"free_cash": Decimal(199)}),
    (DenialCode.TOO_MANY_ORDERS_A_MINUTE, RESTING, {"price": Decimal(1990)}, {"max_orders_per_minute": 3}, {"orders_last_minute": 3}),
    (DenialCode.REDUCE_ONLY, RESTING, {"quantity": Decimal("0.2")}, {}, {"account": Standing.REDUCE_ONLY, "trouble": "x"}),
    (DenialCode.SHORT_NOT_ALLOWED, order(status=OrderStatus.ACCEPTED, side=Side.SELL), {"quantity": Decimal("0.2")}, {}, {"quantity": Decimal("0.15")}),
    (DenialCode.GRANT_USED, RESTING, {"quantity": Decimal("0.2")}, {}, {"grant": Grant(frozenset(Side), Decimal(199), 5)}),
    (
        DenialCode.SELF_TRADE, RESTING, {"price": Decimal(2010)}, {},
        {"neighbours": Neighbours(resting=(order(side=Side.SELL, plan_id=2, price=Decimal(2005), status=OrderStatus.ACCEPTED),))},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("code", "before", "change", "limits", "state"), DENIALS)
def test_each_rule_denies(code: DenialCode, before: Order, change: dict, limits: dict, state: dict) -> None:
    """Code and a sentence."""
    verdict = ask(before, change, replace(LIMITS, **limits), **state)
    assert isinstance(verdict, Denied)
    assert (verdict.code, len(verdict.reason) > 10) == (code, True)


@pytest.mark.parametrize("change", [{"quantity": Decimal("0.05")}, {"price": Decimal(1990)}])
def test_what_only_lowers_risk_passes_limits_that_it_is_over(change: dict) -> None:
    """Less, or at a lower price for a buy: of an order, a position or a grant that is over its limit by now."""
    limits = replace(
        LIMITS,
        max_order_notional=Decimal(10),
        max_position_notional=Decimal(10),
        max_open_orders=1,
        approval_notional=Decimal(1),
    )
    passed = ask(
        RESTING,
        change,
        limits,
        free_cash=Decimal(0),
        account=Standing.REDUCE_ONLY,
        grant=Grant(frozenset(), Decimal(0), 1),
    )
    assert isinstance(passed, ApprovedAmendment)
    assert passed.added == passed.cash == 0


def test_a_smaller_order_far_from_the_market_may_shrink() -> None:
    """The collar is for new prices."""
    shrinks = ask(RESTING, {"quantity": Decimal("0.05")}, last_price=Decimal(3000))
    assert isinstance(shrinks, ApprovedAmendment)


def test_an_order_is_no_repetition_of_itself() -> None:
    """Of another one near it, it is."""
    limits = replace(LIMITS, repeat_distance=Decimal("0.01"))
    own = RecentOrder(Side.BUY, Decimal(2000), START, RESTING.client_order_id or "")
    assert isinstance(ask(RESTING, {"price": Decimal(2001)}, limits, recent=(own,)), ApprovedAmendment)
    other = replace(own, name="KXtestP1D1S9")
    denied = ask(RESTING, {"price": Decimal(2001)}, limits, recent=(other,))
    assert isinstance(denied, Denied) and denied.code is DenialCode.REPEATED_ORDER


amounts = st.integers(1, 400).map(lambda number: Decimal(number) / 100)
prices = st.integers(195000, 205000).map(lambda number: Decimal(number) / 100)


@given(
    side=st.sampled_from(Side),
    old=st.tuples(amounts, prices),
    new=st.tuples(amounts, prices),
    filled=st.integers(0, 99),
    held=st.integers(-300, 300).map(lambda number: Decimal(number) / 100),
    beside=amounts,
    most=st.integers(100, 9000).map(Decimal),
)
def test_what_passes_breaks_no_limit_whichever_of_the_two_fills(
    side: Side, old: tuple, new: tuple, filled: int, held: Decimal, beside: Decimal, most: Decimal
) -> None:
    """Unless it was broken before and the change only lowers it."""
    (quantity, price), (total, dearer) = old, new
    done = ETH.round_quantity(quantity * filled / 100)
    status = OrderStatus.PARTIALLY_FILLED if done else OrderStatus.ACCEPTED
    before = order(side=side, quantity=quantity, price=price, filled_quantity=done, status=status)
    other = order(client_order_id="KXtestP1D1S9", side=side, quantity=beside, status=OrderStatus.ACCEPTED)
    limits = replace(LIMITS, max_order_notional=Decimal(10**9), max_position_notional=most, allow_short=True)
    verdict = ask(
        before, {"quantity": total, "price": dearer}, limits,
        quantity=held, pending=(other,), free_cash=Decimal(10**9),
    )  # fmt: skip
    if isinstance(verdict, Denied):
        return
    worst = max(total - done, quantity - done)
    reached = held + side.sign * (beside + worst)
    keener = side.sign * (dearer - price) > 0
    if abs(reached) > abs(held) and (total > quantity or keener):
        assert ETH.notional(abs(reached), max(dearer, price, Decimal(2000))) <= most


def test_until_it_is_decided_an_order_is_the_larger_of_both() -> None:
    """By quantity, and by the price that takes most."""
    grown = replace(RESTING, amendments=(Amendment("A1", Decimal("0.3"), Decimal(1990), START),))
    assert (grown.remaining, grown.keenest_price) == (Decimal("0.3"), Decimal(2000))
    shrunk = replace(RESTING, amendments=(Amendment("A1", Decimal("0.05"), Decimal(2010), START),))
    assert (shrunk.remaining, shrunk.keenest_price) == (Decimal("0.1"), Decimal(2010))
    failed = shrunk.decide("A1", AmendmentStatus.FAILED, "no")
    assert (failed.amending, failed.remaining, failed.keenest_price) == (None, Decimal("0.1"), Decimal(2000))
    made = shrunk.decide("A1", AmendmentStatus.APPLIED, applied=True)
    assert (made.quantity, made.price, made.remaining) == (Decimal("0.05"), Decimal(2010), Decimal("0.05"))


@pytest.mark.parametrize(
    ("price", "code"),
    [
        (Decimal(1960), None),
        (Decimal(1940), DenialCode.INVALID_STOP),
        (Decimal(2060), DenialCode.INVALID_STOP),
    ],
)
def test_a_new_price_stays_between_the_stops_that_the_order_brings_along(
    price: Decimal, code: DenialCode | None
) -> None:
    """Below its own stop-loss a buy would be sold again as it fills, and above its take-profit too."""
    before = replace(RESTING, stops=Stops(Decimal(1950), Decimal(2050)))
    verdict = ask(before, {"price": price})
    assert (verdict.code if isinstance(verdict, Denied) else None) is code
    assert isinstance(ask(before, {"quantity": Decimal("0.05")}), ApprovedAmendment)
