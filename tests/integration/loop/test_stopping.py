"""A plan that is stopped leaves nothing open, whatever was under way and however long it takes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kokex.bootstrap import Engine, engine
from kokex.domain.decision import Turn
from kokex.domain.errors import ExchangeUnavailableError
from kokex.domain.instrument import Side
from kokex.domain.order import Order, OrderStatus, OrderType
from kokex.domain.plan import AgentSettings, Plan, PlanStatus, TriggerKind
from kokex.domain.schedule import Schedule
from kokex.ports.toolbox import Toolbox
from kokex.services import intent_recording, plans
from kokex.services.withdrawing import Withdrawal
from tests.builders import TRADES
from tests.world import WrittenAgent, eventually, idle, paper_world, platform, running_engine

LOT = Decimal("0.5")


class RestsOnce:
    """Leaves one limit order far below the market, and from then on only listens."""

    def __init__(self) -> None:
        self.turns = 0
        self.answers: list[Mapping[str, Any]] = []

    async def __call__(self, turn: Turn, toolbox: Toolbox) -> None:
        self.turns += 1
        if not self.answers:
            price = Decimal(str((await toolbox.get_current_price())["bid"])) - 50
            self.answers.append(await toolbox.place_order(Side.BUY, OrderType.LIMIT, LOT, price))


class SlowRecord:
    """A store's `add` of which nobody hears until the test lets it, although the order is on record."""

    def __init__(self, add: Any) -> None:
        self._add = add
        self.recorded, self.heard = asyncio.Event(), asyncio.Event()

    async def __call__(self, order: Order, **named: Any) -> bool:
        kept = bool(await self._add(order, **named))
        self.recorded.set()
        await self.heard.wait()
        return kept


class Unreachable:
    """A command that fails for as long as the exchange is `away`."""

    def __init__(self, command: Any) -> None:
        self._command = command
        self.away, self.tried = True, 0

    async def __call__(self, *arguments: Any) -> Any:
        self.tried += 1
        if self.away:
            raise ExchangeUnavailableError("the exchange is away")
        return await self._command(*arguments)


async def forever(*_: Any) -> None:
    """An attempt that does not end."""
    await asyncio.Event().wait()


def wanted(made: Engine, plan: Plan, status: PlanStatus) -> bool:
    return made.activity.status(plan.id) is status


async def test_an_order_recorded_as_its_plan_is_stopped_is_counted_and_never_sent(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record and the ledger do not part; nothing stays in flight behind a plan at rest."""
    async with platform(database_url, tmp_path, RestsOnce()) as (world, _, made):
        orders = made.services.trading._store.orders
        slow = SlowRecord(orders.add)
        monkeypatch.setattr(orders, "add", slow)
        plan = await world.plan()
        await asyncio.wait_for(slow.recorded.wait(), 60)
        await world.application.plans.stop(plan.id)
        await eventually(lambda: wanted(made, plan, PlanStatus.STOPPED), "an engine that heard of the stop")
        slow.heard.set()
        await eventually(lambda: not made.activity.works(plan.id), "a plan at rest")

        (order,) = await world.orders(plan)
        assert order.status is OrderStatus.EXPIRED
        assert order.reason == intent_recording.CUT_SHORT
        assert world.pushed() == []


async def test_a_stop_goes_on_until_the_exchange_has_ended_every_order(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exchange that is away for a while makes the stop late, not void."""
    monkeypatch.setattr(plans, "RETRY_SECONDS", 0.05)
    async with platform(database_url, tmp_path, RestsOnce()) as (world, _, made):
        plan, cancel = await resting(world, made, monkeypatch)
        await world.application.plans.stop(plan.id)
        await eventually(lambda: cancel.tried >= 3, "a stop that is tried again")
        assert made.activity.works(plan.id)
        assert [state for _, state, _ in world.pushed()] == ["live"]

        cancel.away = False
        await eventually(lambda: not made.activity.works(plan.id), "a plan at rest")
        assert [state for _, state, _ in world.pushed()] == ["live", "canceled"]
        assert await world.journalled(plan) == world.pushed()


async def test_a_plan_wanted_again_before_its_stop_is_done_works_on(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its agent is woken as before."""
    monkeypatch.setattr(plans, "RETRY_SECONDS", 0.05)
    agent = RestsOnce()
    async with platform(database_url, tmp_path, agent) as (world, _, made):
        plan, cancel = await resting(world, made, monkeypatch)
        await world.application.plans.stop(plan.id)
        await eventually(lambda: cancel.tried >= 2, "a stop that is tried again")
        await world.application.plans.start(plan.id)
        await eventually(lambda: wanted(made, plan, PlanStatus.RUNNING), "a plan that is wanted again")
        before = agent.turns
        world.step()
        await eventually(lambda: agent.turns > before, "another turn")
        assert [state for _, state, _ in world.pushed()] == ["live"]


async def test_a_plan_counts_as_stopped_from_the_end_of_its_stop_on(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wanted again before, it is told of what happened meanwhile; after that, of nothing that was before its next start."""
    monkeypatch.setattr(plans, "RETRY_SECONDS", 0.05)
    agent = AgentSettings(
        trading_tools=TRADES,
        triggers=frozenset({TriggerKind.FORECAST, TriggerKind.SCHEDULE}),
        schedule=Schedule.parse("1d"),
    )
    async with platform(database_url, tmp_path, RestsOnce()) as (world, _, made):
        notices, never = world.application.store.notices, datetime(2100, 1, 1, tzinfo=UTC)
        plan, cancel = await resting(world, made, monkeypatch, agent=agent)
        since = await notices.watch(plan.id, never)
        assert since != never
        await world.application.plans.stop(plan.id)
        await eventually(lambda: cancel.tried >= 2, "a stop that is tried again")
        await world.application.plans.start(plan.id)
        await eventually(lambda: wanted(made, plan, PlanStatus.RUNNING), "a plan that is wanted again")
        assert await notices.watch(plan.id, never) == since

        cancel.away = False
        await world.application.plans.stop(plan.id)
        await eventually(lambda: not made.activity.works(plan.id), "a plan at rest")

        async def forgotten() -> bool:
            return await notices.watch(plan.id, never) == never

        await eventually(forgotten, "a plan that nothing counts for")


async def resting(
    world: Any, made: Engine, monkeypatch: pytest.MonkeyPatch, **changes: Any
) -> tuple[Plan, Unreachable]:
    """A plan with one order open, of which the exchange hears no cancellation."""
    plan = await world.plan(**changes)
    await eventually(lambda: len(world.pushed()) == 1, "an order that rests")
    session = next(session for one, session in made.activity.at_work() if one.id == plan.id)
    cancel = Unreachable(session.exchange.cancel)
    monkeypatch.setattr(session.exchange, "cancel", cancel)
    return plan, cancel


async def test_a_stop_that_takes_long_keeps_no_wish_waiting_at_a_start(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plan was stopped while no engine ran, and its order cannot be cancelled for now: another plan starts and stops."""
    async with paper_world(database_url, tmp_path) as world:
        async with running_engine(world.application, RestsOnce()) as (made, _):
            plan, _ = await resting(world, made, monkeypatch)
        monkeypatch.setattr(Withdrawal, "cancel_open", forever)
        await world.application.plans.stop(plan.id)
        made = await engine(world.application, WrittenAgent(idle))
        work = asyncio.create_task(made.run(asyncio.Event()))
        other = await world.plan()
        await eventually(lambda: wanted(made, other, PlanStatus.RUNNING), "another plan at work")
        assert not made.activity.resumed.is_set()
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
