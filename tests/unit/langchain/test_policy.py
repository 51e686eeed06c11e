"""The built-in policy: sensible in each scenario, bounded always, and honest in its words."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokex.adapters.bootstrap_forecaster import BlockBootstrapForecaster
from kokex.adapters.langchain import LangChainAgentService
from kokex.domain.candle import CandleSeries
from kokex.domain.decision import Action, Decision, Trigger
from kokex.domain.instrument import Instrument, Side
from kokex.domain.limits import RiskLimits
from kokex.domain.order import OrderStatus, OrderType
from kokex.domain.plan import TriggerKind
from tests.unit.langchain.fake_toolbox import (
    HOUR,
    SPOT,
    SWAP,
    FakeClock,
    FakeToolbox,
    event_of,
    hours,
    plan,
    prediction,
    prediction_of,
    turn,
    woken,
)

UP, DOWN, NONE = prediction(0.57, 0.0035), prediction(0.43, -0.0035), prediction(0.50, 0.0001)
STRONG = prediction(0.60, 0.008)
SHORTS = RiskLimits(allow_short=True)


async def decide(box: FakeToolbox, *triggers: Trigger, number: int = 1) -> Decision:
    """One turn over `box`."""
    box.turn_id, box.step = number, 0
    service = LangChainAgentService(None, FakeClock())
    of = plan(limits=box.limits, inst_id=box.instrument.inst_id)
    return await service.run_turn(turn(*triggers, number=number, of=of), box)


async def settle(box: FakeToolbox, *, first: int = 2, most: int = 30) -> list[Decision]:
    """Tell the policy its own events until it makes none any more."""
    decisions: list[Decision] = []
    told = 0
    while len(box.events) > told:
        events, told = box.events[told:], len(box.events)
        decisions.append(
            await decide(box, woken(TriggerKind.ORDER_EVENT, *events), number=first + len(decisions))
        )
        assert len(decisions) <= most, "the policy chases its own events"
    return decisions


def placed(box: FakeToolbox) -> list[tuple[str, str, Decimal, Decimal | None]]:
    """Orders asked for."""
    return [
        (order.side.value, order.order_type, order.quantity, order.price) for order in box.orders.values()
    ]


async def test_an_upward_edge_is_bought_at_the_touch() -> None:
    """Flat and an edge after fees: a post-only bid at the best bid, within the limit of one order."""
    box = FakeToolbox(prediction=UP)
    decision = await decide(box)
    [(side, order_type, quantity, price)] = placed(box)
    assert (side, order_type, price) == ("buy", "post_only", Decimal("1999.99"))
    assert Decimal(980) < quantity * 2000 <= Decimal(1000)
    assert (
        decision.action is Action.ACT and decision.model == "built-in policy" and decision.confidence is None
    )


async def test_a_strong_edge_is_taken_at_the_market_and_built_up_to_the_target() -> None:
    """Each fill wakes it for the next slice; at the target it holds."""
    box = FakeToolbox(prediction=STRONG)
    await decide(box)
    decisions = await settle(box)
    assert {order_type for _, order_type, _, _ in placed(box)} == {"market"}
    assert Decimal("0.9") * 5000 < box.held * box.last <= 5000
    assert decisions[-1].action is Action.HOLD and box.denied == 0


@pytest.mark.parametrize("kind", [TriggerKind.RISK_EVENT, TriggerKind.MARGIN])
async def test_nothing_is_added_when_the_ground_has_moved(kind: TriggerKind) -> None:
    """Until the market has something new to say; a warning of liquidation goes before that too."""
    box = FakeToolbox(prediction=UP)
    decision = await decide(box, woken(kind))
    assert placed(box) == []
    assert decision.reason.endswith(
        {
            TriggerKind.RISK_EVENT: "what may be done has just changed, and the market has nothing new to say.",
            TriggerKind.MARGIN: "the exchange warns that a position is near its liquidation.",
        }[kind]
    )
    await decide(box, woken(kind), woken(TriggerKind.FORECAST), number=2)
    assert len(placed(box)) == (1 if kind is TriggerKind.RISK_EVENT else 0)


@pytest.mark.parametrize("kind", [TriggerKind.SCHEDULE, TriggerKind.PRICE_ALERT])
async def test_a_schedule_and_an_alert_are_looks_at_the_market(kind: TriggerKind) -> None:
    box = FakeToolbox(prediction=UP)
    await decide(box, woken(kind))
    assert len(placed(box)) == 1


async def test_no_edge_no_order() -> None:
    """A coin toss whose mean does not pay the fees is left alone."""
    box = FakeToolbox(prediction=NONE)
    decision = await decide(box)
    assert decision.action is Action.HOLD and placed(box) == []


async def test_a_downward_edge_without_shorts_sells_what_is_held_and_no_more() -> None:
    """Spot goes flat in slices; the last order is what is left, to the lot."""
    box = FakeToolbox(prediction=DOWN, held=Decimal("1.2345678"))
    await decide(box)
    for number in range(10):
        resting = box.pending()
        if not resting:
            break
        box.fill(resting[0].client_order_id or "", resting[0].price or box.last)
        await decide(box, woken(TriggerKind.ORDER_EVENT, box.events[-1]), number=2 + number)
    assert 0 <= box.held < SPOT.lot_size and box.denied == 0


async def test_a_downward_edge_goes_short_where_that_is_allowed() -> None:
    """Swaps: contracts, signed."""
    box = FakeToolbox(instrument=SWAP, limits=SHORTS, prediction=prediction(0.40, -0.008))
    await decide(box)
    await settle(box)
    assert box.held < 0 and -box.held * SWAP.contract_value * box.last <= 5000


async def test_a_held_position_is_kept_while_the_edge_is_neither_there_nor_gone() -> None:
    """Hysteresis: no trade between the thresholds, out below the lower one."""
    box = FakeToolbox(held=Decimal("0.5"), prediction=prediction(0.49, 0.0005))
    assert (await decide(box)).action is Action.HOLD
    box.prediction = prediction(0.46, 0.0005)
    assert (await decide(box, number=2)).action is Action.ACT
    assert placed(box)[0][0] == "sell"


async def test_without_a_forecast_it_holds_and_says_why() -> None:
    """It has no view of its own."""
    box = FakeToolbox(held=Decimal(1))
    decision = await decide(box)
    assert decision.action is Action.HOLD and "no forecast has been made yet" in decision.reason
    assert placed(box) == []


async def test_a_stale_forecast_is_not_acted_on() -> None:
    """More than two intervals old by the market's own time."""
    box = FakeToolbox(prediction=STRONG)
    box.now += hours(2.5)
    decision = await decide(box)
    assert decision.action is Action.HOLD and "too old" in decision.reason and placed(box) == []


@pytest.mark.parametrize("missing", ["last", "quantity", "tick_size", "orders", "probability_up"])
async def test_an_answer_that_lacks_something_is_a_hold_that_names_it(missing: str) -> None:
    """Nothing is guessed."""

    class Box(FakeToolbox):
        async def get_current_price(self) -> dict[str, Any]:
            return self.without(await super().get_current_price())

        async def get_positions(self) -> dict[str, Any]:
            return self.without(await super().get_positions())

        async def get_trading_limits(self) -> dict[str, Any]:
            return self.without(await super().get_trading_limits())

        async def get_pending_orders(self) -> dict[str, Any]:
            return self.without(await super().get_pending_orders())

        async def query_prediction_data(self) -> dict[str, Any]:
            return self.without(await super().query_prediction_data())

        def without(self, answer: dict[str, Any]) -> dict[str, Any]:
            return {name: value for name, value in answer.items() if name != missing}

    box = Box(prediction=UP)
    decision = await decide(box)
    assert decision.action is Action.HOLD and missing in decision.reason and placed(box) == []


async def test_an_unwanted_or_outrun_order_is_withdrawn_at_the_next_forecast() -> None:
    """A bid that the market left behind is moved; a bid that nobody wants any more goes."""
    box = FakeToolbox(prediction=UP)
    await decide(box)
    box.last = Decimal(2010)
    box.prediction = prediction(0.57, 0.0035, price=2010)
    decision = await decide(box, number=2)
    first, *rest = box.orders.values()
    assert first.status is OrderStatus.CANCELED and "away from the touch" in decision.reason
    await settle(box, first=3)
    assert [order.price for order in box.pending()] == [Decimal("2009.99")] and len(rest) <= 1
    box.prediction = prediction(0.43, -0.0035, price=2010)
    decision = await decide(box, number=9)
    assert box.pending() == [] and "no buy is wanted now" in decision.reason


async def test_an_order_that_is_in_place_is_left_working() -> None:
    """No cancel, no second order: what rests counts as if it had filled."""
    box = FakeToolbox(limits=RiskLimits(max_order_notional=Decimal(5000)), prediction=UP)
    await decide(box)
    resting = box.pending()
    decision = await decide(box, number=2)
    assert decision.action is Action.HOLD and "orders still working: 1" in decision.reason
    assert len(resting) == 1 and box.pending() == resting


async def test_a_partial_fill_waits_for_the_rest() -> None:
    """The remainder still works, so nothing is missing."""
    box = FakeToolbox(limits=RiskLimits(max_order_notional=Decimal(5000)), prediction=UP)
    await decide(box)
    [order] = box.pending()
    box.fill(order.client_order_id or "", order.price or box.last, Decimal("0.4"))
    decision = await decide(box, woken(TriggerKind.ORDER_EVENT, box.events[-1]), number=2)
    assert decision.action is Action.HOLD and len(box.orders) == 1


@pytest.mark.parametrize("status", [OrderStatus.REJECTED, OrderStatus.CANCELED])
async def test_an_order_that_the_exchange_will_not_have_is_not_asked_for_again(status: OrderStatus) -> None:
    """Rejected, or canceled the moment it came: hold until the next forecast, then try once more."""
    box = FakeToolbox(prediction=UP)
    await decide(box)
    [order] = box.pending()
    if status is OrderStatus.CANCELED:
        box.conclude(order.client_order_id or "", status)
        event = box.events[-1]
    else:
        box.conclude(order.client_order_id or "", OrderStatus.CANCELED)
        event = event_of(replace(box.events[-1].update, status=status))
    decision = await decide(box, woken(TriggerKind.ORDER_EVENT, event), number=2)
    assert decision.action is Action.HOLD and "would not keep" in decision.reason
    assert (await decide(box, number=3)).action is Action.ACT


async def test_a_way_out_that_was_canceled_is_taken_at_the_market() -> None:
    """Leaving matters more than the fee; a market order that fails is not repeated."""
    box = FakeToolbox(prediction=DOWN, held=Decimal("0.4"))
    await decide(box)
    [order] = box.pending()
    assert order.order_type == OrderType.POST_ONLY
    box.conclude(order.client_order_id or "", OrderStatus.CANCELED)
    canceled = box.events[-1]
    await decide(box, woken(TriggerKind.ORDER_EVENT, canceled), number=2)
    assert placed(box)[-1][1] == "market"
    refused = event_of(replace(canceled.update, order_type="market", status=OrderStatus.REJECTED))
    box.held = Decimal("0.4")
    decision = await decide(box, woken(TriggerKind.ORDER_EVENT, refused), number=3)
    assert decision.action is Action.HOLD and len(box.orders) == 2


async def test_a_denial_is_read_and_told() -> None:
    """The gate's sentence is part of the reason, and the decision is a hold: nothing was sent."""

    class Box(FakeToolbox):
        async def get_trading_limits(self) -> dict[str, Any]:
            return await super().get_trading_limits() | {"max_order_notional": "1000"}

    box = Box(limits=RiskLimits(max_order_notional=Decimal(10)), prediction=UP)
    decision = await decide(box)
    assert box.denied == 1 and decision.action is Action.HOLD
    assert "denied" in decision.reason and "over the limit of 10 USDT" in decision.reason


BOUGHT = {
    "decision": 7,
    "started_at": "2025-06-01T00:00:00.000Z",
    "woken_by": "forecast",
    "status": "done",
    "action": "act",
    "reason": "probability_up 0.61 is worth it.",
    "orders": [
        {
            "client_order_id": "KX1",
            "side": "buy",
            "order_type": "market",
            "quantity": "0.1",
            "price": None,
            "status": "filled",
            "filled_quantity": "0.1",
            "average_price": "2000.01",
            "reason": None,
        }
    ],
    "fees": {"ETH": "-0.0001"},
    "pnl_after_fees": "1.25",
}
HELD = BOUGHT | {"decision": 9, "action": "hold", "reason": "Enough is held.", "orders": [], "fees": {}}
SOLD = BOUGHT | {"decision": 8, "orders": [BOUGHT["orders"][0] | {"side": "sell"}]}  # type: ignore[index]


async def test_a_message_is_answered_from_the_record() -> None:
    """The decision that the question means, its numbers, what became of it, and the newest; it trades nothing for a message."""
    box = FakeToolbox(prediction=UP, past=[HELD, SOLD, BOUGHT])
    decision = await decide(box, woken(TriggerKind.USER, text="Why did you buy?"))
    for words in ("Decision 7", "woken by forecast", "probability_up 0.61", "filled 0.1 at 2000.01 USDT"):
        assert words in decision.reason
    assert "-0.0001 ETH" in decision.reason and "1.25 USDT after fees" in decision.reason
    assert "Decision 9" in decision.reason and "Decision 8" not in decision.reason
    assert decision.action is Action.HOLD and "place_order" not in box.used


@pytest.mark.parametrize(
    ("text", "named"), [("why did you sell?", 8), ("what now?", 8), ("我想知道为什么买", 7)]
)
async def test_which_decision_a_message_means(text: str, named: int) -> None:
    """The newest of the side that it names; the newest with an order otherwise."""
    decision = await decide(FakeToolbox(past=[HELD, SOLD, BOUGHT]), woken(TriggerKind.USER, text=text))
    assert f"Decision {named}" in decision.reason


async def test_a_message_before_any_decision() -> None:
    """Says so."""
    decision = await decide(FakeToolbox(), woken(TriggerKind.USER, text="buy everything"))
    assert "asked for no order yet" in decision.reason and decision.action is Action.HOLD


async def test_a_message_beside_a_forecast_is_answered_and_the_forecast_acted_on() -> None:
    """One turn does both."""
    box = FakeToolbox(prediction=UP, past=[BOUGHT])
    decision = await decide(box, woken(TriggerKind.USER, text="why?"), woken(TriggerKind.FORECAST))
    assert "Decision 7" in decision.reason and "Asked to buy" in decision.reason
    assert decision.action is Action.ACT


async def test_the_reason_has_the_numbers_that_were_used() -> None:
    """probability_up, expected return, spread, fees, quantity, outcome; and no claim of skill."""
    decision = await decide(FakeToolbox(prediction=UP))
    for words in (
        "probability_up 0.57 over 24 candles",
        "expected +0.35%",
        "spread of 3.00%",
        "fees of 0.20%",
        "buy 0.4",
    ):
        assert words in decision.reason
    assert not re.search(r"confident|certain|will rise|skill", decision.reason)


async def test_every_look_and_order_is_in_the_record() -> None:
    """The tool calls of the decision are the calls that the toolbox saw, in order."""
    box = FakeToolbox(prediction=UP)
    decision = await decide(box)
    assert [call.name for call in decision.tool_calls] == box.used


chances = st.floats(0, 1)
moves = st.floats(-0.2, 0.2)


@given(
    p=chances,
    expected=moves,
    spread=st.floats(0, 0.5),
    held=st.decimals(0, 10, places=7),
    cash=st.decimals(0, 20000, places=2),
    swap=st.booleans(),
    short=st.booleans(),
    order_limit=st.decimals("0.01", 10000, places=2),
    position_limit=st.decimals("0.01", 20000, places=2),
    last=st.decimals("0.02", 100000, places=2),
)
async def test_whatever_the_market_it_stays_within_bounds(
    *,
    p: float,
    expected: float,
    spread: float,
    held: Decimal,
    cash: Decimal,
    swap: bool,
    short: bool,
    order_limit: Decimal,
    position_limit: Decimal,
    last: Decimal,
) -> None:
    """At most one order a turn; spot never sells more than is held; nothing is ever denied for size, steps or shorts."""
    instrument: Instrument = SWAP if swap else SPOT
    limits = RiskLimits(
        max_order_notional=order_limit, max_position_notional=position_limit, allow_short=swap and short
    )
    box = FakeToolbox(
        instrument=instrument,
        limits=limits,
        held=held,
        cash=cash,
        last=last,
        prediction=prediction(p, expected, spread=spread, price=float(last)),
    )
    before = held
    await decide(box)
    asked = placed(box)
    assert len(asked) <= 1
    for side, _, quantity, _ in asked:
        assert side == "buy" or limits.allow_short or quantity <= before
    assert box.denied == 0
    decisions = await settle(box)
    assert limits.allow_short or box.held >= 0
    assert all(
        len([call for call in made.tool_calls if call.name == "place_order"]) <= 1 for made in decisions
    )


@pytest.mark.parametrize("instrument", [SPOT, SWAP])
async def test_over_a_hundred_candles_of_a_made_up_market_it_trades_and_never_loops(
    instrument: Instrument,
) -> None:
    """Bootstrap forecasts of a random walk: fills happen, the gate denies nothing, each candle takes a few turns."""
    random = np.random.default_rng(11)
    closes = 2000 * np.exp(np.cumsum(random.normal(0, 0.006, 500)))
    opens = np.concatenate([[2000.0], closes[:-1]])
    values = np.column_stack(
        [
            opens,
            np.maximum(opens, closes) * 1.002,
            np.minimum(opens, closes) * 0.998,
            closes,
            np.full(500, 100.0),
            np.full(500, np.nan),
        ]
    )
    times = 1_735_689_600 + 3600 * np.arange(500, dtype=np.int64)
    box = FakeToolbox(instrument=instrument, limits=RiskLimits(allow_short=instrument is SWAP))
    number = 0
    for at in range(400, 500):
        seen = CandleSeries("ETH-USDT", HOUR, times[at - 400 : at], values[at - 400 : at])
        box.now, box.last = seen.close_time, instrument.round_price(Decimal(str(seen.closes[-1])))
        box.prediction = prediction_of(
            BlockBootstrapForecaster().forecast(seen, horizon=24, paths=256, seed=0)
        )
        number = await _turns(box, number, [woken(TriggerKind.FORECAST)])
        box.now += hours(0.5)
        low, high = Decimal(str(values[at][2])), Decimal(str(values[at][1]))
        told = len(box.events)
        for order in box.pending():
            if order.price and (low < order.price if order.side is Side.BUY else high > order.price):
                box.last = order.price
                box.fill(order.client_order_id or "", order.price)
        if len(box.events) > told:
            number = await _turns(box, number, [woken(TriggerKind.ORDER_EVENT, *box.events[told:])])
    assert box.fills >= 4 and box.denied == 0


async def _turns(box: FakeToolbox, number: int, triggers: list[Trigger]) -> int:
    """Turns until nothing new happens; the last turn's number."""
    for _ in range(20):
        told = len(box.events)
        number += 1
        await decide(box, *triggers, number=number)
        if len(box.events) == told:
            return number
        triggers = [woken(TriggerKind.ORDER_EVENT, *box.events[told:])]
    raise AssertionError("the policy chases its own events")
