"""`kill -9` of the engine at any moment of a busy market loses nothing and doubles nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from kokex.domain.candle import Interval
from kokex.domain.plan import PlanStatus
from tests.world import LIMITS, Platform, eventually, market, paper_world

KILLS = 50
"""At least; more where the machine is so slow that little happened between them."""
BUSY = 300
"""Order events that make a market busy."""
SEED = 20261122
NURSERY = Path(__file__).with_name("engine_nursery.py")


class Nursery:
    """Engines by fork, one at a time; none outlives it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def bear(self) -> int:
        """A new engine; its process id. It is still starting."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        await self._process.stdin.drain()
        return int((await self.line("born")).split()[1])

    async def line(self, start: str) -> str:
        """The next line that begins with `start`."""
        assert self._process.stdout is not None
        async with asyncio.timeout(60):
            while True:
                text = (await self._process.stdout.readline()).decode()
                assert text, "the nursery died"
                if text.startswith(start):
                    return text


@asynccontextmanager
async def nursery(home: Path, database_url: str) -> AsyncIterator[Nursery]:
    environment = os.environ | {"KOKEX_DATABASE_URL": database_url, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(NURSERY),
        str(home),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=environment,
        start_new_session=True,
    )
    try:
        yield Nursery(process)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def live_and_die(nest: Nursery, random: Random) -> None:
    """One engine's life: killed while it starts, or at some moment of its work."""
    pid = await nest.bear()
    try:
        if random.random() < 0.25:
            await asyncio.sleep(random.uniform(0.02, 0.6))
        else:
            await nest.line("ready")
            await asyncio.sleep(random.uniform(0.0, 0.9))
    finally:
        os.kill(pid, signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.timeout(1200)
async def test_fifty_kills_lose_nothing_and_double_nothing(database_url: str, tmp_path: Path) -> None:
    """Every event of the exchange is journalled once and in order, no order was sent twice, the books are equal."""
    random = Random(SEED)
    config = market(interval="1m", speed=600, paused=False, warmup_candles=400, rate_limits=False)
    async with paper_world(database_url, tmp_path, config) as world:
        limits = replace(LIMITS, max_orders_per_minute=100_000, max_position_notional=Decimal(50_000))
        plan = await world.plan(interval=Interval("1m"), limits=limits)
        async with nursery(tmp_path, database_url) as nest:
            kills = 0
            while kills < KILLS or len(world.pushed()) < BUSY:
                await live_and_die(nest, random)
                kills += 1
            pid = await nest.bear()
            try:
                await nest.line("ready")
                await wait_for_the_end(world, plan)
            finally:
                os.kill(pid, signal.SIGKILL)
        await assert_nothing_lost_or_doubled(world, plan)


async def wait_for_the_end(world: Platform, plan: Any) -> None:
    """Stop the plan and wait until nothing is open anywhere and everything is journalled."""
    await world.application.plans.stop(plan.id)
    store = world.application.store

    async def at_rest() -> bool:
        """The engine has heard of the wish and its last turn is over, so that no order follows."""
        rows = await store.subscriptions.list()
        heard = not any(row.active for row in rows if row.plan_id == plan.id)
        return heard and not await store.orders.pending(plan_id=plan.id)

    async def complete() -> bool:
        return set(world.pushed()) <= set(await exchange_events(world, plan))

    try:
        await eventually(at_rest, "the end of every order", seconds=60)
        await eventually(complete, "a complete journal", seconds=60)
    except AssertionError as error:
        error.add_note(difference(await exchange_events(world, plan), world.pushed()))
        error.add_note(f"pending: {await store.orders.pending(plan_id=plan.id)}")
        error.add_note(f"subscriptions: {await store.subscriptions.list()}")
        raise


async def assert_nothing_lost_or_doubled(world: Platform, plan: Any) -> None:
    pushed, journalled = world.pushed(), await exchange_events(world, plan)
    assert Counter(journalled) == Counter(set(pushed)), difference(journalled, pushed)
    for order_id in {order_id for order_id, _, _ in pushed}:
        mine = [event for event in pushed if event[0] == order_id]
        assert [event for event in journalled if event[0] == order_id] == list(dict.fromkeys(mine))

    last = {event.order_id: event for event in exchange_record(world)}
    names = [event.client_order_id for event in last.values()]
    assert len(names) == len(set(names)), "an order was sent twice"
    known = {order.client_order_id: order for order in await world.orders(plan)}
    for event in last.values():
        assert known[event.client_order_id].order_id == event.order_id
        assert known[event.client_order_id].filled_quantity == Decimal(event.filled)
    assert all(order.status.closed for order in known.values())

    book, books = await world.book(plan), world.books()
    assert book.quantity == Decimal(books["balances"].get("ETH", "0"))
    assert Decimal(100_000) + book.cash == Decimal(books["balances"]["USDT"])
    assert book.pnl(Decimal(books["marks"]["ETH-USDT"])) == Decimal(books["pnl"])
    assert (await world.application.store.plans.get(plan.id)).status is PlanStatus.STOPPED


async def exchange_events(world: Platform, plan: Any) -> list[tuple[str, str, str]]:
    """The journal without the refusals that came as answers, which the exchange pushes no event for."""
    return [event for event in await world.journalled(plan) if event[1] != "rejected"]


def exchange_record(world: Platform) -> list[Any]:
    """Every order event that the exchange ever made."""
    (owner,) = world.server.exchange.accounts.values()
    return list(world.server.exchange.records.events[owner.uid])


def difference(journalled: list[Any], pushed: list[Any]) -> str:
    have, want = Counter(journalled), Counter(set(pushed))
    return f"missing {list((want - have).items())[:10]}, too many {list((have - want).items())[:10]}"
