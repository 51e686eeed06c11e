"""`kokex approve` as a person uses it: beside a running engine, without one, and wrongly."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from kokex.bootstrap import sole_engine
from kokex.cli.app import run
from kokex.domain.decision import Turn
from kokex.domain.instrument import Side
from kokex.domain.order import OrderStatus, OrderType
from kokex.domain.plan import Plan
from kokex.ports.toolbox import Toolbox
from tests.world import LIMITS, Platform, eventually, paper_world, running_engine

ASKING = replace(LIMITS, approval_notional=Decimal(100))
Asked = Callable[..., Awaitable[str]]


@dataclass
class Desk:
    """A platform whose first turn asked for an order 5 below the bid."""

    world: Platform
    ask: Asked
    toolbox: Toolbox | None = None

    async def __call__(self, turn: Turn, toolbox: Toolbox) -> None:
        self.toolbox = self.toolbox or toolbox

    async def order(self) -> str:
        await eventually(lambda: self.toolbox is not None, "a turn")
        assert self.toolbox is not None
        price = Decimal(str((await self.toolbox.get_current_price())["bid"])) - 5
        result = await self.toolbox.place_order(Side.BUY, OrderType.LIMIT, Decimal("0.5"), price)
        assert result["status"] == "awaiting_approval"
        return str(result["client_order_id"])

    async def status(self, plan: Plan, name: str) -> OrderStatus:
        order = await self.world.application.store.orders.get(plan.account_id, name)
        assert order is not None
        return order.status


@pytest_asyncio.fixture
async def desk(
    database_url: str,
    tmp_path: Path,
    own_place: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> AsyncIterator[Desk]:
    """All but the engine; `ask` runs a command of `kokex` and gives what it says."""
    monkeypatch.setattr("kokex.cli.approve._HEARD_SECONDS", 60.0)

    async def ask(*arguments: str, code: int = 0) -> str:
        capsys.readouterr()
        assert await asyncio.to_thread(run, [*arguments]) == code
        said = capsys.readouterr()
        return said.err if code else said.out

    async with paper_world(database_url, tmp_path) as world:
        yield Desk(world, ask)


async def test_approving_beside_an_engine(desk: Desk, tmp_path: Path) -> None:
    """The list says what is to be known; the answer what became of the order; a second answer is refused."""
    with sole_engine(tmp_path):
        async with running_engine(desk.world.application, desk) as (_, agent):
            plan = await desk.world.plan(name="eth", limits=ASKING)
            name = await desk.order()
            await eventually(lambda: _decided(desk, plan), "the end of the turn")
            (row,) = json.loads(await desk.ask("approve", "--json"))
            assert (row["client_order_id"], row["plan"], row["side"]) == (name, "eth", "buy")
            assert Decimal(row["notional"]) > 100
            assert row["currency"] == "USDT"
            assert row["since"] < row["until"]
            assert row["answer"] is None
            assert row["reason"] == "as written"
            table = await desk.ask("approve")
            assert name in table
            assert "as written" in table
            assert "awaiting_approval" in await desk.ask("order", "list")

            said = await desk.ask("approve", name, "--by", "ann", "--reason", "fine")

            assert f"Order {name} is approved by ann: sent, the order is accepted" in said
            assert await desk.status(plan, name) is OrderStatus.ACCEPTED
            assert "No order waits" in await desk.ask("approve")
            again = await desk.ask("approve", name, code=1)
            assert "waits no longer: sent" in again
            assert agent.turns


async def test_refusing_beside_an_engine(desk: Desk, tmp_path: Path) -> None:
    """With who and why, as JSON."""
    with sole_engine(tmp_path):
        async with running_engine(desk.world.application, desk):
            await desk.world.plan(limits=ASKING)
            name = await desk.order()
            said: dict[str, Any] = json.loads(
                await desk.ask("approve", name, "--refuse", "--by", "ann", "--reason", "too large", "--json")
            )
    assert (said["answer"], said["outcome"], said["status"]) == ("refused", "refused", "rejected")
    assert said["reason"] == "refused by ann: too large"


async def test_approving_without_an_engine(desk: Desk) -> None:
    """The answer is kept for the next engine, and said to be."""
    async with running_engine(desk.world.application, desk):
        plan = await desk.world.plan(limits=ASKING)
        name = await desk.order()

    said = await desk.ask("approve", name, "--by", "ann")

    assert "No engine works on this data folder now; the next one sends it before" in said
    assert "approved by ann" in await desk.ask("approve")
    assert "was approved already, by ann" in await desk.ask("approve", name, "--refuse", code=1)
    assert await desk.status(plan, name) is OrderStatus.AWAITING_APPROVAL
    async with running_engine(desk.world.application, desk):

        async def sent() -> bool:
            return await desk.status(plan, name) is OrderStatus.ACCEPTED

        await eventually(sent, "the order at the exchange")


async def test_wrong_use(desk: Desk) -> None:
    """Unknown, nameless, over: one sentence each, and nothing is changed."""
    async with running_engine(desk.world.application, desk):
        plan = await desk.world.plan(limits=replace(ASKING, approval_period=timedelta(seconds=0.5)))
        name = await desk.order()
    app = desk.world.application
    approval = await app.store.approvals.get(name)
    assert approval is not None
    await eventually(lambda: app.clock.now() >= approval.expires_at, "the end of its time")

    assert "'KX404'" in await desk.ask("approve", "KX404", code=1)
    assert "name the order to answer" in await desk.ask("approve", "--refuse", code=1)
    said = await desk.ask("approve", name, code=1)
    assert "waited until" in said or "waits no longer" in said
    assert await desk.status(plan, name) in (OrderStatus.AWAITING_APPROVAL, OrderStatus.EXPIRED)
    assert (await app.store.approvals.get(name)).answer is None  # type: ignore[union-attr]


async def test_the_limit_reaches_every_place(desk: Desk) -> None:
    """Set from the command line, shown with the plan, with its limits and to the agent."""
    async with running_engine(desk.world.application, desk):
        plan = await desk.world.plan(name="eth")
        await eventually(lambda: desk.toolbox is not None, "a turn")
        settings = ("--set", "approval_notional=250", "--set", "approval_period=1h")
        await desk.ask("risk", "limits", "eth", *settings, "--by", "ann", "--reason", "eyes on it")
        shown = await desk.ask("plan", "show", "eth")
        assert "orders over 250 USDT that add risk, for 60 min" in shown
        assert "approval_notional" in await desk.ask("risk", "show", "eth")

        async def told() -> bool:
            assert desk.toolbox is not None
            return (await desk.toolbox.get_trading_limits())["approval_notional"] == "250"

        await eventually(told, "the agent's limits")
        kept = await desk.world.application.store.plans.get(plan.id)
        assert kept.limits.approval_period == timedelta(hours=1)
        assert "approval_notional" in await desk.ask(
            "risk", "limits", "eth", "--set", "approval_notional=-1", code=1
        )


async def _decided(desk: Desk, plan: Plan) -> bool:
    (turn, *_) = await desk.world.application.store.turns.recent(plan.id, limit=1) or [None]
    return turn is not None and turn.decision is not None
