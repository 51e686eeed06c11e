"""Capital through the whole loop: a forecaster with and without proven skill, batches, and the gate's ratio."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kokex.adapters.langchain import LangChainAgentService
from kokex.adapters.system_clock import SystemClock
from kokex.domain.candle import CandleSeries, Interval
from kokex.domain.capital import CapitalSettings, SizingMethod
from kokex.domain.decision import Action, Decision, Turn
from kokex.domain.forecast import Forecast
from kokex.domain.instrument import Side
from kokex.domain.model import VersionWish
from kokex.domain.order import OrderStatus, OrderType
from kokex.domain.plan import AgentSettings, ForecastSettings, NewPlan, Plan, TradingTool
from kokex.ports.models import VersionOutcome
from kokex.ports.toolbox import Toolbox
from tests.world import LIMITS, Platform, eventually, paper_world, running_engine


class Rising:
    """Three paths of four end 10 % up, the fourth 20 % down, by the name of a model's first version."""

    name = "block_bootstrap"
    shortest_context = 2

    def forecast(self, candles: CandleSeries, *, horizon: int, paths: int, seed: int) -> Forecast:
        last = float(candles.closes[-1])
        made = np.full((paths, horizon, 6), last, dtype=np.float32)
        made[:, -1, 3] = last * np.where(np.arange(paths) % 4 == 0, 0.8, 1.1)
        return Forecast(candles.inst_id, candles.interval, "kronos v1", candles.close_time, last, made)


class Thinker:
    """The built-in policy, with its decisions kept, and the toolbox of its latest turn."""

    def __init__(self) -> None:
        self.service = LangChainAgentService(None, SystemClock())
        self.decisions: list[Decision] = []
        self.sizes: list[dict[str, Any]] = []

    async def run_turn(self, turn: Turn, toolbox: Toolbox) -> Decision:
        decision = await self.service.run_turn(turn, toolbox)
        self.decisions.append(decision)
        self.sizes += [dict(call.result) for call in decision.tool_calls if call.name == "get_position_size"]
        return decision


EVALUATION: dict[str, Any] = {
    "order": ["kronos v1", "block_bootstrap"],
    "scores": {
        "kronos v1": {"windows": 400, "crps_mean": 0.9, "direction": {"low": [0.56]}},
        "block_bootstrap": {"windows": 400, "crps_mean": 1.0, "direction": {"low": [0.45]}},
    },
    "diebold_mariano": [
        {"first": "kronos v1", "second": "block_bootstrap", "overall": {"verdict": "better"}}
    ],
}


async def _judged(world: Platform, plan: Plan, evaluation: dict[str, Any] | None) -> None:
    """A first version of the plan's model, with what it was measured to know."""
    models, now = world.application.store.models, world.application.clock.now()
    version = await models.add(plan.id, VersionWish())
    outcome = VersionOutcome(None, (), evaluation, "0" * 64, 1, 1.0)
    await models.finished(version.id, outcome, now)


@asynccontextmanager
async def trading(
    database_url: str,
    folder: Path,
    capital: CapitalSettings,
    *,
    evaluation: dict[str, Any] | None = None,
    **limits: Any,
) -> AsyncIterator[tuple[Platform, Plan, Thinker]]:
    """A plan of the built-in policy whose forecasts rise, by a first version that was judged so."""
    thinker = Thinker()
    async with (
        paper_world(database_url, folder) as world,
        running_engine(world.application, thinker=thinker) as (engine, _),
    ):
        engine.services.forecasting._forecasters = {"block_bootstrap": Rising()}
        plan = await world.application.plans.create(
            NewPlan(
                "eth",
                world.accounts[0].id,
                "ETH-USDT",
                Interval("1H"),
                limits=replace(LIMITS, capital=Decimal(3000), **limits),
                agent=AgentSettings(trading_tools=frozenset(TradingTool)),
                forecast=ForecastSettings(context=200, horizon=4, paths=64),
                capital=capital,
            )
        )
        await _judged(world, plan, evaluation)
        await world.application.plans.start(plan.id)
        yield world, plan, thinker


async def test_proven_skill_is_traded_by_fractional_kelly(database_url: str, tmp_path: Path) -> None:
    """Mean 2.5 % less 0.3 % of costs over a variance of 0.016875, a quarter of it: 33 % of the plan's 3,000, and no more."""
    kelly = CapitalSettings(sizing=SizingMethod.KELLY)
    async with trading(database_url, tmp_path, kelly, evaluation=EVALUATION) as (world, plan, thinker):

        async def filled() -> bool:
            return any(one.status is OrderStatus.FILLED for one in await world.orders(plan))

        await eventually(filled, "a fill")
        await eventually(lambda: thinker.sizes, "the turn's end")
        size = thinker.sizes[0]
        assert size["proven"] is True
        factors = {one["name"]: one["value"] for one in size["factors"]}
        assert factors["skill"] == "1.0000"
        assert abs(float(factors["share"]) - 0.25 * 0.022 / 0.016875) < 0.02
        (order,) = await world.orders(plan)
        spent = order.quantity * (order.average_price or Decimal(0))
        assert Decimal(900) < spent <= Decimal(3000) * Decimal(factors["share"]) * Decimal("1.01")
        assert "kelly sizing says" in thinker.decisions[0].reason


@pytest.mark.parametrize("evaluation", [None, EVALUATION | {"diebold_mariano": []}])
async def test_skill_that_is_not_proven_stakes_nothing(
    database_url: str, tmp_path: Path, evaluation: dict[str, Any] | None
) -> None:
    """Never measured, or perhaps luck: the same forecasts, no order, and the reason says why."""
    kelly = CapitalSettings(sizing=SizingMethod.KELLY)
    async with trading(database_url, tmp_path, kelly, evaluation=evaluation) as (world, plan, thinker):
        await eventually(lambda: thinker.decisions, "a decision")
        world.step()
        await eventually(lambda: len(thinker.decisions) > 1, "another")
        assert await world.orders(plan) == []
        assert {one.action for one in thinker.decisions} == {Action.HOLD}
        assert "share 0" in thinker.decisions[0].reason
        assert thinker.sizes[0]["proven"] is False
        assert thinker.sizes[0]["suggested_position"] == "0"


async def test_a_batch_goes_out_within_the_ratio(database_url: str, tmp_path: Path) -> None:
    """900 wished by three orders, each within an eighth of the capital of 3,000; changed by a person, the next turn takes over."""
    fixed = CapitalSettings(
        sizing=SizingMethod.FIXED,
        fixed_notional=Decimal(900),
        avg_orders_per_batch=3,
        batch_step=Decimal("0.01"),
    )
    async with trading(database_url, tmp_path, fixed, max_single_order_ratio=Decimal("0.125")) as (
        world,
        plan,
        thinker,
    ):

        async def three() -> bool:
            return len(await world.orders(plan)) == 3

        await eventually(three, "a batch")
        orders = await world.orders(plan)
        assert {one.order_type for one in orders} == {OrderType.POST_ONLY.value}
        assert OrderStatus.DENIED not in {one.status for one in orders}
        prices = [one.price or Decimal(0) for one in orders]
        assert prices == sorted(prices, reverse=True)
        assert prices[2] < prices[0] * Decimal("0.985")
        worth = sum(one.quantity * prices[0] for one in orders)
        assert Decimal(880) < worth <= Decimal(900)
        assert all(one.quantity * prices[0] <= 375 for one in orders)

        await eventually(lambda: thinker.sizes, "the turn's end")
        changed = await world.application.plans.use_capital(
            plan.id, ["trailing_stop=4%"], by="ann", reason="calmer"
        )
        assert changed.capital == replace(fixed, trailing_stop=Decimal("0.04"))
        assert thinker.sizes[0]["proven"] is None
        assert len(thinker.sizes[0]["orders"]) == 3


async def test_the_gate_keeps_the_ratio_whoever_asks(database_url: str, tmp_path: Path) -> None:
    """An agent that takes no suggestion is denied, with the code."""
    answers: list[dict[str, Any]] = []

    async def ask(turn: Turn, toolbox: Toolbox) -> None:
        answers.append(dict(await toolbox.place_order(Side.BUY, OrderType.MARKET, Decimal("0.5"))))
        answers.append(dict(await toolbox.get_position_size(Side.BUY)))
        answers.append(dict(await toolbox.get_position_size(Side.SELL, OrderType.MARKET)))
        answers.append(dict(await toolbox.get_position_size(Side.BUY, OrderType.LIMIT, Decimal("2000.001"))))

    limits = replace(LIMITS, capital=Decimal(3000), max_single_order_ratio=Decimal("0.1"))
    async with paper_world(database_url, tmp_path) as world, running_engine(world.application, ask):
        await world.plan(limits=limits)
        await eventually(lambda: len(answers) >= 4, "answers")
        assert answers[0]["code"] == "single_order_too_large"
        assert answers[1]["largest_order_value"] == "297.00"
        assert all(
            Decimal(one["quantity"]) * Decimal(answers[1]["price"]) <= 300 for one in answers[1]["orders"]
        )
        assert answers[2]["suggested_position"] == "0"
        assert answers[2]["factors"][-1]["name"] == "allow_short"
        assert answers[3]["code"] == "invalid_price"
