"""Scenarios from one number, or from hypothesis: the same choices, made by whom you like."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from typing import Any, Protocol, TypeVar

from hypothesis import strategies as st

from kokex.domain.instrument import Side
from kokex.domain.order import OrderType
from kokex.paper.faults import KINDS, Fault, FaultPlan
from kokex.paper.faults.kinds import Site
from tests.simulation.scenario import (
    SPOT,
    SWAP,
    ByHand,
    CancelOne,
    Candle,
    CutDatabase,
    Deed,
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
    Strike,
    Ticks,
    Trade,
    Wait,
)

T = TypeVar("T")


class Choices(Protocol):
    """Who chooses. The first of several, and the smallest number, are the simplest."""

    def pick(self, among: Sequence[T]) -> T:
        """One of them."""
        ...

    def number(self, least: int, most: int) -> int:
        """Both ends included."""
        ...


class RandomChoices:
    """Chooses by a seed."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def pick(self, among: Sequence[T]) -> T:
        """See `Choices`."""
        return self._random.choice(among)

    def number(self, least: int, most: int) -> int:
        """See `Choices`."""
        return self._random.randint(least, most)


class DrawnChoices:
    """Lets hypothesis choose, which then finds the smallest scenario that fails."""

    def __init__(self, draw: Callable[[Any], Any]) -> None:
        self._draw = draw

    def pick(self, among: Sequence[T]) -> T:
        """See `Choices`."""
        chosen: T = self._draw(st.sampled_from(among))
        return chosen

    def number(self, least: int, most: int) -> int:
        """See `Choices`."""
        return int(self._draw(st.integers(least, most)))


def from_seed(seed: int) -> Scenario:
    """The scenario of that number."""
    return make(RandomChoices(seed), market=seed % 1000)


@st.composite
def scenarios(draw: Any) -> Scenario:
    """Any scenario."""
    return make(DrawnChoices(draw), market=draw(st.integers(0, 999)))


def make(choose: Choices, *, market: int) -> Scenario:
    """A scenario by `choose`."""
    plans = tuple(_plan(choose, number) for number in range(choose.number(1, 3)))
    faults = FaultPlan(tuple(_fault(choose) for _ in range(choose.number(0, 6))), choose.number(0, 99))
    steps: list[Step] = [_trade(choose, plans), Candle(), Wait(1.0)]
    steps += [_step(choose, plans) for _ in range(choose.number(2, 14))]
    return Scenario(market, plans, tuple(steps), faults, early=choose.pick((False, False, False, True)))


def _plan(choose: Choices, number: int) -> PlanSpec:
    account = choose.number(0, number)
    return PlanSpec(
        min(account, 2),
        choose.pick((SPOT, SWAP)),
        max_open_orders=choose.pick((4, 1, 2)),
        max_position=choose.pick((6000, 1500)),
    )


def _trade(choose: Choices, plans: Sequence[PlanSpec]) -> Trade:
    deeds = tuple(_deed(choose) for _ in range(choose.number(1, 3)))
    return Trade(choose.number(0, len(plans) - 1), deeds)


def _deed(choose: Choices) -> Deed:
    return CancelOne(choose.number(0, 3)) if choose.number(0, 4) == 4 else _place(choose)


def _place(choose: Choices) -> Place:
    order_type = choose.pick(
        (OrderType.MARKET, OrderType.LIMIT, OrderType.LIMIT, OrderType.POST_ONLY, OrderType.IOC)
    )
    side = choose.pick((Side.BUY, Side.BUY, Side.SELL))
    above = 0 if order_type is OrderType.MARKET else choose.number(-3, 2)
    return Place(side, order_type, choose.number(1, 6), above)


def _step(choose: Choices, plans: Sequence[PlanSpec]) -> Step:
    account = choose.pick([plan.account for plan in plans])
    plan = choose.number(0, len(plans) - 1)
    makers: list[tuple[int, Callable[[], Step]]] = [
        (5, lambda: _trade(choose, plans)),
        (4, Candle),
        (4, lambda: Ticks(choose.number(1, 8))),
        (4, lambda: Wait(choose.pick((0.2, 1.0, 4.0)))),
        (2, lambda: ByHand(account, choose.pick((plans[plan].inst_id, SPOT, SWAP)), _place(choose))),
        (2, lambda: HandCancel(account, choose.number(0, 3))),
        (1, lambda: HandAmend(account, choose.number(0, 3), choose.pick((1, -1, 3)))),
        (1, Disconnect),
        (3, lambda: Kill(choose.pick((0.0, 0.5, 2.0, 6.0)))),
        (1, CutDatabase),
        (1, StopDatabase),
        (1, lambda: Pause(plan)),
        (5, lambda: Strike(_fault(choose))),
    ]
    weighted = [maker for weight, maker in makers for _ in range(weight)]
    return choose.pick(weighted)()


# -- faults

_CHANNELS = ("orders", "", "account", "positions", "balance_and_position", "candle*", "tickers")
_PATHS = (
    "",
    "*order",
    "POST trade/order",
    "POST trade/cancel-order",
    "GET *",
    "GET trade/*",
    "GET account/*",
    "market/*",
)
_SECONDS = (0.5, 2.0, 8.0)
_NOT_BY_CHANCE = {"clock_skew"}
"""An exchange whose clock is another from request to request stops the account until a person acts: see `docs/guarantees.md`."""
_STOPPING_LOGINS = ("60005", "60024", "60032")
"""Refusals after which a person must act, where they come twice."""


def _fault(choose: Choices) -> Fault:
    kind = KINDS[choose.pick(list(KINDS))]
    fields: dict[str, Any] = {"kind": kind.name}
    if kind.site is Site.PUSH:
        fields["channel"] = choose.pick(_CHANNELS)
    elif kind.site is Site.REQUEST:
        fields["path"] = choose.pick(_PATHS)
    elif kind.site is Site.COMMAND:
        fields["path"] = choose.pick(("", "*order", "POST trade/order"))
    codes = [code for code in kind.codes if code not in _STOPPING_LOGINS]
    if codes:
        fields["code"] = choose.pick(codes)
    if kind.takes_seconds:
        fields["seconds"] = choose.pick(_SECONDS)
    if kind.name == "clock_skew":
        fields["seconds"] = choose.pick((45.0, -45.0))
    fault = Fault(**fields, nth=choose.pick((1, 1, 2, 4)), count=choose.pick((1, 2, 4)))
    often = choose.number(0, 4) == 4
    if often and kind.name not in _NOT_BY_CHANCE:
        return replace(fault, nth=1, count=12, probability=0.3)
    return fault
