"""Scenarios that once ended in records that differ, and a few that everybody should be able to read."""

from __future__ import annotations

import pytest

from kokex.domain.instrument import Side
from kokex.domain.order import OrderType
from kokex.paper.faults import Fault, FaultPlan
from tests.simulation.conftest import Checked
from tests.simulation.scenario import (
    SPOT,
    SWAP,
    ByHand,
    CancelOne,
    Candle,
    CutDatabase,
    Disconnect,
    HandAmend,
    HandCancel,
    Kill,
    Pause,
    Place,
    PlanSpec,
    Scenario,
    Step,
    StopDatabase,
    Ticks,
    Trade,
    Wait,
)

BUY = Place(Side.BUY, OrderType.MARKET, 3)
SELL = Place(Side.SELL, OrderType.MARKET, 2)
RESTING = Place(Side.BUY, OrderType.LIMIT, 1, -3)


def _with(*faults: Fault, steps: tuple[Step, ...], plans: tuple[PlanSpec, ...] = (PlanSpec(),)) -> Scenario:
    return Scenario(7, plans, steps, FaultPlan(faults))


TRADES = {
    "a full fill without a trade id, pushed twice": _with(
        Fault(kind="fill_without_trade_id"),
        Fault(kind="duplicate_frame", channel="orders", nth=2, count=2),
        plans=(PlanSpec(inst_id=SWAP),),
        steps=(Trade(0, (BUY,)), Candle(), Wait(2.0), Trade(0, (SELL,)), Candle(), Disconnect()),
    ),
    "two balances in one millisecond, around a death": Scenario(
        41,
        (PlanSpec(inst_id=SWAP, max_open_orders=1), PlanSpec()),
        (
            Candle(),
            Wait(1.0),
            Kill(),
            ByHand(0, SWAP, Place(Side.SELL, OrderType.LIMIT, 6, -2)),
            ByHand(0, SWAP, Place(Side.BUY, OrderType.LIMIT, 4, -2)),
            Ticks(2),
            HandAmend(0, 1),
            Kill(6.0),
            Wait(8.0),
            ByHand(0, SWAP, Place(Side.BUY, OrderType.LIMIT, 1)),
        ),
    ),
}

DEATHS = {
    "the engine dies in the middle of trading": _with(
        steps=(
            Trade(0, (BUY, RESTING)),
            Candle(),
            Wait(0.2),
            Kill(0.5),
            Candle(),
            Kill(0.0),
            Wait(0.2),
            Kill(2.0),
        )
    ),
    "the engine starts while there is no database": _with(
        steps=(Trade(0, (BUY,)), Candle(), Wait(0.5), Kill(), StopDatabase(), Trade(0, (SELL,)), Candle())
    ),
    "the database is cut off while orders fill": _with(
        steps=(
            Trade(0, (BUY, RESTING)),
            Candle(),
            CutDatabase(),
            Ticks(5),
            CutDatabase(),
            Wait(1.0),
            Candle(),
        )
    ),
    "an answer is lost, and then the engine": _with(
        Fault(kind="cut_before_ack", path="POST trade/order", count=3),
        steps=(Trade(0, (BUY,)), Candle(), Wait(0.2), Kill(1.0), Ticks(8), Trade(0, (BUY,)), Candle()),
    ),
}

HANDS = {
    "the owner trades, cancels and amends while the engine is dead": _with(
        plans=(PlanSpec(), PlanSpec(inst_id=SWAP), PlanSpec(account=1)),
        steps=(
            Trade(0, (BUY, RESTING)),
            Trade(2, (BUY,)),
            Candle(),
            Wait(2.0),
            Kill(4.0),
            ByHand(0, SPOT, BUY),
            HandAmend(0, 0, 2),
            ByHand(1, SPOT, RESTING),
            HandCancel(0, 0),
            Ticks(6),
        ),
    ),
    "the owner sells what a plan holds": _with(
        plans=(PlanSpec(inst_id=SWAP),),
        steps=(Trade(0, (BUY,)), Candle(), Wait(2.0), ByHand(0, SWAP, SELL), Wait(2.0), Kill(), Ticks(3)),
    ),
    "a plan is paused and resumed around a cut": _with(
        Fault(kind="cut_socket", channel="orders", count=2),
        steps=(
            Trade(0, (RESTING, CancelOne())),
            Pause(0),
            Candle(),
            Disconnect(),
            Ticks(4),
            Pause(0),
            Candle(),
        ),
    ),
}


@pytest.mark.parametrize("scenario", TRADES.values(), ids=TRADES)
def test_what_once_went_wrong(scenario: Scenario, checked: Checked) -> None:
    """It no longer does."""
    checked.hold(scenario)


@pytest.mark.parametrize("scenario", DEATHS.values(), ids=DEATHS)
def test_deaths(scenario: Scenario, checked: Checked) -> None:
    """Whoever dies, and whenever: the records agree once all are back."""
    checked.hold(scenario)


@pytest.mark.parametrize("scenario", HANDS.values(), ids=HANDS)
def test_hands(scenario: Scenario, checked: Checked) -> None:
    """What the account's owner does besides is on record as his."""
    checked.hold(scenario)
