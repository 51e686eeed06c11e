"""Several cancellations: one that fails costs no other order its own."""

from __future__ import annotations

from decimal import Decimal
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from kokex.domain.errors import ExchangeStoppedError, KokexError, StateError, StoreUnavailableError
from kokex.domain.instrument import Side
from kokex.domain.order import OrderType
from kokex.ports.exchange import Accepted, Outcome, Rejected
from kokex.services.answers import Wish
from kokex.services.canceling import cancel_each
from kokex.services.closing import PositionClosing
from kokex.services.flattening import Flattening
from kokex.services.turn_budget import TurnBudget
from tests.builders import ETH, START, order, plan
from tests.fakes.clock import ManualClock
from tests.unit.services.trading_world import TradingWorld

NAMES = ("one", "two", "three", "four")


class Cancels:
    """Cancels by name, but for those that fail."""

    def __init__(self, **failures: Exception) -> None:
        self.failures, self.asked = failures, list[str]()

    async def __call__(self, name: str) -> Outcome:
        self.asked.append(name)
        if name in self.failures:
            raise self.failures[name]
        return Accepted(name) if name != "four" else Rejected("51400", "filled")


async def test_all_are_asked_for_and_their_outcomes_told() -> None:
    """In their order."""
    cancels = Cancels()
    outcomes = await cancel_each(cancels, NAMES)
    assert cancels.asked == list(NAMES) == list(outcomes)
    assert isinstance(outcomes["four"], Rejected)


@pytest.mark.parametrize(
    ("failures", "kind"),
    [
        ({"one": ExchangeStoppedError("bad key", code="50111")}, ExchangeStoppedError),
        (
            {"two": StoreUnavailableError("away"), "four": ExchangeStoppedError("bad key")},
            StoreUnavailableError,
        ),
        ({"one": ZeroDivisionError("a fault")}, StateError),
        ({name: StoreUnavailableError("away") for name in NAMES}, StoreUnavailableError),
    ],
)
async def test_failures_are_told_together(failures: dict[str, Exception], kind: type[KokexError]) -> None:
    """Once all were tried, with the name and the reason of each."""
    cancels = Cancels(**failures)
    with pytest.raises(kind, match=f"{len(failures)} of 4 orders not cancelled") as raised:
        await cancel_each(cancels, NAMES)
    assert cancels.asked == list(NAMES)
    for name, error in failures.items():
        assert f"{name}: " in str(raised.value) and str(error) in str(raised.value)


async def _with_three_resting() -> tuple[TradingWorld, list[str]]:
    """A plan with three resting buys, and their names."""
    made = plan()
    world = TradingWorld(Random(4), ETH, [made], Decimal(100_000))
    world.watch = lambda request, **told: None
    step = 0
    while len(world.live) < 3:
        wish = Wish(Side.BUY, OrderType.LIMIT, Decimal("0.01"), Decimal(1990))
        await world.trading.submit(world.session, made, 1, step, wish, TurnBudget(1, 1, _grant(world)))
        step += 1
    return world, [name for name in world.ledgers.of(1).pending if name in world.live]


def _grant(world: TradingWorld) -> Any:
    return world.pictures.budget(world.session, world.plans[1], 1).left


def _break_first(world: TradingWorld, names: list[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The exchange stops answering for the first order alone; the names that it was asked to cancel."""
    asked: list[str] = []

    async def cancel(inst_id: str, name: str) -> Outcome:
        asked.append(name)
        if name == names[0]:
            raise ExchangeStoppedError("no permission")
        world.ledgers.of(1).close(name)
        return Accepted(name)

    monkeypatch.setattr(world, "cancel", cancel, raising=False)
    return asked


async def test_a_plan_that_is_stopped_has_all_its_orders_canceled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first cannot be: the others are, and whoever asked hears of it."""
    world, names = await _with_three_resting()
    asked = _break_first(world, names, monkeypatch)

    async def pending(plan_id: int) -> list[Any]:
        return [*world.ledgers.of(1).pending.values(), order(client_order_id=None, created_at=START)]

    monkeypatch.setattr(world.record, "pending", pending, raising=False)
    with pytest.raises(ExchangeStoppedError, match="no permission"):
        await world.trading.cancel_all(world.session, world.plans[1])
    assert set(names) <= set(asked)


async def test_so_has_one_whose_holding_a_halt_or_a_trailing_stop_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every order that can be canceled is."""
    world, names = await _with_three_resting()
    asked = _break_first(world, names, monkeypatch)
    flattening = Flattening(ManualClock(), world.ledgers, world.trading, SimpleNamespace())  # type: ignore[arg-type]
    with pytest.raises(ExchangeStoppedError):
        await flattening.cancel_open(world.session, world.plans[1])
    assert set(names) <= set(asked)


async def test_and_one_whose_agent_closes_its_position(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent to end the holding while an order may still fill."""
    world, names = await _with_three_resting()
    asked = _break_first(world, names, monkeypatch)
    ledger = world.ledgers.of(1)
    ledger.book = SimpleNamespace(quantity=Decimal(1), instrument=ETH)  # type: ignore[assignment]

    async def stop_all(*told: Any) -> None:
        return None

    executing: Any = SimpleNamespace(stop_all=stop_all)
    closing = PositionClosing(ManualClock(), ledger, world.trading, world.pictures, executing)
    sent = len(world.let_through)
    with pytest.raises(ExchangeStoppedError):
        await closing.close(world.session, world.plans[1], (2, 0), None, TurnBudget(1, 2, _grant(world)))
    assert set(names) <= set(asked)
    assert len(world.let_through) == sent
