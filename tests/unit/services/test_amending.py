"""Changes of orders between the gate and the exchange: what counts until their outcome is known, and how it becomes known."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from kokex.domain.amendment import Amendment, AmendmentStatus
from kokex.domain.errors import NotFoundError, StoreUnavailableError
from kokex.domain.instrument import Side
from kokex.domain.limits import RiskLimits
from kokex.domain.order import Order, OrderType
from kokex.services.answers import Wish
from kokex.services.trading import SETTLED_AFTER
from tests.builders import ETH, plan
from tests.unit.services.trading_world import TradingWorld

FATES = {"taken": 0.5, "refused": 0.05, "unknown": 0.9}
"""What the world does with a command at that throw of its dice."""


class Dice(Random):
    """Falls as it is told."""

    fall = 0.5

    def random(self) -> float:
        return self.fall


def world_of() -> TradingWorld:
    """One plan that may hold 1,000 USDT of ETH at 2,000."""
    chosen = RiskLimits(
        max_order_notional=Decimal(1000),
        max_position_notional=Decimal(1000),
        max_account_notional=Decimal(5000),
    )
    made = TradingWorld(Dice(), ETH, [plan(limits=chosen)], Decimal(10_000))
    made.watch = lambda request, **more: None
    return made


async def resting(world: TradingWorld, quantity: str = "0.1") -> str:
    """A limit buy at 2,000 that the exchange took and the journal heard of."""
    buy = Wish(Side.BUY, OrderType.LIMIT, Decimal(quantity), Decimal(2000))
    step = len(world.record.orders)
    answer = await world.trading.submit(world.session, world.plans[1], 1, step, buy)
    assert answer.code is None
    return answer.order.client_order_id or ""


async def amend(world: TradingWorld, name: str, fate: str = "taken", **change: str) -> Any:
    """Ask for a change that the exchange treats so."""
    dice = world.random
    assert isinstance(dice, Dice)
    dice.fall = FATES[fate]
    wanted = {word: Decimal(value) for word, value in change.items()}
    told = await world.trading.amend(
        world.session, world.plans[1], name, wanted.get("quantity"), wanted.get("price"), origin=(1, 9)
    )
    dice.fall = FATES["taken"]
    return told


def kept(world: TradingWorld, name: str) -> tuple[Order, Order]:
    """The order on record and in the ledger."""
    return world.record.orders[name], world.ledgers.of(1).pending[name]


@pytest.mark.parametrize("fate", ["taken", "unknown"])
def test_the_larger_counts_until_an_event_tells(fate: str) -> None:
    """A new order that fits beside the old one alone is denied; once the change is known to have failed it passes."""

    async def run() -> None:
        world = world_of()
        name = await resting(world)
        told = await amend(world, name, fate, quantity="0.4")
        assert told.code == (None if fate == "taken" else "unknown")
        assert kept(world, name)[1].remaining == Decimal("0.4")
        beside = Wish(Side.BUY, OrderType.LIMIT, Decimal("0.2"), Decimal(2000))
        denied = await world.trading.submit(world.session, world.plans[1], 2, 0, beside)
        assert denied.code == "position_too_large"
        again = await amend(world, name, price="1990")
        assert again.code == "amendment_undecided"

        one = world.live[name]
        one.asked.clear()
        one.answer = ("A1", "-1")
        world.tell()
        assert kept(world, name)[1].amendments[-1].status is AmendmentStatus.FAILED
        passed = await world.trading.submit(world.session, world.plans[1], 2, 1, beside)
        assert passed.code is None
        await world.look_after_changes()
        assert kept(world, name)[0].amendments[-1].status is AmendmentStatus.FAILED

    asyncio.run(run())


def test_the_same_step_asks_once() -> None:
    """A turn that is run again finds its change; its intent was on record before it went out."""

    async def run() -> None:
        world = world_of()
        name = await resting(world)
        first = await amend(world, name, quantity="0.2")
        second = await amend(world, name, quantity="0.2")
        assert (first.code, second.code) == (None, "already_submitted")
        assert len(world.changes) == 1 and second.change.request_id == "A1"

    asyncio.run(run())


def test_a_refused_change_leaves_the_order() -> None:
    """Nothing of it counts any more, and the cash is free again at the next look."""

    async def run() -> None:
        world = world_of()
        name = await resting(world)
        before = world.session.free_cash("USDT")
        told = await amend(world, name, "refused", quantity="0.4")
        assert (told.code, told.change.status) == ("51503", AmendmentStatus.REJECTED)
        assert kept(world, name)[1].remaining == Decimal("0.1")
        world.clock.moment += timedelta(seconds=1)
        world.look()
        assert world.session.free_cash("USDT") == before

    asyncio.run(run())


def test_a_lost_answer_is_looked_after_on_the_order_itself() -> None:
    """Shown with the change: it was made. Still without it half a minute later: it was not."""

    async def run() -> None:
        for made in (True, False):
            world = world_of()
            name = await resting(world)
            await amend(world, name, "unknown", quantity="0.4")
            one = world.live[name]
            one.asked = [("A1", replace(one.request, quantity=Decimal("0.4")))] if made else []
            world.change()
            one.answer = None
            world.tell()
            await world.look_after_changes()
            if not made:
                assert kept(world, name)[1].remaining == Decimal("0.4")
                world.clock.moment += SETTLED_AFTER
                await world.look_after_changes()
            status = AmendmentStatus.APPLIED if made else AmendmentStatus.FAILED
            total = Decimal("0.4") if made else Decimal("0.1")
            for order in kept(world, name):
                assert (order.amendments[-1].status, order.quantity, order.remaining) == (
                    status,
                    total,
                    total,
                )

    asyncio.run(run())


def test_an_order_that_is_not_the_plans_is_not_found() -> None:
    """Nor one that never was."""

    async def run() -> None:
        world = world_of()
        with pytest.raises(NotFoundError):
            await amend(world, "KXtestP1D1S7", price="1990")

    asyncio.run(run())


@pytest.mark.parametrize("error", [StoreUnavailableError("no answer"), asyncio.CancelledError()])
def test_a_change_on_record_that_never_went_out_is_told_so(error: BaseException) -> None:
    """The database took it and the answer was lost, or the turn's time was over: the order is as it was, and counts as that."""

    async def run() -> None:
        world = world_of()
        name = await resting(world, "0.4")
        keep = world.record.amend

        async def unanswered(*told: Any, **more: Any) -> bool:
            await keep(*told, **more)
            raise error

        world.record.amend = unanswered  # type: ignore[method-assign]
        with pytest.raises(type(error)):
            await amend(world, name, quantity="0.1")
        world.record.amend = keep  # type: ignore[method-assign]
        assert world.changes == []
        world.clock.moment += timedelta(seconds=3)
        await world.trading.look_after_amendment(world.session, world.record.orders[name])
        known = world.record.orders[name]
        assert known.amendments[-1].status is AmendmentStatus.FAILED
        assert known.quantity == Decimal("0.4")
        world.start()
        assert kept(world, name)[1].remaining == Decimal("0.4")

        assert (await amend(world, name, quantity="0.3")).code is None

    asyncio.run(run())


def test_the_next_change_is_numbered_after_one_that_never_went_out() -> None:
    """Also by the engine that does not know of it but from the record."""

    async def run() -> None:
        world = world_of()
        name = await resting(world, "0.4")
        lost = Amendment("A1", Decimal("0.1"), None, world.clock.moment)
        await world.record.amend(1, name, lost)
        told = await world.trading.amend(
            world.session, world.plans[1], name, Decimal("0.3"), None, origin=(1, 10)
        )
        assert told.code is None
        assert told.change is not None and told.change.request_id == "A2"

    asyncio.run(run())
