"""Limits that a person changes hold for the next order, without a restart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from kokex.domain.decision import Turn
from kokex.domain.instrument import Side
from kokex.domain.limits import RiskLimits
from kokex.domain.order import OrderType
from kokex.ports.toolbox import Toolbox
from tests.world import LIMITS, eventually, platform


async def test_a_changed_limit_holds_at_once(database_url: str, tmp_path: Path) -> None:
    """Also in the middle of a turn; capital set apart for one plan is out of reach of its neighbour."""
    toolboxes: dict[int, Toolbox] = {}

    async def wait(turn: Turn, toolbox: Toolbox) -> None:
        toolboxes.setdefault(turn.plan.id, toolbox)

    async def buy(plan_id: int) -> Mapping[str, Any]:
        price = Decimal(str((await toolboxes[plan_id].get_current_price())["bid"])) - 50
        return await toolboxes[plan_id].place_order(Side.BUY, OrderType.LIMIT, Decimal("0.1"), price)

    async with platform(database_url, tmp_path, wait) as (world, _, _):
        first, second = await world.plan(), await world.plan(limits=replace(LIMITS, capital=Decimal(99_000)))
        await eventually(lambda: toolboxes, "a turn")
        world.step()
        await eventually(lambda: len(toolboxes) == 2, "a turn of each")
        assert (await buy(second.id)).get("code") is None
        risk, clock = world.application.store.risk, world.application.clock

        async def change(plan_id: int, **changes: Any) -> None:
            def edit(now: RiskLimits) -> RiskLimits:
                return replace(now, **changes)

            await risk.change_limits(plan_id, edit, by="ann", reason="", at=clock.now())

        assert (await buy(first.id)).get("code") is None
        await change(second.id, capital=Decimal(99_900))

        async def no_cash() -> bool:
            return (await buy(first.id)).get("code") == "not_enough_cash"

        await eventually(no_cash, "capital out of reach", seconds=5)
        await change(first.id, max_order_notional=Decimal(10))

        async def too_large() -> bool:
            return (await buy(first.id)).get("code") == "order_too_large"

        await eventually(too_large, "the new limit", seconds=5)
