"""Trailing stops, from the price to the exchange: beside an agent that does nothing, and across a restart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from kokex.cli.risk_report import document, read_report
from kokex.domain.capital import CapitalSettings, Trail
from kokex.domain.decision import Turn
from kokex.domain.instrument import Side
from kokex.domain.order import Order, OrderStatus, OrderType
from kokex.domain.plan import AgentSettings, Plan, TriggerKind
from kokex.domain.trigger_facts import time_text
from kokex.ports.toolbox import Toolbox
from kokex.services.trailing import FIRST_STEP
from tests.builders import TRADES
from tests.world import LIMITS, Platform, WrittenAgent, eventually, market, paper_world, running_engine

WARMUP = 250
FALL = Decimal("0.03")
WAKING = AgentSettings(
    triggers=frozenset({TriggerKind.FORECAST, TriggerKind.ORDER_EVENT, TriggerKind.RISK_EVENT}),
    trading_tools=TRADES,
)


def _candles(folder: Path, *closes: int) -> Path:
    """A market that stands at 2000, and then closes there, hour by hour."""
    rows = ["ts,open,high,low,close,volume,amount"]
    at, before = datetime(2026, 1, 1, tzinfo=UTC), 2000
    for close in (*(2000 for _ in range(WARMUP)), *closes):
        high, low = max(before, close), min(before, close)
        rows.append(f"{at:%Y-%m-%dT%H:%MZ},{before},{high},{low},{close},100,{100 * close}")
        at, before = at + timedelta(hours=1), close
    path = folder / "market.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


class Buyer:
    """Buys at its first turn, and is of no help after that."""

    def __init__(self, quantity: str) -> None:
        self.quantity = Decimal(quantity)

    async def __call__(self, turn: Turn, toolbox: Toolbox) -> None:
        held = Decimal(str((await toolbox.get_positions())["quantity"]))
        if turn.id == 1 and not held:
            await toolbox.place_order(Side.BUY, OrderType.MARKET, self.quantity)


async def _trail(world: Platform, plan: Plan) -> Trail | None:
    return await world.application.store.trails.latest(plan.id)


def _hits(agent: WrittenAgent) -> list[Mapping[str, Any]]:
    """What turns were told of trailing stops."""
    told = [one.facts for turn in agent.turns for one in turn.triggers]
    return [facts for facts in told if facts.get("risk_event") == "trailing_stop_hit"]


async def _endings(world: Platform, plan: Plan) -> list[Order]:
    return [order for order in await world.orders(plan) if order.decision_id == 0]


async def _rise(world: Platform, plan: Plan, to: int) -> None:
    """Step until the stop has followed that far."""

    async def followed() -> bool:
        trail = await _trail(world, plan)
        return trail is not None and trail.best >= to

    world.step()
    await eventually(followed, f"a best price of {to}")


async def _flat(world: Platform, plan: Plan) -> bool:
    book = await world.book(plan)
    pending = await world.application.store.orders.pending(plan_id=plan.id)
    return not pending and book.fills > 1 and book.quantity < book.instrument.min_quantity


async def test_it_follows_across_a_restart_and_ends_the_holding(database_url: str, tmp_path: Path) -> None:
    """Up to 2100 under one engine and to 2200 under none, down under the next: sold and told, order by order.

    Each is within the plan's largest, and no number of orders that the agent has used up keeps them back.
    """
    config = market(
        candles={"ETH-USDT": _candles(tmp_path, 2000, 2000, 2100, 2200, 2150, 2100, 2100, 2100)},
        warmup_candles=WARMUP,
    )
    capital = CapitalSettings(trailing_stop=FALL)
    buyer = Buyer("1.2")
    async with paper_world(database_url, tmp_path, config) as world:
        async with running_engine(world.application, buyer):
            plan = await world.plan(capital=capital, agent=WAKING)
            world.step()
            await eventually(lambda: _trail(world, plan), "a trail")
            world.step()
            await _rise(world, plan, 2090)
        before = await _trail(world, plan)
        assert before is not None
        assert before.hit_at is None
        await world.application.store.risk.change_limits(
            plan.id,
            lambda now: replace(
                now,
                max_order_notional=Decimal(1500),
                max_open_orders=1,
                max_orders_per_minute=1,
                max_orders_per_day=1,
            ),
            by="ann",
            reason="smaller orders, and none left for the agent",
            at=world.application.clock.now(),
        )
        world.step(2)
        async with running_engine(world.application, buyer) as (engine, agent):

            async def caught_up() -> bool:
                trail = await _trail(world, plan)
                return trail is not None and trail.best >= 2190

            await eventually(caught_up, "what the candles tell of the time between")
            assert await _endings(world, plan) == []
            world.step()
            await eventually(lambda: _flat(world, plan), "the end of the holding")
            stopped = engine.services.performance.of(plan.id)

            async def told() -> bool:
                return bool(_hits(agent))

            await eventually(told, "the hit told")
        after = await _trail(world, plan)
        assert after is not None
        assert after.since == before.since
        assert after.best >= before.best
        assert after.hit_at is not None
        assert stopped is not None
        assert stopped.stops == (after.hit_at,)
        (hit,) = _hits(agent)
        assert hit["hit_at"] == time_text(after.hit_at)
        assert (hit["holding"], hit["best_price"]) == ("long", f"{after.best:f}")
        report = await read_report(world.application, await world.application.store.plans.get(plan.id))
        assert document(report)["trailing_stop_hit_at"] == after.hit_at
        endings = await _endings(world, plan)
        assert len(endings) > 1
        assert {(one.side, one.status) for one in endings} == {(Side.SELL, OrderStatus.FILLED)}
        assert all((one.step or 0) >= FIRST_STEP for one in endings)
        assert len({one.client_order_id for one in endings}) == len(endings)


async def test_a_paused_plan_is_stopped_out_when_it_goes_on(database_url: str, tmp_path: Path) -> None:
    """The gate lets nothing out of a paused plan, a stop included: it waits, uses up no number, and is not forgotten."""
    config = market(
        candles={"ETH-USDT": _candles(tmp_path, 2000, 2000, 1900, 1990, 1990, 1990)}, warmup_candles=WARMUP
    )
    async with (
        paper_world(database_url, tmp_path, config) as world,
        running_engine(world.application, Buyer("1")),
    ):
        plan = await world.plan(capital=CapitalSettings(trailing_stop=FALL), limits=LIMITS)
        world.step()
        await eventually(lambda: _trail(world, plan), "a trail")
        await world.application.plans.pause(plan.id)

        async def hit() -> bool:
            trail = await _trail(world, plan)
            return trail is not None and trail.hit_at is not None

        world.step(2)
        await eventually(hit, "a hit")
        world.step()
        assert await _endings(world, plan) == []
        await world.application.plans.start(plan.id)
        await eventually(lambda: _flat(world, plan), "the end of the holding")
        (ending,) = await _endings(world, plan)
        assert (ending.side, ending.status) == (Side.SELL, OrderStatus.FILLED)


async def test_a_short_holding_is_bought_back_above_its_lowest(database_url: str, tmp_path: Path) -> None:
    """A perpetual, sold short: the price falls, the stop follows downwards, and is hit on the way up."""
    config = market(
        instruments=("ETH-USDT", "ETH-USDT-SWAP"),
        candles={"ETH-USDT": _candles(tmp_path, 2000, 2000, 1900, 1900, 1980, 1980, 1980)},
        warmup_candles=WARMUP,
    )
    sold: list[object] = []

    async def sell(turn: Turn, toolbox: Toolbox) -> None:
        if not sold:
            sold.append(await toolbox.place_order(Side.SELL, OrderType.MARKET, Decimal(5)))

    async with paper_world(database_url, tmp_path, config) as world, running_engine(world.application, sell):
        plan = await world.plan(
            inst_id="ETH-USDT-SWAP",
            limits=replace(LIMITS, allow_short=True),
            capital=CapitalSettings(trailing_stop=FALL),
        )
        world.step()
        await eventually(lambda: _trail(world, plan), "a trail")

        async def followed() -> bool:
            trail = await _trail(world, plan)
            return trail is not None and trail.best <= 1910

        world.step(2)
        await eventually(followed, "a lower level")

        async def bought_back() -> bool:
            return (await world.book(plan)).quantity == 0

        world.step(2)
        await eventually(bought_back, "the end of the holding")
        trail = await _trail(world, plan)
        assert trail is not None
        assert trail.sign == -1
        assert trail.hit_at is not None
        (ending,) = await _endings(world, plan)
        assert (ending.side, ending.reduce_only, ending.status) == (Side.BUY, True, OrderStatus.FILLED)
