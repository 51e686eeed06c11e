"""The built-in exits, which stand in for a model that is down: whatever they see, they add nothing."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokex.adapters.langchain.policy import BuiltInPolicy
from kokex.adapters.langchain.tools import TurnTools
from kokex.domain.instrument import Side
from kokex.domain.limits import RiskLimits
from kokex.domain.order import OrderStatus, OrderType
from kokex.domain.plan import AgentSettings
from tests.builders import TRADES
from tests.unit.langchain.fake_toolbox import SPOT, SWAP, FakeClock, FakeToolbox, plan, prediction, turn

POLICY = BuiltInPolicy(exits_only=True)


async def exits(box: FakeToolbox) -> str:
    """One turn of theirs; the reason."""
    box.turn_id += 1
    of = plan(inst_id=box.instrument.inst_id, limits=box.limits)
    decision = await POLICY.decide(
        turn(number=box.turn_id, of=of), TurnTools(box, AgentSettings(trading_tools=TRADES), FakeClock())
    )
    return decision.reason


@given(
    swap=st.booleans(),
    held=st.decimals(-2, 2, places=2),
    probability=st.floats(0, 1),
    expected=st.floats(-0.2, 0.2),
    resting=st.lists(st.tuples(st.sampled_from(Side), st.decimals("0.01", 1, places=2)), max_size=4),
)
async def test_they_never_add(
    swap: bool, held: Decimal, probability: float, expected: float, resting: list[tuple[Side, Decimal]]
) -> None:
    """For any holding, forecast and resting orders: what could be held after all fills is between nothing and what was."""
    limits = RiskLimits(
        allow_short=True, max_order_notional=Decimal(10**6), max_position_notional=Decimal(10**6)
    )
    instrument = SWAP if swap else SPOT
    box = FakeToolbox(
        instrument=instrument,
        held=held if swap else abs(held),
        limits=limits,
        prediction=prediction(probability, expected),
    )
    before = box.held
    for side, quantity in resting:
        away = Decimal(-10) if side is Side.BUY else Decimal(10)
        await box.place_order(side, OrderType.LIMIT, quantity, box.last + away)
    there = set(box.orders)
    reducing = sum((order.remaining for order in box.pending() if order.side.sign * before < 0), Decimal(0))
    await exits(box)
    made = [order for name, order in box.orders.items() if name not in there]
    assert all(order.side.sign * before < 0 for order in made)
    asked = sum((order.quantity for order in made if order.status is not OrderStatus.DENIED), Decimal(0))
    assert asked <= max(abs(before) - reducing, Decimal(0))
    assert all(order.side.sign * before < 0 for order in box.pending())


@pytest.mark.parametrize(("held", "side"), [("1", "sell"), ("-1", "buy")])
async def test_they_leave_what_the_forecast_argues_against(held: str, side: str) -> None:
    """To flat and no further, even where the forecast argues for the other side."""
    against = -1 if side == "sell" else 1
    box = FakeToolbox(
        instrument=SWAP,
        held=Decimal(held),
        limits=RiskLimits(allow_short=True),
        prediction=prediction(0.5 + 0.4 * against, 0.05 * against),
    )
    reason = await exits(box)
    [order] = box.orders.values()
    assert order.side.value == side and order.quantity == 1 and "nothing may be added now" in reason


async def test_orders_that_would_add_are_withdrawn_without_a_forecast_too() -> None:
    """Nobody watches them now; an order that reduces stays."""
    box = FakeToolbox(held=Decimal(1))
    await box.place_order(Side.BUY, OrderType.LIMIT, Decimal("0.1"), Decimal(1990))
    await box.place_order(Side.SELL, OrderType.LIMIT, Decimal("0.1"), Decimal(2010))
    reason = await exits(box)
    assert [order.side for order in box.pending()] == [Side.SELL]
    assert "it would add to the holding" in reason and "Nothing to decide on" in reason


async def test_they_do_not_stand_behind_what_waits_for_a_person() -> None:
    """An order against the holding that waits is no exit; one that would add is withdrawn like any other."""
    box = FakeToolbox(
        instrument=SWAP,
        held=Decimal(1),
        limits=RiskLimits(allow_short=True),
        prediction=prediction(0.1, -0.05),
    )
    await box.place_order(Side.SELL, OrderType.LIMIT, Decimal(3), Decimal(2010))
    await box.place_order(Side.BUY, OrderType.LIMIT, Decimal(1), Decimal(1990))
    for name, order in box.orders.items():
        box.orders[name] = replace(order, status=OrderStatus.AWAITING_APPROVAL)
    reason = await exits(box)
    turning, adding, exit_ = box.orders.values()
    assert (turning.status, adding.status) == (OrderStatus.AWAITING_APPROVAL, OrderStatus.CANCELED)
    assert (exit_.side, exit_.quantity) == (Side.SELL, Decimal(1))
    assert "it would add to the holding" in reason


async def test_a_forecast_that_is_too_old_moves_nothing() -> None:
    """Neither in nor out: it says nothing of now."""
    box = FakeToolbox(held=Decimal(1), prediction=prediction(0.1, -0.1))
    box.now = box.now.replace(day=2)
    assert "too old to act on" in await exits(box) and box.orders == {}
