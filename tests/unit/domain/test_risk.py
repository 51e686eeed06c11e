"""The gate: every rule denies what it is for, and nothing that passes can break a limit."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokex.domain.instrument import Side
from kokex.domain.limits import RiskLimits
from kokex.domain.order import OrderStatus, OrderType
from kokex.domain.plan import PlanStatus
from kokex.domain.risk import Approved, DenialCode, Denied, check
from kokex.domain.standing import Standing
from tests.builders import ETH, ETH_SWAP, START, order, request, risk_state

LIMITS = RiskLimits()


def test_a_modest_order_passes_unchanged() -> None:
    """What comes out is what went in."""
    wanted = request()
    verdict = check(wanted, LIMITS, risk_state())
    assert isinstance(verdict, Approved)
    assert verdict.request is wanted
    assert verdict.checked_at == START


def test_nobody_else_can_make_an_approval() -> None:
    """The exchange takes `Approved` alone, and only the gate can make one."""
    with pytest.raises(TypeError, match="check alone"):
        Approved(request(), START, maker=object())
    verdict = check(request(), LIMITS, risk_state())
    assert isinstance(verdict, Approved)
    with pytest.raises(AttributeError):
        verdict.request = request(quantity=Decimal(9))  # type: ignore[misc]


DENIALS: list[tuple[DenialCode, dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    (DenialCode.PLAN_NOT_RUNNING, {}, {}, {"plan_status": PlanStatus.PAUSED}),
    (DenialCode.NOT_RECONCILED, {}, {}, {"reconciled": False}),
    (DenialCode.ACCOUNT_HALTED, {}, {}, {"account": Standing.HALTED}),
    (
        DenialCode.ACCOUNT_HALTED,
        {"side": Side.SELL},
        {},
        {"account": Standing.HALTED, "quantity": Decimal(1)},
    ),
    (DenialCode.REDUCE_ONLY, {}, {}, {"account": Standing.REDUCE_ONLY}),
    (DenialCode.REDUCE_ONLY, {}, {}, {"account": Standing.REDUCE_ONLY, "quantity": Decimal(1)}),
    (
        DenialCode.REDUCE_ONLY,
        {"side": Side.SELL, "quantity": Decimal("0.5")},
        {},
        {
            "account": Standing.REDUCE_ONLY,
            "quantity": Decimal("0.55"),
            "pending": (order(side=Side.SELL, quantity=Decimal("0.1")),),
        },
    ),
    (DenialCode.WRONG_INSTRUMENT, {"inst_id": "BTC-USDT"}, {}, {}),
    (DenialCode.INVALID_QUANTITY, {"quantity": Decimal(0)}, {}, {}),
    (DenialCode.INVALID_QUANTITY, {"quantity": Decimal("NaN")}, {}, {}),
    (DenialCode.INVALID_QUANTITY, {"quantity": Decimal("-0.1")}, {}, {}),
    (DenialCode.INVALID_QUANTITY, {"quantity": Decimal("0.0005")}, {}, {}),
    (DenialCode.INVALID_QUANTITY, {"quantity": Decimal("0.1000005")}, {}, {}),
    (DenialCode.INVALID_QUANTITY, {"quantity": Decimal("1e999999")}, {}, {}),
    (DenialCode.INVALID_PRICE, {"price": Decimal("1e999999")}, {}, {}),
    (DenialCode.INVALID_PRICE, {"price": None}, {}, {}),
    (DenialCode.INVALID_PRICE, {"price": Decimal("2000.001")}, {}, {}),
    (DenialCode.INVALID_PRICE, {"price": Decimal("Infinity")}, {}, {}),
    (DenialCode.INVALID_PRICE, {"order_type": OrderType.MARKET}, {}, {}),
    (DenialCode.NO_PRICE, {}, {}, {"last_price": None}),
    (DenialCode.PRICE_COLLAR, {"price": Decimal(2101)}, {}, {}),
    (DenialCode.PRICE_COLLAR, {"price": Decimal(1899)}, {}, {}),
    (DenialCode.TOO_MANY_OPEN_ORDERS, {}, {"max_open_orders": 1}, {"pending": (order(),)}),
    (DenialCode.TOO_MANY_ORDERS_A_MINUTE, {}, {"max_orders_per_minute": 3}, {"orders_last_minute": 3}),
    (DenialCode.ORDER_TOO_LARGE, {"quantity": Decimal("0.6")}, {}, {}),
    (
        DenialCode.POSITION_TOO_LARGE,
        {},
        {"max_position_notional": Decimal(250)},
        {"quantity": Decimal("0.1")},
    ),
    (
        DenialCode.POSITION_TOO_LARGE,
        {},
        {"max_position_notional": Decimal(250)},
        {"pending": (order(status=OrderStatus.UNKNOWN),)},
    ),
    (DenialCode.SHORT_NOT_ALLOWED, {"side": Side.SELL}, {}, {}),
    (
        DenialCode.SHORT_NOT_ALLOWED,
        {"side": Side.SELL},
        {},
        {"quantity": Decimal("0.15"), "pending": (order(side=Side.SELL),)},
    ),
    (DenialCode.NOT_ENOUGH_CASH, {}, {}, {"free_cash": Decimal("199.99")}),
    (DenialCode.NOT_ENOUGH_CASH, {}, {"cash_reserve": Decimal(9_900)}, {}),
    (DenialCode.NOT_ENOUGH_CASH, {}, {}, {"free_cash": None}),
]


@pytest.mark.parametrize(("code", "asked", "limits", "state"), DENIALS)
def test_each_rule_denies(code: DenialCode, asked: dict, limits: dict, state: dict) -> None:
    """Code and a sentence that says which value and which limit."""
    verdict = check(request(**asked), replace(LIMITS, **limits), risk_state(**state))
    assert isinstance(verdict, Denied)
    assert verdict.code is code
    assert len(verdict.reason) > 10


def test_every_code_has_a_case() -> None:
    """No rule without a test."""
    assert {case[0] for case in DENIALS} == set(DenialCode)


def test_a_holding_over_the_limit_may_shrink() -> None:
    """Limits stop growth, never the way out."""
    state = risk_state(quantity=Decimal(10))
    limits = replace(LIMITS, max_position_notional=Decimal(250))
    assert isinstance(check(request(side=Side.SELL), limits, state), Approved)


quantities = st.decimals("0.001", "3", places=3, allow_nan=False)
orders = st.builds(
    lambda side, quantity, filled, status: order(
        side=side, quantity=quantity, filled_quantity=quantity * filled / 4, status=status
    ),
    st.sampled_from(Side),
    quantities,
    st.integers(0, 3),
    st.sampled_from([status for status in OrderStatus if not status.closed]),
)


@given(
    st.sampled_from(Side),
    st.sampled_from(OrderType),
    quantities,
    st.decimals("1500", "2500", places=2, allow_nan=False),
    st.lists(orders, max_size=6),
    st.decimals("-2", "2", places=3, allow_nan=False),
    st.booleans(),
    st.sampled_from([ETH, ETH_SWAP]),
)
def test_what_passes_can_never_break_a_limit(
    side: Side,
    order_type: OrderType,
    quantity: Decimal,
    price: Decimal,
    pending: list,
    held: Decimal,
    allow_short: bool,
    instrument: Any,
) -> None:
    """Even if everything pending on that side fills, and this order with it."""
    wanted = request(
        side=side,
        order_type=order_type,
        quantity=quantity,
        price=None if order_type is OrderType.MARKET else price,
        inst_id=instrument.inst_id,
    )
    limits = replace(LIMITS, max_order_notional=Decimal(1500), allow_short=allow_short)
    state = risk_state(instrument=instrument, pending=tuple(pending), quantity=held)
    verdict = check(wanted, limits, state)
    if isinstance(verdict, Denied):
        return
    value = instrument.notional(quantity, wanted.price or Decimal(2000))
    assert value <= limits.max_order_notional
    same_side = sum((one.remaining for one in pending if one.side is side), Decimal(0))
    reach = held + side.sign * (same_side + quantity)
    if abs(reach) > abs(held):
        assert instrument.notional(abs(reach), Decimal(2000)) <= limits.max_position_notional
    if not allow_short and side is Side.SELL:
        assert reach >= 0
    assert len(pending) < limits.max_open_orders
    if wanted.price is not None:
        assert abs(wanted.price - 2000) <= limits.price_collar * 2000


def test_what_reduces_passes_a_degraded_account() -> None:
    """Also while it is not reconciled: less is at stake afterwards, whatever was missed."""
    state = risk_state(
        account=Standing.REDUCE_ONLY, reconciled=False, trouble="out of reach", quantity=Decimal("0.5")
    )
    assert isinstance(check(request(side=Side.SELL, quantity=Decimal("0.5")), LIMITS, state), Approved)
    denied = check(request(), LIMITS, state)
    assert isinstance(denied, Denied)
    assert "only orders that reduce the 0.5 held are let through now: out of reach" in denied.reason
    short = risk_state(account=Standing.REDUCE_ONLY, instrument=ETH_SWAP, quantity=Decimal("-2"))
    limits = replace(LIMITS, allow_short=True)
    cover = request(inst_id="ETH-USDT-SWAP", side=Side.BUY, quantity=Decimal(2))
    assert isinstance(check(cover, limits, short), Approved)
    assert isinstance(check(replace(cover, side=Side.SELL), limits, short), Denied)
