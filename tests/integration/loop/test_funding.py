"""Funding of swaps is in the plans' books: what the gate judges them by is what the exchange says they earned."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from kokex.domain.instrument import Side
from kokex.domain.plan import Plan
from tests.integration.loop.test_reconciling import SWAP, Asked, by_hand, reconciled
from tests.world import LIMITS, Platform, eventually, market, platform

CONFIG = market(instruments=("ETH-USDT", SWAP))
SHORT = replace(LIMITS, allow_short=True)


async def looked(made: Any, session: Any) -> None:
    """A look from here on is over."""
    before = session.reconciled_at
    made.activity.on_account_subscribed(session.account.connection_key)
    await eventually(lambda: session.reconciled and session.reconciled_at != before, "another look")


def funded(world: Platform) -> Decimal:
    """What the exchange charged the account so far."""
    [owner] = world.server.exchange.accounts.values()
    return Decimal(owner.funding)


async def test_a_plan_pays_what_its_account_paid(database_url: str, tmp_path: Path) -> None:
    """Once, exactly, also over a restart of its ledger; its profit is the exchange's own."""
    asked = Asked()
    async with platform(database_url, tmp_path, asked, config=CONFIG) as (world, _, made):
        plan = await world.plan(inst_id=SWAP)
        session = await reconciled(made, world)
        await asked.order(world, Side.BUY, Decimal(3))
        ledger = made.services.ledgers.of(plan.id)
        await eventually(lambda: ledger.book.quantity == 3, "the holding")
        world.step(20)
        assert funded(world) < 0
        await looked(made, session)
        await eventually(lambda: ledger.book.funding == funded(world), "the funding")
        world.step(10)
        for _ in range(2):
            await looked(made, session)
        assert ledger.book.funding == funded(world)
        books = world.books()
        mark = Decimal(books["marks"][SWAP])
        assert ledger.book.pnl(mark) == Decimal(books["pnl"])
        assert await world.application.store.funding.total(plan.id) == funded(world)
        ledger.recount(await world.application.store.journal.fills(plan.id))
        assert ledger.book.funding == funded(world)


async def test_plans_on_one_position_share_it_with_what_was_made_by_hand(
    database_url: str, tmp_path: Path
) -> None:
    """By their holdings at that moment; together with the rest it is what the account paid."""
    asked = Asked()
    async with platform(database_url, tmp_path, asked, config=CONFIG) as (world, _, made):
        first = await world.plan(inst_id=SWAP)
        session = await reconciled(made, world)
        await asked.order(world, Side.BUY, Decimal(6))
        await made_by(made, first, Decimal(6))
        await world.application.plans.pause(first.id)
        second = await world.plan(inst_id=SWAP, limits=SHORT)
        await eventually(lambda: made.activity.works(second.id) and session.reconciled, "the second plan")
        await asked.order(world, Side.SELL, Decimal(2))
        await made_by(made, second, Decimal(-2))
        by_hand(world, "buy", "1", SWAP)
        await looked(made, session)
        store, before = world.application.store.funding, funded(world)
        had = [await store.total(plan.id) for plan in (first, second)]
        world.step(20)
        await looked(made, session)
        paid = funded(world) - before
        assert paid < 0
        assert await store.total(first.id) - had[0] == paid * 6 / 5
        assert await store.total(second.id) - had[1] == -paid * 2 / 5


async def made_by(made: Any, plan: Plan, quantity: Decimal) -> None:
    await eventually(lambda: made.services.ledgers.of(plan.id).book.quantity == quantity, "the holding")
