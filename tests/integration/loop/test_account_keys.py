"""Keys that are replaced, and accounts that stopped because of theirs, while the engine runs."""

from __future__ import annotations

import time
from decimal import Decimal
from pathlib import Path

import pytest

from kokex.bootstrap import Engine
from kokex.domain.account import Credentials
from kokex.domain.errors import ConfigurationError
from kokex.domain.instrument import Side
from kokex.services import account_keys
from kokex.services.accounts import AccountSession
from tests.integration.loop.test_reconciling import LOT, Asked, reconciled
from tests.world import Platform, eventually, paper_world, platform, running_engine

RIGHT = Credentials("key-1", "secret-1", "phrase-1")
WRONG = Credentials("key-1", "secret-1", "mistyped")


async def stopped(made: Engine, world: Platform) -> AccountSession:
    session = await eventually(lambda: made.services.sessions.by_id(world.accounts[0].id), "a session")
    await eventually(lambda: session.stopped, "an account that stopped")
    return session


async def test_wrong_keys_are_replaced_without_a_restart(database_url: str, tmp_path: Path) -> None:
    """The engine says how, and trades as soon as the right ones are there."""
    asked = Asked()
    async with paper_world(database_url, tmp_path) as world:
        accounts = world.application.store.accounts
        await accounts.replace_credentials(world.accounts[0].id, WRONG)
        async with running_engine(world.application, asked) as (made, _):
            await world.plan()
            session = await stopped(made, world)
            assert session.stopped is not None
            assert "kokex account keys 'paper 1'" in session.stopped
            await accounts.replace_credentials(world.accounts[0].id, RIGHT)
            began = time.monotonic()
            await eventually(lambda: session.reconciled, "a reconciled account")
            print(f"from new keys to reconciled: {time.monotonic() - began:.2f} s")
            assert session.stopped is None
            (answer,) = await asked.order(world, Side.BUY, LOT)
            assert answer["status"] in ("accepted", "filled")


async def test_keys_are_replaced_while_orders_are_open(database_url: str, tmp_path: Path) -> None:
    """What happened meanwhile is reconciled; the journal is the exchange's record."""
    asked = Asked()
    async with platform(database_url, tmp_path, asked) as (world, _, made):
        plan = await world.plan()
        session = await reconciled(made, world)
        await asked.order(world, Side.BUY, LOT, Decimal(-60))
        accounts = world.application.store.accounts
        await accounts.replace_credentials(plan.account_id, WRONG)
        await eventually(lambda: session.stopped, "an account that stopped")
        world.step(3)
        await accounts.replace_credentials(plan.account_id, RIGHT)
        await eventually(lambda: session.reconciled, "a reconciled account")

        async def same() -> bool:
            return await world.journalled(plan) == world.pushed()

        await eventually(same, "an equal journal")
        assert "live" in {state for _, state, _ in world.pushed()}


@pytest.mark.parametrize("way", ["told", "in time"])
async def test_what_was_mended_at_the_exchange_is_tried_again(
    way: str, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The keys stay as they are: at once after `account check` found all well, else after a while."""
    if way == "in time":
        monkeypatch.setattr(account_keys, "RETRY_SECONDS", 0.5)
    async with paper_world(database_url, tmp_path) as world:
        world.server.faults.arm("refuse_login", count=1000, code="60024")
        async with running_engine(world.application) as (made, _):
            await world.plan()
            session = await stopped(made, world)
            world.server.faults.clear()
            if way == "told":
                await world.application.store.accounts.announce(world.accounts[0].id)
            await eventually(lambda: session.reconciled, "a reconciled account")
            assert session.stopped is None


async def test_a_removed_account_is_let_go(database_url: str, tmp_path: Path) -> None:
    """Its session ends with its keys; its plans cannot start again, and say why."""
    async with platform(database_url, tmp_path) as (world, _, made):
        plan = await world.plan()
        await reconciled(made, world)
        await world.application.plans.stop(plan.id)
        await eventually(lambda: not made.activity.works(plan.id), "the plan's rest")
        await world.application.store.accounts.remove(plan.account_id)
        await eventually(lambda: made.services.sessions.by_id(plan.account_id) is None, "no session")
        with pytest.raises(ConfigurationError, match="removed"):
            await world.application.plans.start(plan.id)
        assert (await world.application.store.accounts.get(plan.account_id)).name == "paper 1"
