"""An order whose asker is cancelled while it is put on record."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from kokex.domain.errors import StoreUnavailableError
from kokex.domain.instrument import Side
from kokex.domain.order import Order, OrderStatus, OrderType
from kokex.services.answers import Answer, Wish
from tests.builders import ETH, plan
from tests.fakes.clock import settle
from tests.unit.services.trading_world import TradingWorld

BUY = Wish(Side.BUY, OrderType.LIMIT, Decimal("0.01"), Decimal(2000))


class Asking:
    """An order that is being put on record; nobody hears of it before `heard`."""

    def __init__(self) -> None:
        self.world = TradingWorld(Random(1), ETH, [plan()], Decimal(10_000))
        self.world.watch = lambda *_, **__: None
        self.heard = asyncio.Event()
        orders: Any = self.world.record
        add = orders.add

        async def slowly(order: Order, **named: Any) -> bool:
            kept = bool(await add(order, **named))
            await self.heard.wait()
            return kept

        orders.add = slowly

    async def begin(self) -> asyncio.Task[Answer]:
        world = self.world
        task = asyncio.ensure_future(world.trading.submit(world.session, world.plans[1], 1, 1, BUY))
        await settle()
        assert len(world.record.orders) == 1
        return task


@pytest.mark.parametrize("cancellations", [1, 2])
async def test_it_is_over_and_never_sent(cancellations: int) -> None:
    """However often: the turn runs out of time, then its plan is stopped."""
    asking = Asking()
    task = await asking.begin()
    for _ in range(cancellations):
        task.cancel()
        await settle()
    asking.heard.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    (order,) = asking.world.record.orders.values()
    assert order.status is OrderStatus.EXPIRED
    assert asking.world.ledgers.pending() == [] and asking.world.let_through == []


async def test_a_database_that_is_gone_then_keeps_no_turn_going() -> None:
    """The turn ends; the order stays in flight and is asked after, as any whose fate is unknown."""
    asking = Asking()
    orders: Any = asking.world.record

    async def away(*_: Any, **__: Any) -> bool:
        raise StoreUnavailableError("the database is away")

    orders.settle = away
    task = await asking.begin()
    task.cancel()
    await settle()
    asking.heard.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    (pending,) = asking.world.ledgers.pending()
    assert pending.status.in_flight and asking.world.let_through == []
