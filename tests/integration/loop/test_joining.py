"""Plans that join an account at an awkward moment."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kokex.domain.errors import StoreUnavailableError
from kokex.domain.instrument import Side
from kokex.services import plans
from kokex.services.stream_reporting import StreamReporting
from tests.integration.loop.test_reconciling import LOT, Asked, reconciled
from tests.world import eventually, market, paper_world, platform, running_engine

OTHER = "BTC-USDT"


async def test_a_plan_that_joins_during_a_reconciliation_waits_for_its_own(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look that is under way does not know its instrument: no order goes out before one that does."""
    config = market(instruments=("ETH-USDT", OTHER))
    async with platform(database_url, tmp_path, config=config) as (world, _, made):
        first = await world.plan()
        session = await eventually(lambda: made.services.sessions.by_id(first.account_id), "a session")
        await eventually(lambda: session.reconciled, "a reconciled account")
        key = session.account.connection_key
        connection = made.services.order_events.connections[key]
        monkeypatch.setattr(connection.stream, "subscribe_orders_channel", lambda inst_id=None: None)
        looking, go_on = asyncio.Event(), asyncio.Event()
        reconcile = made.services.reconciling.reconcile

        async def slow(one: Any) -> None:
            await reconcile(one)
            looking.set()
            await go_on.wait()

        monkeypatch.setattr(made.services.reconciling, "reconcile", slow)
        other = await session.exchange.instrument(OTHER)
        await world.application.store.instruments.upsert(f"paper:{first.account_id}", [other])
        made.activity.on_account_subscribed(key)
        await looking.wait()
        second = await world.plan(inst_id=OTHER)
        await eventually(lambda: second.id in connection.plans, "the second plan's subscription")
        go_on.set()
        await eventually(lambda: session.reconciled, "a reconciled account")
        assert await world.application.store.reconciliation.coverage(first.account_id, OTHER) is not None


async def test_a_plan_whose_subscription_could_not_be_kept_works_all_the_same(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that is away at that moment leaves no plan that counts as at work and does nothing."""
    monkeypatch.setattr(plans, "RETRY_SECONDS", 0.05)
    failures = iter([True])
    save = StreamReporting.save

    async def away(self: StreamReporting, statuses: Any) -> None:
        if next(failures, False):
            raise StoreUnavailableError("the database went away")
        await save(self, statuses)

    monkeypatch.setattr(StreamReporting, "save", away)
    async with platform(database_url, tmp_path) as (world, agent, _):
        await world.plan()

        def turns() -> list[Any]:
            world.step()
            return agent.turns

        await eventually(turns, "a turn")
        assert next(failures, None) is None


async def test_a_plan_that_was_stopped_while_no_engine_ran_has_nothing_open_after_the_next_start(
    database_url: str, tmp_path: Path
) -> None:
    """`plan stop` cancels what is open, whenever an engine comes to do it."""
    asked = Asked()
    async with paper_world(database_url, tmp_path) as world:
        plan = await world.plan()
        async with running_engine(world.application, asked) as (made, _):
            await reconciled(made, world)
            (answer,) = await asked.order(world, Side.BUY, LOT, Decimal(-50))
            assert answer["status"] == "accepted"
        await world.application.plans.stop(plan.id)
        async with running_engine(world.application, asked) as (made, _):
            await eventually(lambda: world.pushed()[-1][1] == "canceled", "the cancellation")
            await eventually(lambda: world.journalled(plan), "the journal")
            assert not made.activity.works(plan.id)
        assert await world.journalled(plan) == world.pushed()
