"""Approval mode from the agent's order to the exchange: approved, refused, expired, ended, once and whatever happens in between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kokex.domain.approvals import ApprovalOutcome, PersonsAnswer
from kokex.domain.decision import Turn
from kokex.domain.errors import NotFoundError, StateError
from kokex.domain.events import EventSource, OrderEvent, OrderEventKind
from kokex.domain.halt import Halt, HaltLevel, HaltScope
from kokex.domain.instrument import Side
from kokex.domain.limits import RiskLimits
from kokex.domain.order import Order, OrderStatus, OrderType
from kokex.domain.plan import Plan
from kokex.ports.toolbox import Toolbox
from kokex.services import trading
from kokex.services.settling import settle_order
from tests.world import LIMITS, Platform, WrittenAgent, eventually, paper_world, platform, running_engine

LOT = Decimal("0.5")
ASKING = replace(LIMITS, approval_notional=Decimal(100))


class Trader:
    """Keeps the toolbox of its first turn, so that a test can act whenever it wants."""

    def __init__(self) -> None:
        self.toolbox: Toolbox | None = None

    async def __call__(self, turn: Turn, toolbox: Toolbox) -> None:
        self.toolbox = self.toolbox or toolbox

    async def order(
        self, side: Side = Side.BUY, below: int | None = None, quantity: Decimal = LOT
    ) -> Mapping[str, Any]:
        """At the market, or `below` the bid."""
        await eventually(lambda: self.toolbox is not None, "a turn")
        assert self.toolbox is not None
        price = None
        if below is not None:
            price = Decimal(str((await self.toolbox.get_current_price())["bid"])) - below
        kind = OrderType.MARKET if below is None else OrderType.LIMIT
        return await self.toolbox.place_order(side, kind, quantity, price)


def _said(world: Platform, *, approved: bool = True, by: str = "ann", reason: str = "") -> PersonsAnswer:
    return PersonsAnswer(approved, by, world.application.clock.now(), reason)


async def _answer(world: Platform, name: str, **said: Any) -> None:
    await world.application.store.approvals.answer(name, _said(world, **said))


async def _order(world: Platform, plan: Plan, name: str) -> Order:
    found = await world.application.store.orders.get(plan.account_id, name)
    assert found is not None
    return found


async def _becomes(
    world: Platform, plan: Plan, name: str, *statuses: OrderStatus, seconds: float = 20
) -> Order:
    async def become() -> Order | None:
        found = await _order(world, plan, name)
        return found if found.status in statuses else None

    found = await eventually(become, f"order {name} as {statuses}")
    assert isinstance(found, Order)
    return found


async def _outcome(world: Platform, name: str) -> ApprovalOutcome | None:
    approval = await world.application.store.approvals.get(name)
    assert approval is not None
    return approval.outcome


def _told(agent: WrittenAgent, name: str) -> list[OrderEvent]:
    """The events of an order that turns of the agent were told of."""
    return [
        event
        for turn in agent.turns
        for trigger in turn.triggers
        for event in trigger.events
        if event.update.client_order_id == name
    ]


async def _settled(world: Platform) -> bool:
    return not await world.application.store.approvals.unsettled()


async def _change_limits(
    world: Platform, plan: Plan, edit: Callable[[RiskLimits], RiskLimits], trader: Trader
) -> None:
    app = world.application
    await app.store.risk.change_limits(plan.id, edit, by="ann", reason="test", at=app.clock.now())
    wanted = str(edit(plan.limits).approval_notional)

    async def heard() -> bool:
        assert trader.toolbox is not None
        return str((await trader.toolbox.get_trading_limits())["approval_notional"]) == wanted

    await eventually(heard, "the new limits")


async def test_an_approved_order_goes_out(database_url: str, tmp_path: Path) -> None:
    """Until then it counts, and the exchange knows nothing of it; the agent is told that it waits, not that it was denied."""
    trader = Trader()
    async with platform(database_url, tmp_path, trader) as (world, agent, _):
        plan = await world.plan(limits=replace(ASKING, max_open_orders=1))
        result = await trader.order()
        name = result["client_order_id"]
        assert result["status"] == "awaiting_approval"
        assert "error" not in result
        assert "waits for a person's approval until" in result["reason"]
        assert (await trader.order())["code"] == "too_many_open_orders"
        (waiting,) = await world.application.store.orders.pending(plan_id=plan.id)
        assert (waiting.client_order_id, waiting.remaining) == (name, LOT)
        assert world.pushed() == []

        await _answer(world, name, reason="looks right")

        sent = await _becomes(world, plan, name, OrderStatus.FILLED)
        assert sent.reason is None
        approval = await world.application.store.approvals.get(name)
        assert approval is not None and approval.answer is not None
        assert (approval.outcome, approval.answer.by) == (ApprovalOutcome.SENT, "ann")
        assert sent.created_at >= approval.answer.at > approval.asked_at
        await eventually(lambda: _settled(world), "the approval to be of the past")
        await eventually(lambda: _told(agent, name), "the agent to hear of it")
        assert {event.kind for event in _told(agent, name)} <= {OrderEventKind.LIVE, OrderEventKind.PARTIAL, OrderEventKind.DONE}  # fmt: skip


async def test_a_refused_order_never_goes_out_and_the_agent_hears_why(
    database_url: str, tmp_path: Path
) -> None:
    """As an order event like the exchange's own; what the order took up is free again."""
    trader = Trader()
    async with platform(database_url, tmp_path, trader) as (world, agent, _):
        plan = await world.plan(limits=replace(ASKING, max_open_orders=1))
        name = (await trader.order(below=5))["client_order_id"]

        await _answer(world, name, approved=False, reason="too large")

        refused = await _becomes(world, plan, name, OrderStatus.REJECTED)
        assert refused.reason == "refused by ann: too large"
        (event,) = await eventually(lambda: _told(agent, name), "the agent to hear of it")
        assert (event.kind, event.source) == (OrderEventKind.REJECTED, EventSource.COMMAND)
        assert event.update.cancel_reason == "refused by ann: too large"
        assert world.pushed() == []
        assert (await trader.order(below=5))["status"] == "awaiting_approval"


async def test_what_nobody_answers_expires(database_url: str, tmp_path: Path) -> None:
    """The agent hears that too, and an answer comes too late."""
    trader = Trader()
    async with platform(database_url, tmp_path, trader) as (world, agent, _):
        plan = await world.plan(limits=replace(ASKING, approval_period=timedelta(seconds=1)))
        name = (await trader.order())["client_order_id"]

        over = await _becomes(world, plan, name, OrderStatus.EXPIRED)

        assert (over.reason or "").startswith("nobody approved it until")
        assert over.order_id is None
        (event,) = await eventually(lambda: _told(agent, name), "the agent to hear of it")
        assert (event.kind, event.update.status) == (OrderEventKind.REJECTED, OrderStatus.EXPIRED)
        with pytest.raises(StateError, match="waits no longer: expired"):
            await _answer(world, name)
        assert world.pushed() == []


async def test_exits_never_wait(database_url: str, tmp_path: Path) -> None:
    """Whatever the size: selling what is held goes out at once, more than that does not."""
    trader = Trader()
    async with platform(database_url, tmp_path, trader) as (world, _, _):
        plan = await world.plan()
        bought = (await trader.order())["client_order_id"]
        await _becomes(world, plan, bought, OrderStatus.FILLED)
        await eventually(lambda: _holds(world, plan), "a holding")
        await _change_limits(world, plan, lambda now: replace(now, approval_notional=Decimal(0)), trader)

        assert (await trader.order())["status"] == "awaiting_approval"
        sold = (await trader.order(Side.SELL, quantity=Decimal("0.4")))["client_order_id"]

        await _becomes(world, plan, sold, OrderStatus.FILLED)


async def _holds(world: Platform, plan: Plan) -> bool:
    return (await world.book(plan)).quantity > 0


async def test_the_gate_is_asked_again(database_url: str, tmp_path: Path) -> None:
    """Limits that came down meanwhile hold: approved is not above the gate. The order itself does not count against itself."""
    trader = Trader()
    async with platform(database_url, tmp_path, trader) as (world, agent, _):
        plan = await world.plan(limits=replace(ASKING, max_open_orders=2, repeat_distance=Decimal("0.001")))
        first = (await trader.order(below=5))["client_order_id"]
        second = (await trader.order(below=50))["client_order_id"]
        await _answer(world, first)
        await _becomes(world, plan, first, OrderStatus.ACCEPTED)
        await _change_limits(
            world,
            plan,
            lambda now: replace(now, max_order_notional=Decimal(200), approval_notional=Decimal(150)),
            trader,
        )

        await _answer(world, second)

        denied = await _becomes(world, plan, second, OrderStatus.DENIED)
        assert (denied.reason or "").startswith("order_too_large: ")
        (event,) = await eventually(lambda: _told(agent, second), "the agent to hear of it")
        assert event.update.status is OrderStatus.DENIED
        assert await _outcome(world, second) is ApprovalOutcome.DENIED
        assert len(world.pushed()) == 1


@pytest.mark.parametrize("way", ["agent", "stop", "halt"])
async def test_what_is_not_wanted_any_more_ends(way: str, database_url: str, tmp_path: Path) -> None:
    """Taken back by the agent, or with the plan that is stopped or halted; an answer after that is refused."""
    trader = Trader()
    async with platform(database_url, tmp_path, trader) as (world, _, _):
        plan = await world.plan(limits=ASKING)
        name = (await trader.order(below=5))["client_order_id"]
        app = world.application

        if way == "agent":
            assert trader.toolbox is not None
            assert (await trader.toolbox.cancel_order(name))["cancel"] == "accepted"
        elif way == "stop":
            await app.plans.stop(plan.id)
        else:
            now = app.clock.now()
            await app.store.risk.halt(Halt(HaltScope.PLAN, plan.id, HaltLevel.HALTED, "news", "ann", now))

        ended = await _becomes(world, plan, name, OrderStatus.CANCELED)
        assert ended.reason == "canceled while it waited for approval"
        assert await _outcome(world, name) is ApprovalOutcome.CANCELED
        with pytest.raises(StateError, match="waits no longer"):
            await _answer(world, name)
        await eventually(lambda: _settled(world), "the plan to be told")
        events = await app.store.journal.events_after(plan.id, 0)
        assert [event.kind for event in events if event.update.client_order_id == name] == [OrderEventKind.CANCELED]  # fmt: skip
        assert world.pushed() == []


async def test_of_two_answers_the_first_stands(database_url: str, tmp_path: Path) -> None:
    """Two approvals at the same moment send one order; approved is not refused afterwards."""
    trader = Trader()
    async with platform(database_url, tmp_path, trader) as (world, _, _):
        plan = await world.plan(limits=ASKING)
        names = [(await trader.order(below=5 + number))["client_order_id"] for number in range(6)]

        said = [
            _answer(world, name, approved=approved, by=by)
            for name in names
            for by, approved in (("ann", True), ("bob", True), ("eve", False))
        ]
        results = await asyncio.gather(*said, return_exceptions=True)

        assert sum(1 for result in results if result is None) == len(names)
        assert all(result is None or isinstance(result, StateError) for result in results)
        for name in names:
            order = await _becomes(world, plan, name, OrderStatus.ACCEPTED, OrderStatus.REJECTED)
            approval = await world.application.store.approvals.get(name)
            assert approval is not None and approval.answer is not None
            assert (order.status is OrderStatus.ACCEPTED) == approval.answer.approved
        sent = [order for order in await world.orders(plan) if order.status is OrderStatus.ACCEPTED]
        assert sorted(order.order_id or "" for order in sent) == sorted({row[0] for row in world.pushed()})
        assert len(world.pushed()) == len(sent)
        with pytest.raises(StateError):
            await _answer(world, names[0])
        with pytest.raises(NotFoundError, match="kokex approve"):
            await _answer(world, "KX404")


async def test_answers_at_the_moment_of_expiry(database_url: str, tmp_path: Path) -> None:
    """Each order goes out once or never, and nothing is left in between."""
    trader = Trader()
    async with platform(database_url, tmp_path, trader) as (world, _, _):
        plan = await world.plan(limits=replace(ASKING, approval_period=timedelta(seconds=1.5)))
        names = [(await trader.order(below=5 + number))["client_order_id"] for number in range(8)]

        async def answer(name: str, early: timedelta) -> None:
            approval = await world.application.store.approvals.get(name)
            assert approval is not None
            now = world.application.clock.now
            await eventually(lambda: now() >= approval.expires_at - early, "the moment")
            try:
                await _answer(world, name)
            except StateError:
                return

        await asyncio.gather(
            *(answer(name, timedelta(milliseconds=25 * number)) for number, name in enumerate(names))
        )

        await eventually(lambda: _settled(world), "the end of all")
        outcomes = {name: await _outcome(world, name) for name in names}
        assert set(outcomes.values()) <= {ApprovalOutcome.SENT, ApprovalOutcome.EXPIRED}
        pushed = [row[0] for row in world.pushed()]
        for name, outcome in outcomes.items():
            order = await _order(world, plan, name)
            expected = OrderStatus.ACCEPTED if outcome is ApprovalOutcome.SENT else OrderStatus.EXPIRED
            assert order.status is expected
            assert pushed.count(order.order_id or "") == (1 if outcome is ApprovalOutcome.SENT else 0)


async def test_answers_without_an_engine_are_carried_out_by_the_next(
    database_url: str, tmp_path: Path
) -> None:
    """What was approved goes out once the account is in line, what was refused ends, what is over expires."""
    trader = Trader()
    async with paper_world(database_url, tmp_path) as world:
        async with running_engine(world.application, trader) as (_, first):
            plan = await world.plan(limits=ASKING)
            kept = (await trader.order(below=5))["client_order_id"]
            refused = (await trader.order(below=6))["client_order_id"]
            await _change_limits(
                world,
                plan,
                lambda now: replace(
                    now, approval_notional=Decimal(101), approval_period=timedelta(seconds=1)
                ),
                trader,
            )
            late = (await trader.order(below=7))["client_order_id"]
        await _answer(world, kept)
        await _answer(world, refused, approved=False)
        approval = await world.application.store.approvals.get(late)
        assert approval is not None
        now = world.application.clock.now
        await eventually(lambda: now() >= approval.expires_at, "the end of its time")

        async with running_engine(world.application, trader) as (_, agent):
            await _becomes(world, plan, kept, OrderStatus.ACCEPTED)
            await _becomes(world, plan, refused, OrderStatus.REJECTED)
            await _becomes(world, plan, late, OrderStatus.EXPIRED)
            await eventually(
                lambda: _told(agent, refused) and (_told(agent, late) or _told(first, late)),
                "the agent to hear of them",
            )
        assert len(world.pushed()) == 1


async def test_a_crash_after_the_approval_was_taken_up(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before it was sent: never sent blindly, and proved not to live. Before the agent was told: told once."""
    monkeypatch.setattr(trading, "SETTLED_AFTER", timedelta(seconds=1))
    trader = Trader()
    async with paper_world(database_url, tmp_path) as world:
        app = world.application
        async with running_engine(app, trader):
            plan = await world.plan(limits=ASKING)
            sent = (await trader.order(below=5))["client_order_id"]
            refused = (await trader.order(below=6))["client_order_id"]
        await _answer(world, sent)
        await _answer(world, refused, approved=False)
        for name, outcome in ((sent, ApprovalOutcome.SENT), (refused, ApprovalOutcome.REFUSED)):
            now = app.clock.now()
            assert await app.store.approvals.settle(
                plan.account_id, name, outcome, at=now, reason="as was said"
            )
            assert not await app.store.approvals.settle(plan.account_id, name, outcome, at=now)

        async with running_engine(app, trader) as (_, agent):
            await _becomes(world, plan, sent, OrderStatus.EXPIRED)
            await eventually(lambda: _settled(world), "both to be of the past")
            await eventually(
                lambda: _told(agent, sent) and _told(agent, refused), "the agent to hear of them"
            )
        async with running_engine(app, trader):
            await eventually(lambda: _settled(world), "a look")
        for name in (sent, refused):
            events = await app.store.journal.events_after(plan.id, 0)
            assert sum(1 for event in events if event.update.client_order_id == name) == 1
        assert world.pushed() == []


async def test_what_waits_is_not_settled_by_hand(database_url: str, tmp_path: Path) -> None:
    """`kokex order settle` is for orders without a trace; and a reconciliation does not look for it at the exchange."""
    trader = Trader()
    async with platform(database_url, tmp_path, trader) as (world, _, engine):
        plan = await world.plan(limits=ASKING)
        name = (await trader.order(below=5))["client_order_id"]
        app = world.application
        (session,) = engine.services.sessions.all()
        before = session.reconciled_at

        engine.services.reconciling.request(session.account.connection_key)

        await eventually(lambda: session.reconciled_at != before, "a reconciliation")
        assert (await _order(world, plan, name)).status is OrderStatus.AWAITING_APPROVAL
        with pytest.raises(StateError, match="kokex approve"):
            await settle_order(app.store, app.clock, app.adapter, name)
