"""Parent orders, from the agent's wish to their last child order, at a paper exchange."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from kokex.domain.decision import Turn
from kokex.domain.instrument import Side
from kokex.domain.order import Order, OrderStatus, OrderType
from kokex.domain.parent_order import ParentStatus, Style
from kokex.domain.plan import Plan, PlanStatus
from kokex.ports.parent_orders import ParentRecord
from kokex.ports.toolbox import Toolbox
from tests.world import LIMITS, Platform, eventually, platform

Answers = list[Mapping[str, Any]]
QUICK = Decimal("0.05")
"""Three seconds, as minutes."""
ENOUGH = Decimal("0.15")


def asking(*wishes: dict[str, Any]) -> tuple[Callable[[Turn, Toolbox], Awaitable[None]], Answers]:
    """An agent that asks for parent orders in its first turn; its answers."""
    answers: Answers = []

    async def act(turn: Turn, toolbox: Toolbox) -> None:
        if answers:
            return
        for wish in wishes:
            answers.append(await toolbox.work_order(**wish))

    return act, answers


async def over(world: Platform, plan: Plan) -> ParentRecord:
    """The plan's parent order, once it is over."""

    async def ended() -> bool:
        kept = await world.application.store.parent_orders.latest(plan.id, limit=1)
        return bool(kept) and kept[0].parent.status is not ParentStatus.WORKING

    await eventually(ended, "the end of the parent order", seconds=60)
    return (await world.application.store.parent_orders.latest(plan.id, limit=1))[0]


async def children(world: Platform, plan: Plan, record: ParentRecord) -> list[Order]:
    orders = await world.application.store.orders.of_decision(plan.id, record.parent.decision_id)
    return sorted((one for one in orders if record.parent.owns(one)), key=lambda one: one.step or 0)


async def test_a_twap_buys_slice_by_slice(database_url: str, tmp_path: Path) -> None:
    """Each slice is an order of its own; the whole is bought, once, and the parent says so."""
    wish = {"side": Side.BUY, "quantity": Decimal("0.3"), "style": Style.TWAP, "minutes": ENOUGH, "slices": 3}
    act, answers = asking(wish)
    async with platform(database_url, tmp_path, act) as (world, _, _):
        plan = await world.plan()
        record = await over(world, plan)
        assert answers[0]["status"] == "working" and "error" not in answers[0]
        made = await children(world, plan, record)
        assert {(one.order_type, one.status) for one in made} == {("ioc", OrderStatus.FILLED)}
        assert made[0].quantity == Decimal("0.1") and sum(one.quantity for one in made) == Decimal("0.3")
        assert (record.parent.status, record.parent.reason) == (ParentStatus.DONE, "all of it is filled")
        gaps = [later.created_at - one.created_at for one, later in itertools.pairwise(made)]
        assert all(gap >= timedelta(seconds=0.5) for gap in gaps)


async def test_the_gate_looks_at_the_whole_and_at_every_part(database_url: str, tmp_path: Path) -> None:
    """Size of a single order is the children's limit; the position's and a person's approval are the whole's."""
    whole = {
        "side": Side.BUY,
        "quantity": Decimal("0.5"),
        "style": Style.TWAP,
        "minutes": ENOUGH,
        "slices": 5,
    }
    limits = replace(LIMITS, max_order_notional=Decimal(500), max_position_notional=Decimal(2500))
    far = {"quantity": Decimal(2), "slices": 20}
    act, answers = asking(whole | far, whole)
    async with platform(database_url, tmp_path, act) as (world, _, _):
        plan = await world.plan(limits=limits)
        await eventually(lambda: len(answers) == 2, "both answers")
        assert answers[0]["code"] == "position_too_large"
        assert "error" not in answers[1], answers[1]
        record = await over(world, plan)
        made = await children(world, plan, record)
        assert record.parent.status is ParentStatus.DONE and len(made) >= 4
        assert sum(one.filled_quantity for one in made) == Decimal("0.5")


async def test_slices_are_no_way_around_a_persons_approval(database_url: str, tmp_path: Path) -> None:
    """As a whole it would wait for a person; so it is refused, and nothing is sent."""
    wish = {"side": Side.BUY, "quantity": Decimal("0.5"), "style": Style.TWAP, "minutes": QUICK, "slices": 5}
    act, answers = asking(wish)
    async with platform(database_url, tmp_path, act) as (world, _, _):
        plan = await world.plan(limits=replace(LIMITS, approval_notional=Decimal(400)))
        await eventually(lambda: bool(answers), "the answer")
        assert answers[0]["code"] == "needs_approval" and "place_order" in answers[0]["error"]
        assert await world.orders(plan) == []


async def test_a_time_that_cannot_be_is_refused(database_url: str, tmp_path: Path) -> None:
    """Whatever number of minutes a model writes: an answer, not a broken turn."""
    wish = {"side": Side.BUY, "quantity": Decimal("0.3"), "style": Style.POST_ONLY}
    minutes = [Decimal("999999999999999"), Decimal("1e-18"), Decimal("1441")]
    act, answers = asking(*(wish | {"minutes": one} for one in minutes))
    async with platform(database_url, tmp_path, act) as (world, _, _):
        plan = await world.plan()
        await eventually(lambda: len(answers) == len(minutes), "the answers")
        assert [one["code"] for one in answers] == ["invalid_parent_order"] * 3
        assert await world.orders(plan) == []


async def test_an_order_held_up_by_a_limit_ends_with_its_time(database_url: str, tmp_path: Path) -> None:
    """What the gate would deny is not asked for: no trail of denials, and the parent says why it came to nothing."""
    wish = {
        "side": Side.BUY,
        "quantity": Decimal("0.3"),
        "style": Style.TWAP,
        "minutes": QUICK,
        "slices": 3,
    }
    act, answers = asking(wish)
    async with platform(database_url, tmp_path, act) as (world, _, _):
        plan = await world.plan(limits=replace(LIMITS, max_order_notional=Decimal(100)))
        record = await over(world, plan)
        assert "error" not in answers[0] and await children(world, plan, record) == []
        assert record.parent.status is ParentStatus.STOPPED
        assert "0 of 0.3 is filled; at last order_too_large" in str(record.parent.reason)


async def test_an_iceberg_rests_a_part_at_a_time_and_leaves_nothing_behind(
    database_url: str, tmp_path: Path
) -> None:
    """Out of the market's reach nothing fills; at the end of its time the resting part is withdrawn."""
    open_at_once: list[int] = []

    async def act(turn: Turn, toolbox: Toolbox) -> None:
        if answers:
            return
        bid = Decimal(str((await toolbox.get_current_price())["bid"]))
        how: dict[str, Any] = {"limit_price": bid - 20, "visible": Decimal("0.1")}
        answers.append(await toolbox.work_order(Side.BUY, Decimal("0.3"), Style.ICEBERG, QUICK, **how))

        async def resting() -> bool:
            told = await toolbox.get_pending_orders()
            open_at_once.append(len(told["orders"]))
            return bool(told["orders"]) and told["parent_orders"][0]["number"] == answers[0]["number"]

        await eventually(resting, "the first part")

    answers: Answers = []
    async with platform(database_url, tmp_path, act) as (world, _, _):
        plan = await world.plan()
        record = await over(world, plan)
        made = await children(world, plan, record)
        assert [(one.quantity, one.status) for one in made] == [(Decimal("0.1"), OrderStatus.CANCELED)]
        assert max(open_at_once) == 1
        assert record.parent.reason == "its time is over; 0 of 0.3 is filled"


async def test_a_post_only_order_is_moved_rather_than_sent_anew(database_url: str, tmp_path: Path) -> None:
    """The best bid goes ahead of it: the same order at the new price, and never as a taker."""
    wish = {
        "side": Side.BUY,
        "quantity": Decimal("0.2"),
        "style": Style.POST_ONLY,
        "minutes": Decimal(5),
    }
    act, _ = asking(wish)
    async with platform(database_url, tmp_path, act) as (world, _, _):
        plan = await world.plan()

        async def moved() -> bool:
            world.server.exchange.advance(world.server.exchange.now_ms + 2000)
            world.server.publisher.flush(force=True)
            orders = await world.orders(plan)
            return any(one.amendments for one in orders) or any(
                one.status is OrderStatus.FILLED for one in orders
            )

        await eventually(moved, "a move or a fill", seconds=60)
        orders = await world.orders(plan)
        assert all(one.order_type == OrderType.POST_ONLY.value for one in orders)
        fills = await world.application.store.journal.fills(plan.id)
        assert all(fill.maker for fill in fills)


async def test_a_plan_that_is_stopped_works_nothing_on(database_url: str, tmp_path: Path) -> None:
    """Its parent orders end with it, and stay ended when it is started again."""
    wish = {
        "side": Side.BUY,
        "quantity": Decimal("0.3"),
        "style": Style.TWAP,
        "minutes": Decimal(60),
        "slices": 3,
    }
    act, answers = asking(wish)
    async with platform(database_url, tmp_path, act) as (world, _, engine):
        plan = await world.plan()
        await eventually(lambda: bool(answers), "the answer")
        await world.application.plans.stop(plan.id)
        record = await over(world, plan)
        assert record.parent.reason == "its plan was stopped"
        before = len(await children(world, plan, record))
        await world.application.plans.start(plan.id)

        async def running() -> bool:
            return engine.activity.status(plan.id) is PlanStatus.RUNNING

        await eventually(running, "the plan at work")
        assert await world.application.store.parent_orders.working(plan.id) == []
        assert len(await children(world, plan, record)) == before <= 1
