"""The built-in policy by the plan's own sizing: given sizes, batches, the single order's ratio, and after a trailing stop."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kokex.adapters.langchain import LangChainAgentService
from kokex.domain.capital import CapitalSettings, SizingMethod
from kokex.domain.decision import Action, Decision, Trigger
from kokex.domain.instrument import Side
from kokex.domain.limits import RiskLimits
from kokex.domain.order import OrderStatus, OrderType
from kokex.domain.plan import Plan, TriggerKind
from tests.unit.langchain.fake_toolbox import (
    START,
    SWAP,
    FakeClock,
    FakeToolbox,
    plan,
    prediction,
    turn,
    woken,
)

UP, DOWN = prediction(0.57, 0.0035), prediction(0.43, -0.0035)
STRONG = prediction(0.60, 0.008)
KELLY = CapitalSettings(sizing=SizingMethod.KELLY)
BATCHES = CapitalSettings(avg_orders_per_batch=3, batch_step=Decimal("0.002"))


@dataclass
class SizedToolbox(FakeToolbox):
    """Tells sizes as the test has it. `size` is a quantity; `own_capital` of the plan."""

    capital: CapitalSettings = field(default_factory=CapitalSettings)
    size: Decimal = Decimal(0)
    proven: bool | None = None
    own_capital: Decimal | None = None
    stopped_at: str | None = None
    sides: list[str] = field(default_factory=list)

    async def get_position_size(
        self, side: Side, order_type: OrderType = OrderType.POST_ONLY, price: Decimal | None = None
    ) -> dict[str, Any]:
        self.sides.append(side.value)
        return {
            "method": self.capital.sizing.value,
            "suggested_position": str(side.sign * self.size),
            "proven": self.proven,
            "factors": [{"name": "skill", "value": "0.5", "because": "measured"}],
        }

    async def get_positions(self) -> dict[str, Any]:
        stop = None if self.stopped_at is None else {"share": "0.05", "hit_at": self.stopped_at}
        return await super().get_positions() | {"trailing_stop": stop}

    async def get_trading_limits(self) -> dict[str, Any]:
        ratio = self.limits.max_single_order_ratio
        return await super().get_trading_limits() | {
            "max_single_order_ratio": None if ratio is None else str(ratio),
            "own_capital": None if self.own_capital is None else str(self.own_capital),
        }

    def plan(self) -> Plan:
        made = plan(limits=self.limits, inst_id=self.instrument.inst_id)
        return replace(made, capital=self.capital)


async def decide(box: SizedToolbox, *triggers: Trigger, number: int = 1) -> Decision:
    """One turn over `box`."""
    box.turn_id, box.step = number, 0
    service = LangChainAgentService(None, FakeClock())
    return await service.run_turn(turn(*triggers, number=number, of=box.plan()), box)


def working(box: FakeToolbox) -> list[tuple[str, Decimal, Decimal | None]]:
    """Orders that rest."""
    return [(one.side.value, one.quantity, one.price) for one in box.pending()]


async def test_a_given_size_is_what_is_wished_for() -> None:
    """Also one far below the position limit, with its factors in the reason."""
    box = SizedToolbox(prediction=UP, capital=KELLY, size=Decimal("0.05"), proven=True)
    decision = await decide(box)
    assert working(box) == [("buy", Decimal("0.05"), Decimal("1999.99"))]
    assert "kelly sizing says 0.05 (skill 0.5)" in decision.reason


async def test_nothing_proven_is_nothing_bought_and_what_is_held_is_left() -> None:
    """The policy would buy by its own scale; by Kelly without skill it holds nothing."""
    box = SizedToolbox(prediction=UP, capital=KELLY, proven=False)
    assert (await decide(box)).action is Action.HOLD
    assert box.orders == {}
    box.held = Decimal("0.4")
    await decide(box, number=2)
    assert [(side, quantity) for side, quantity, _ in working(box)] == [("sell", Decimal("0.4"))]


async def test_a_proven_forecast_that_promises_nothing_today_leaves_what_is_held() -> None:
    """A size of nothing by a proven forecaster is an edge too small to go in again, not a reason to leave."""
    box = SizedToolbox(prediction=UP, capital=KELLY, proven=True, held=Decimal("0.5"))
    assert (await decide(box)).action is Action.HOLD
    assert box.orders == {}


@pytest.mark.parametrize(
    ("method", "sold"), [(SizingMethod.VOLATILITY_TARGET, Decimal("0.3")), (SizingMethod.FIXED, None)]
)
async def test_a_smaller_size_trims_what_is_held(method: SizingMethod, sold: Decimal | None) -> None:
    """When volatility rises, not when a fixed size was passed by the price."""
    capital = CapitalSettings(sizing=method, fixed_notional=Decimal(400))
    box = SizedToolbox(prediction=UP, capital=capital, size=Decimal("0.2"), held=Decimal("0.5"))
    await decide(box)
    assert [quantity for _, quantity, _ in working(box)] == ([] if sold is None else [sold])


async def test_no_size_is_asked_for_where_nothing_is_to_be_held() -> None:
    """Downwards without shorts; and a policy by its own scale never asks."""
    box = SizedToolbox(prediction=DOWN, capital=KELLY)
    await decide(box)
    own = SizedToolbox(prediction=UP)
    await decide(own)
    assert box.sides == own.sides == []


async def test_a_short_size() -> None:
    """Asked for on its side; a strong edge takes."""
    limits = RiskLimits(allow_short=True)
    box = SizedToolbox(
        instrument=SWAP, prediction=DOWN, capital=KELLY, limits=limits, size=Decimal(2), proven=True
    )
    await decide(box)
    assert box.sides == ["sell"]
    assert box.held == -2


async def test_a_tool_that_does_not_answer_is_no_size() -> None:
    """Held, with the tool's own words."""

    class Silent(SizedToolbox):
        async def get_position_size(self, *told: Any, **named: Any) -> dict[str, Any]:
            return {"error": "no price is known", "code": "not_available"}

    box = Silent(prediction=UP, capital=KELLY)
    decision = await decide(box)
    assert box.orders == {}
    assert "No size to go by: no price is known" in decision.reason


async def test_a_batch_is_entered_at_better_and_better_prices_and_stays_there() -> None:
    """Three resting orders, never one that takes; the next forecast does not move what stands in its place."""
    limits = RiskLimits(max_position_notional=Decimal(1500))
    box = SizedToolbox(prediction=STRONG, capital=BATCHES, limits=limits)
    decision = await decide(box)
    orders = working(box)
    assert [price for _, _, price in orders] == [Decimal("1999.99"), Decimal("1995.99"), Decimal("1991.99")]
    assert {side for side, _, _ in orders} == {"buy"}
    assert "buy in 3 orders, post_only" in decision.reason
    assert "accepted; accepted; accepted" in decision.reason
    whole = sum(quantity for _, quantity, _ in orders)
    assert Decimal(1400) < whole * 2000 <= Decimal(1485)
    again = await decide(box, number=2)
    assert again.action is Action.HOLD
    assert working(box) == orders


async def test_a_batch_left_behind_is_withdrawn() -> None:
    """The market went up by more than the batch reaches."""
    box = SizedToolbox(prediction=UP, capital=BATCHES)
    await decide(box)
    count = len(box.orders)
    assert count == 3
    box.last = Decimal(2030)
    await decide(box, number=2)
    assert sum(one.status is OrderStatus.CANCELED for one in box.orders.values()) == count


async def test_a_batch_leaves_by_dearer_and_dearer_sells_and_at_once_where_it_must() -> None:
    """The edge is gone: three sells upwards. One is thrown back by the exchange: out by what takes."""
    box = SizedToolbox(prediction=DOWN, capital=BATCHES, held=Decimal("0.3"))
    await decide(box)
    assert working(box) == [
        ("sell", Decimal("0.1"), Decimal("2000.01")),
        ("sell", Decimal("0.1"), Decimal("2004.02")),
        ("sell", Decimal("0.1"), Decimal("2008.03")),
    ]
    for name in list(box.orders):
        box.conclude(name, OrderStatus.CANCELED)
    box.events = [event for event in box.events if event.update.status is OrderStatus.CANCELED]
    await decide(box, woken(TriggerKind.ORDER_EVENT, *box.events), number=2)
    assert box.held == 0


async def test_the_ratio_cuts_what_adds_and_never_what_leaves() -> None:
    """A tenth of 1,000 with headroom; the way out is free."""
    limits = RiskLimits(max_single_order_ratio=Decimal("0.1"), capital=Decimal(1000))
    box = SizedToolbox(prediction=UP, limits=limits, own_capital=Decimal(1000))
    await decide(box)
    ((_, quantity, _),) = working(box)
    assert Decimal(98) < quantity * 2000 <= Decimal(99)
    leaving = SizedToolbox(prediction=DOWN, limits=limits, own_capital=Decimal(1000), held=Decimal("0.4"))
    await decide(leaving)
    assert [quantity for _, quantity, _ in working(leaving)] == [Decimal("0.4")]
    unknown = SizedToolbox(prediction=UP, limits=limits)
    await decide(unknown)
    assert unknown.orders == {}


async def test_after_a_trailing_stop_only_a_newer_forecast_goes_in_again() -> None:
    """The one that was stopped out is not tried twice."""
    box = SizedToolbox(prediction=UP, stopped_at=(START + timedelta(minutes=1)).isoformat())
    decision = await decide(box)
    assert box.orders == {}
    assert "nothing may be added now" in decision.reason
    box.prediction = prediction(0.57, 0.0035, at=START + timedelta(minutes=2))
    await decide(box, number=2)
    assert len(box.orders) == 1


@settings(max_examples=60, deadline=None)
@given(
    size=st.decimals(0, 5, places=3),
    count=st.integers(1, 6),
    order=st.integers(50, 3000),
    ratio=st.none() | st.decimals("0.01", 1, places=2),
    cash=st.integers(0, 20_000),
    held=st.decimals(0, 2, places=3),
    up=st.sampled_from((UP, DOWN, STRONG)),
)
async def test_whatever_it_wishes_the_gate_lets_it_through(
    size: Decimal, count: int, order: int, ratio: Decimal | None, cash: int, held: Decimal, up: dict[str, Any]
) -> None:
    """Sizes and batches are cut to every limit beforehand: the gate has nothing to deny, and no sum exceeds what was wished."""
    limits = RiskLimits(
        max_order_notional=Decimal(order),
        max_position_notional=Decimal(10_000),
        max_single_order_ratio=ratio,
        max_open_orders=4,
    )
    capital = CapitalSettings(sizing=SizingMethod.KELLY, avg_orders_per_batch=count)
    box = SizedToolbox(
        prediction=up,
        capital=capital,
        size=size,
        proven=True,
        limits=limits,
        own_capital=Decimal(10_000),
        cash=Decimal(cash),
        held=held,
    )
    await decide(box)
    assert box.denied == 0
    bought = sum(one.quantity for one in box.orders.values() if one.side is Side.BUY)
    assert bought <= max(size - held, Decimal(0))
    sold = sum(one.quantity for one in box.orders.values() if one.side is Side.SELL)
    assert sold <= held
