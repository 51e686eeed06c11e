"""The kill switch, from the command's row to the exchange."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kokex.domain.decision import Turn
from kokex.domain.halt import Halt, HaltLevel, HaltScope
from kokex.domain.instrument import Side
from kokex.domain.order import OrderStatus, OrderType
from kokex.domain.plan import Plan
from kokex.ports.toolbox import Toolbox
from tests.world import Platform, eventually, paper_world, platform, running_engine

LOT = Decimal("0.5")


class Trader:
    """Keeps the toolbox of its first turn, so that a test can act whenever it wants."""

    def __init__(self) -> None:
        self.toolbox: Toolbox | None = None

    async def __call__(self, turn: Turn, toolbox: Toolbox) -> None:
        self.toolbox = self.toolbox or toolbox

    async def order(self, side: Side, order_type: OrderType, below: int | None = None) -> Mapping[str, Any]:
        await eventually(lambda: self.toolbox is not None, "a turn")
        assert self.toolbox is not None
        price = None
        if below is not None:
            price = Decimal(str((await self.toolbox.get_current_price())["bid"])) - below
        return await self.toolbox.place_order(side, order_type, LOT, price)


async def _halt(world: Platform, plan: Plan, scope: HaltScope, **changes: Any) -> None:
    number = {HaltScope.PLAN: plan.id, HaltScope.ACCOUNT: plan.account_id}.get(scope)
    said = {"level": HaltLevel.HALTED, "reason": "news", "by": "ann", "flatten": False} | changes
    app = world.application
    await app.store.risk.halt(Halt(scope, number, since=app.clock.now(), **said))


@pytest.mark.parametrize("scope", list(HaltScope))
async def test_a_halt_cancels_ends_holdings_and_lets_nothing_out(
    scope: HaltScope, database_url: str, tmp_path: Path
) -> None:
    """Heard within a second; lifted, orders go out again."""
    trader = Trader()
    async with platform(database_url, tmp_path, trader) as (world, _, _):
        plan = await world.plan()
        await trader.order(Side.BUY, OrderType.MARKET)
        await trader.order(Side.BUY, OrderType.LIMIT, 50)
        await _halt(world, plan, scope, flatten=True)

        async def denied() -> bool:
            return (await trader.order(Side.BUY, OrderType.LIMIT, 50)).get("code") == "halted"

        await eventually(denied, "a denial", seconds=1.0)

        async def over() -> bool:
            done = await world.application.store.risk.carried_out(1)
            return done == {plan.id}

        await eventually(over, "the end of all that was open and held")
        book = await world.book(plan)
        assert book.quantity < book.instrument.min_quantity
        orders = await world.orders(plan)
        assert not await world.application.store.orders.pending(plan_id=plan.id)
        assert OrderStatus.CANCELED in {one.status for one in orders}
        (ending,) = [one for one in orders if one.decision_id == 0]
        assert (ending.side, ending.status) == (Side.SELL, OrderStatus.FILLED)

        app = world.application
        number = {HaltScope.PLAN: plan.id, HaltScope.ACCOUNT: plan.account_id}.get(scope)
        assert await app.store.risk.lift(scope, number, by="bob", reason="calm", at=app.clock.now()) == 1

        async def through() -> bool:
            return (await trader.order(Side.BUY, OrderType.LIMIT, 50)).get("code") is None

        await eventually(through, "an order", seconds=1.0)
        (kept,) = await app.store.risk.halt_history(limit=5)
        assert (kept.halt.by, kept.lifted_by, kept.lift_reason) == ("ann", "bob", "calm")


async def test_reduce_only_lets_reductions_through(database_url: str, tmp_path: Path) -> None:
    """And leaves alone what was sent after it began."""
    trader = Trader()
    async with platform(database_url, tmp_path, trader) as (world, _, _):
        plan = await world.plan()
        await trader.order(Side.BUY, OrderType.MARKET)
        await _halt(world, plan, HaltScope.PLAN, level=HaltLevel.REDUCE_ONLY)

        async def denied() -> bool:
            return (await trader.order(Side.BUY, OrderType.LIMIT, 50)).get("code") == "halted"

        await eventually(denied, "a denial", seconds=1.0)
        assert trader.toolbox is not None
        sold = await trader.toolbox.place_order(Side.SELL, OrderType.MARKET, Decimal("0.1"))
        assert sold.get("code") is None


async def test_a_halt_of_while_no_engine_ran_holds_from_the_start(database_url: str, tmp_path: Path) -> None:
    """What was open and held before is ended by the next engine, once."""
    trader = Trader()
    async with paper_world(database_url, tmp_path) as world:
        async with running_engine(world.application, trader):
            plan = await world.plan()
            await trader.order(Side.BUY, OrderType.MARKET)
            await eventually(lambda: _holds(world, plan), "a holding")
        await _halt(world, plan, HaltScope.PLATFORM, flatten=True)
        for _ in range(2):
            trader.toolbox = None
            async with running_engine(world.application, trader):
                world.step()
                assert (await trader.order(Side.BUY, OrderType.LIMIT, 50))["code"] == "halted"
                await eventually(lambda: _carried_out(world, plan), "the halt's work")
        orders = [one for one in await world.orders(plan) if one.decision_id == 0]
        assert [one.status for one in orders] == [OrderStatus.FILLED]


async def _holds(world: Platform, plan: Plan) -> bool:
    return (await world.book(plan)).quantity > 0


async def _carried_out(world: Platform, plan: Plan) -> bool:
    return await world.application.store.risk.carried_out(1) == {plan.id}
