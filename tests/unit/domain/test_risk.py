"""The gate: every rule denies what it is for, and nothing that passes can break a limit."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokex.domain.grant import Grant
from kokex.domain.halt import Halt, HaltLevel, HaltScope
from kokex.domain.instrument import Side
from kokex.domain.limits import Protections, RiskLimits
from kokex.domain.order import OrderStatus, OrderType
from kokex.domain.plan import PlanStatus
from kokex.domain.results import Worth
from kokex.domain.risk import Approved, DenialCode, Denied, check, check_protecting
from kokex.domain.risk.question import Question
from kokex.domain.risk.state import Neighbours, Performance, RecentOrder
from kokex.domain.standing import Standing
from kokex.domain.stops import Stops
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
        Approved(request(), START, Decimal(0), maker=object())
    verdict = check(request(), LIMITS, risk_state())
    assert isinstance(verdict, Approved)
    with pytest.raises(AttributeError):
        verdict.request = request(quantity=Decimal(9))  # type: ignore[misc]


def halt(**changes: Any) -> Halt:
    """Everything halted by a person."""
    made = Halt(HaltScope.PLATFORM, None, HaltLevel.HALTED, "the exchange behaves oddly", "Ada", START)
    return replace(made, **changes)


def other_sell(**changes: Any) -> Any:
    """A resting order of another plan."""
    return order(side=Side.SELL, plan_id=2, status=OrderStatus.ACCEPTED, **changes)


def guarded(**protections: Any) -> dict[str, Any]:
    """Limits with protections."""
    return {"protections": Protections(**protections)}


def made(pnl: str | None = "0", *, peak: str = "0", **changes: Any) -> Performance:
    """A day that began at nothing."""
    worth = Worth(START, Decimal(pnl or 0), Decimal(0), Decimal(peak))
    return Performance(worth, None if pnl is None else Decimal(pnl), **changes)


def equity(amount: int, **changes: Any) -> dict[str, Any]:
    """An account of that worth."""
    return {"neighbours": Neighbours(equity=Decimal(amount), **changes)}


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
    (DenialCode.STALE_CANDLES, {}, {}, {"stale_candles": "the next candle is late"}),
    (DenialCode.STALE_CANDLES, {"side": Side.SELL}, {}, {"stale_candles": "the next one is late"}),
    (DenialCode.STALE_FORECAST, {}, {}, {"stale_forecast": "the forecast is old"}),
    (DenialCode.NO_PRICE, {}, {}, {"last_price": None}),
    (DenialCode.PRICE_COLLAR, {}, {}, {"mark_price": Decimal(1800)}),
    (
        DenialCode.PRICE_COLLAR,
        {"order_type": OrderType.MARKET, "price": None},
        {},
        {"mark_price": Decimal(2200)},
    ),
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
    (DenialCode.NOT_ENOUGH_CASH, {}, {}, {"neighbours": Neighbours(reserved=Decimal(9_900))}),
    (DenialCode.HALTED, {}, {}, {"halts": (halt(),)}),
    (DenialCode.HALTED, {"side": Side.SELL}, {}, {"halts": (halt(),), "quantity": Decimal(1)}),
    (DenialCode.HALTED, {}, {}, {"halts": (halt(level=HaltLevel.REDUCE_ONLY),)}),
    (DenialCode.SIDE_NOT_ALLOWED, {}, {"sides": frozenset({Side.SELL})}, {}),
    (DenialCode.PRICE_COLLAR, {}, {}, {"mark_price": Decimal(1900)}),
    (DenialCode.TOO_MANY_ORDERS_A_DAY, {}, {"max_orders_per_day": 9}, {"orders_today": 9}),
    (
        DenialCode.REPEATED_ORDER,
        {},
        {"repeat_distance": Decimal("0.001")},
        {"recent": (RecentOrder(Side.BUY, Decimal("2001.99"), START - timedelta(seconds=299)),)},
    ),
    (DenialCode.SELF_TRADE, {}, {}, {"neighbours": Neighbours(resting=(other_sell(price=Decimal(2000)),))}),
    (
        DenialCode.SELF_TRADE,
        {"order_type": OrderType.MARKET, "price": None},
        {},
        {"neighbours": Neighbours(resting=(other_sell(price=Decimal(2050)),))},
    ),
    (DenialCode.DAILY_LOSS, {}, guarded(max_daily_loss=Decimal(100)), {"performance": made(pnl="-100")}),
    (DenialCode.NO_PRICE, {}, guarded(max_daily_loss=Decimal(100)), {"performance": made(pnl=None)}),
    (
        DenialCode.DRAWDOWN,
        {},
        guarded(max_drawdown=Decimal("0.1")),
        {"performance": made("440", peak="1055")},
    ),
    (
        DenialCode.LOSING_STREAK,
        {},
        guarded(losing_streak=3),
        {"performance": made(losing_streak=3, last_loss_at=START - timedelta(hours=3))},
    ),
    (
        DenialCode.STOP_GUARD,
        {},
        guarded(stop_guard=2),
        {"performance": made(stops=(START - timedelta(hours=20), START - timedelta(hours=1)))},
    ),
    (DenialCode.UNKNOWN_EQUITY, {}, {"max_order_share": Decimal(1)}, {}),
    (DenialCode.UNKNOWN_EQUITY, {}, {"max_leverage": Decimal(1)}, {}),
    (DenialCode.ORDER_TOO_LARGE, {}, {"max_order_share": Decimal("0.1")}, equity(1999)),
    (DenialCode.POSITION_TOO_LARGE, {}, {"max_position_share": Decimal("0.1")}, equity(1999)),
    (
        DenialCode.UNKNOWN_EXPOSURE,
        {},
        {"max_account_notional": Decimal(1000)},
        {"neighbours": Neighbours(exposure=None)},
    ),
    (
        DenialCode.ACCOUNT_TOO_LARGE,
        {},
        {"max_account_notional": Decimal(1000)},
        {"neighbours": Neighbours(exposure=Decimal(801))},
    ),
    (DenialCode.LEVERAGE_TOO_HIGH, {}, {"max_leverage": Decimal(2)}, equity(500, exposure=Decimal(801))),
    (DenialCode.CAPITAL_USED, {}, {"capital": Decimal(199)}, {}),
    (DenialCode.CAPITAL_USED, {}, {"capital": Decimal(300)}, {"performance": made(pnl="-101")}),
    (
        DenialCode.SINGLE_ORDER_TOO_LARGE,
        {},
        {"capital": Decimal(1000), "max_single_order_ratio": Decimal("0.1999")},
        {},
    ),
    (
        DenialCode.SINGLE_ORDER_TOO_LARGE,
        {},
        {"capital": Decimal(1000), "max_single_order_ratio": Decimal("0.2")},
        {"performance": made(pnl="-1")},
    ),
    (DenialCode.SINGLE_ORDER_TOO_LARGE, {}, {"max_single_order_ratio": Decimal("0.0399")}, {}),
    (
        DenialCode.NO_PRICE,
        {},
        {"capital": Decimal(1000), "max_single_order_ratio": Decimal("0.2")},
        {"performance": made(pnl=None)},
    ),
    (DenialCode.INVALID_STOP, {"stops": Stops(stop_loss=Decimal(2001))}, {}, {}),
    (DenialCode.INVALID_STOP, {"stops": Stops(take_profit=Decimal(1999))}, {}, {}),
    (DenialCode.INVALID_STOP, {"stops": Stops(stop_loss=Decimal("1999.001"))}, {}, {}),
    (DenialCode.INVALID_STOP, {"stops": Stops(Decimal(1900))}, {}, {"quantity": Decimal(-1)}),
    (DenialCode.INVALID_STOP, {"stops": Stops(Decimal(1900))}, {}, {"neighbours": Neighbours(shared=True)}),
    (
        DenialCode.INVALID_STOP,
        {"stops": Stops(Decimal(1900)), "order_type": OrderType.MARKET, "price": None},
        {},
        {},
    ),
    (DenialCode.GRANT_USED, {}, {}, {"grant": Grant(frozenset(Side), Decimal(1000), 0)}),
    (DenialCode.GRANT_USED, {}, {}, {"grant": Grant(frozenset({Side.SELL}), Decimal(1000), 3)}),
    (DenialCode.GRANT_USED, {}, {}, {"grant": Grant(frozenset(Side), Decimal("199.99"), 3)}),
]


@pytest.mark.parametrize(("code", "asked", "limits", "state"), DENIALS)
def test_each_rule_denies(code: DenialCode, asked: dict, limits: dict, state: dict) -> None:
    """Code and a sentence that says which value and which limit."""
    verdict = check(request(**asked), replace(LIMITS, **limits), risk_state(**state))
    assert isinstance(verdict, Denied)
    assert verdict.code is code
    assert len(verdict.reason) > 10


def test_every_code_has_a_case() -> None:
    """No rule without a test; those that only changes of orders meet have theirs in `test_risk_changes`."""
    assert {case[0] for case in DENIALS} | OF_CHANGES == set(DenialCode)


OF_CHANGES = {
    DenialCode.NOT_AMENDABLE,
    DenialCode.AMENDMENT_UNDECIDED,
    DenialCode.NOTHING_CHANGES,
    DenialCode.NEEDS_APPROVAL,
}

EVERYTHING = RiskLimits(
    sides=frozenset(),
    max_position_share=Decimal("0.01"),
    max_account_notional=Decimal(1),
    max_leverage=Decimal("0.01"),
    repeat_distance=Decimal("0.5"),
    capital=Decimal(1),
    protections=Protections(Decimal(1), Decimal("0.01"), 1, 1),
)


@pytest.mark.parametrize("side", list(Side))
def test_nothing_but_a_halt_keeps_a_plan_from_reducing(side: Side) -> None:
    """Losses, shares, capital, repetitions and a spent budget of exposure stop growth, never the way out."""
    state = risk_state(
        quantity=-side.sign * Decimal(1),
        recent=(RecentOrder(side, Decimal(2000), START),),
        performance=made(
            "-500",
            peak="1000",
            losing_streak=9,
            last_loss_at=START,
            stops=(START - timedelta(minutes=1), START),
        ),
        neighbours=Neighbours(equity=Decimal(10), exposure=Decimal(10_000)),
        halts=(halt(level=HaltLevel.REDUCE_ONLY),),
        grant=Grant(frozenset(), Decimal(0), 1),
    )
    limits = replace(EVERYTHING, allow_short=True)
    assert isinstance(check(request(side=side), limits, state), Approved)
    assert isinstance(check(request(side=side), limits, replace(state, quantity=Decimal(0))), Denied)
    assert isinstance(check(request(side=side), limits, replace(state, halts=(halt(),))), Denied)


USED_UP: dict[str, Any] = {"max_open_orders": 1, "max_orders_per_minute": 3, "max_orders_per_day": 9}


@pytest.mark.parametrize("side", list(Side))
def test_no_number_of_orders_holds_back_an_exit_of_the_engine(side: Side) -> None:
    """An agent may have used up the day's orders: what ends the holding goes out, what would turn it or add to it does not."""
    limits = replace(LIMITS, allow_short=True, **USED_UP)
    other = order(side=Side.SELL if side is Side.BUY else Side.BUY, status=OrderStatus.ACCEPTED)
    state = risk_state(
        quantity=-side.sign * Decimal("0.1"), pending=(other,), orders_last_minute=3, orders_today=9
    )
    wanted = request(side=side, order_type=OrderType.MARKET, price=None)
    for code, less in (
        (DenialCode.TOO_MANY_OPEN_ORDERS, state),
        (DenialCode.TOO_MANY_ORDERS_A_MINUTE, replace(state, pending=())),
        (DenialCode.TOO_MANY_ORDERS_A_DAY, replace(state, pending=(), orders_last_minute=0)),
    ):
        denied = check(wanted, limits, less)
        assert isinstance(denied, Denied)
        assert denied.code is code
        assert isinstance(check_protecting(wanted, limits, less), Approved)
    for turned in (replace(wanted, quantity=Decimal("0.11")), replace(wanted, side=other.side)):
        assert isinstance(check_protecting(turned, limits, state), Denied)


@given(
    st.decimals("-1", "1", places=2),
    st.lists(st.tuples(st.sampled_from(Side), st.decimals("0.01", "1", places=2)), max_size=4),
    st.tuples(st.sampled_from(Side), st.decimals("0.01", "1", places=2)),
)
def test_an_exit_of_the_engine_neither_turns_nor_grows_a_holding(
    held: Decimal, others: list, asked: tuple
) -> None:
    """Also where everything that is open on its side fills."""
    limits = replace(LIMITS, max_order_notional=Decimal(99_999), allow_short=True)
    pending = tuple(order(side=side, quantity=quantity) for side, quantity in others)
    side, quantity = asked
    wanted = request(side=side, quantity=quantity, order_type=OrderType.MARKET, price=None)
    state = risk_state(quantity=held, pending=pending, free_cash=Decimal(999_999))
    if isinstance(check_protecting(wanted, limits, state), Approved):
        left = held + side.sign * (quantity + sum(one.quantity for one in pending if one.side is side))
        assert left * held >= 0
        assert abs(left) < abs(held)


_STILL_HOLDS = {
    DenialCode.PLAN_NOT_RUNNING,
    DenialCode.NOT_RECONCILED,
    DenialCode.ACCOUNT_HALTED,
    DenialCode.WRONG_INSTRUMENT,
    DenialCode.INVALID_QUANTITY,
    DenialCode.HALTED,
    DenialCode.NO_PRICE,
    DenialCode.PRICE_COLLAR,
    DenialCode.ORDER_TOO_LARGE,
    DenialCode.SHORT_NOT_ALLOWED,
    DenialCode.SELF_TRADE,
}


@pytest.mark.parametrize(
    ("code", "asked", "limits", "state"), [one for one in DENIALS if one[0] in _STILL_HOLDS]
)
def test_all_else_holds_for_an_exit_of_the_engine(
    code: DenialCode, asked: dict, limits: dict, state: dict
) -> None:
    """Only the number of orders does not count."""
    verdict = check_protecting(request(**asked), replace(LIMITS, **limits), risk_state(**state))
    assert isinstance(verdict, Denied)
    assert verdict.code is code


def test_a_rest_ends() -> None:
    """Four hours after the last loss, and the day after a daily loss, new risk is let through again."""
    limits = replace(LIMITS, protections=Protections(max_daily_loss=Decimal(100), losing_streak=2))
    lost = made("-150", losing_streak=2, last_loss_at=START)
    tomorrow = START + timedelta(days=1)
    denied = check(request(), limits, risk_state(performance=lost))
    assert isinstance(denied, Denied)
    state = risk_state(performance=lost, checked_at=tomorrow)
    assert isinstance(check(request(), limits, state), Approved)


def test_a_repetition_is_one_of_side_price_and_time() -> None:
    """The other side, a price far enough away, and an order of long ago are none."""
    limits = replace(LIMITS, repeat_distance=Decimal("0.001"))
    for earlier in (
        RecentOrder(Side.SELL, Decimal(2000), START),
        RecentOrder(Side.BUY, Decimal("1998"), START),
        RecentOrder(Side.BUY, Decimal(2000), START - timedelta(minutes=5)),
    ):
        assert isinstance(check(request(), limits, risk_state(recent=(earlier,))), Approved)


@given(
    st.lists(st.tuples(st.sampled_from(Side), st.decimals("0.001", "1", places=3)), min_size=1, max_size=12),
    st.decimals("0", "3000", places=2),
    st.decimals("-1", "1", places=3),
)
def test_a_turn_never_adds_more_than_its_grant(asked: list, notional: Decimal, held: Decimal) -> None:
    """Whatever is asked for in whatever order, with everything let through still pending."""
    limits = replace(LIMITS, max_open_orders=99, max_position_notional=Decimal(99_999), allow_short=True)
    limits = replace(limits, max_order_notional=Decimal(99_999))
    state = risk_state(quantity=held, free_cash=Decimal(999_999), grant=Grant(frozenset(Side), notional, 5))
    passed = 0
    for number, (side, quantity) in enumerate(asked):
        wanted = request(client_order_id=f"KX{number}", side=side, quantity=quantity)
        if isinstance(check(wanted, limits, state), Denied):
            continue
        assert state.grant is not None
        passed += 1
        state = replace(
            state,
            grant=state.grant.spend(Question(wanted, limits, state).added),
            pending=(
                *state.pending,
                order(client_order_id=wanted.client_order_id, side=side, quantity=quantity),
            ),
        )
    assert passed <= 5
    for side in Side:
        end = side.sign * held + sum((one.remaining for one in state.pending if one.side is side), Decimal(0))
        assert (max(end, Decimal(0)) - max(side.sign * held, Decimal(0))) * 2000 <= notional


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


def test_stale_candles_keep_nobody_in_a_position() -> None:
    """What only reduces the holding goes out, on a fresh price."""
    closing = request(side=Side.SELL, quantity=Decimal("0.5"))
    state = risk_state(stale_candles="late", stale_forecast="old", quantity=Decimal("0.5"))
    assert isinstance(check(closing, LIMITS, state), Approved)


def test_the_single_order_ratio_is_of_the_plans_own_capital_and_never_traps_a_holding() -> None:
    """At the ratio it passes; gains add to the capital; without one it is of the position limit; what reduces passes whatever is left."""
    ratio = Decimal("0.2")
    of_capital = RiskLimits(capital=Decimal(1000), max_single_order_ratio=ratio)
    assert isinstance(check(request(), of_capital, risk_state()), Approved)
    less = RiskLimits(capital=Decimal(900), max_single_order_ratio=ratio)
    assert isinstance(check(request(), less, risk_state()), Denied)
    assert isinstance(check(request(), less, risk_state(performance=made(pnl="100"))), Approved)
    of_limit = RiskLimits(max_position_notional=Decimal(1000), max_single_order_ratio=ratio)
    assert isinstance(check(request(), of_limit, risk_state()), Approved)
    lost = risk_state(quantity=Decimal("0.1"), performance=made(pnl="-900"))
    assert isinstance(check(request(side=Side.SELL), less, lost), Approved)
