"""A turn's budget, spent under the same lock as the gate's check."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from kokex.domain.decision import Turn
from kokex.domain.grant import Grant
from kokex.domain.instrument import Side
from kokex.domain.order import OrderType
from kokex.domain.plan import AgentSettings
from kokex.ports.toolbox import Toolbox
from kokex.services.turn_budget import TurnBudget
from tests.builders import TRADES
from tests.world import LIMITS, eventually, platform

LOT = Decimal("0.5")


async def test_selling_gives_no_new_budget(database_url: str, tmp_path: Path) -> None:
    """A turn that buys, sells and buys again adds no more than it was given, also when asked all at once."""
    answers: list[Mapping[str, Any]] = []

    async def churn(turn: Turn, toolbox: Toolbox) -> None:
        if answers:
            return
        answers.append(await toolbox.place_order(Side.BUY, OrderType.MARKET, Decimal("0.4")))
        await eventually(lambda: _holds(toolbox, "0.3996"), "a holding")
        answers.append(await toolbox.place_order(Side.SELL, OrderType.MARKET, Decimal("0.399")))
        await eventually(lambda: _holds(toolbox, "0.0006"), "its end")
        again = [toolbox.place_order(Side.BUY, OrderType.MARKET, Decimal("0.4")) for _ in range(3)]
        answers.extend(await asyncio.gather(*again))

    limits = replace(LIMITS, max_position_notional=Decimal(2000))
    async with platform(database_url, tmp_path, churn) as (world, _, _):
        plan = await world.plan(limits=limits)
        await eventually(lambda: len(answers) == 5, "five answers")
        codes = [answer.get("code") for answer in answers]
        assert codes == [None, None, "grant_used", "grant_used", "grant_used"]
        left = await world.application.store.orders.grant_left(plan.id, 1)
        assert left is not None
        assert 0 <= left.notional < 1000


async def _holds(toolbox: Toolbox, quantity: str) -> bool:
    return Decimal(str((await toolbox.get_positions())["quantity"])) == Decimal(quantity)


async def test_a_turn_has_as_many_orders_as_tool_calls(database_url: str, tmp_path: Path) -> None:
    """Denied ones spend nothing of it."""
    answers: list[Mapping[str, Any]] = []

    async def eager(turn: Turn, toolbox: Toolbox) -> None:
        if not answers:
            price = Decimal(str((await toolbox.get_current_price())["bid"])) - 5
            for _ in range(4):
                made = await toolbox.place_order(Side.BUY, OrderType.LIMIT, Decimal("0.01"), price)
                answers.append(made)

    async with platform(database_url, tmp_path, eager) as (world, _, _):
        await world.plan(agent=AgentSettings(trading_tools=TRADES, max_tool_calls=3))
        await eventually(lambda: len(answers) == 4, "four answers")
        assert [answer.get("code") for answer in answers] == [None, None, None, "grant_used"]


async def test_a_resumed_turn_goes_on_with_what_was_left(database_url: str, tmp_path: Path) -> None:
    """From the rows of its orders; another turn's do not count."""
    bought: list[Mapping[str, Any]] = []

    async def buy(turn: Turn, toolbox: Toolbox) -> None:
        if not bought:
            bought.append(await toolbox.place_order(Side.BUY, OrderType.MARKET, LOT))

    async with platform(database_url, tmp_path, buy) as (world, _, _):
        plan = await world.plan()
        await eventually(lambda: bought, "an order")
        store = world.application.store
        drawn = Grant(frozenset(Side), Decimal(999_999), 99)
        again, other = TurnBudget(plan.id, 1, drawn), TurnBudget(plan.id, 7, drawn)
        await again.read(store)
        await other.read(store)
        assert again.left.notional <= 20_000 - 1000
        assert again.left.orders == plan.agent.max_tool_calls - 1
        assert again.left.sides == {Side.BUY}
        assert other.left == drawn
