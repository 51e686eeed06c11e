"""Who opens his connection first, and how many are opened in a second."""

from __future__ import annotations

import asyncio

from kokex.adapters.okx.connection_queue import ConnectionQueue, Rank
from kokex.adapters.okx.rate_limit import Budget
from tests.fakes.clock import ManualClock, settle

PRIVATE, BUSINESS, PUBLIC = (
    f"wss://ws.okx.com:8443/ws/v5/{path}" for path in ("private", "business", "public")
)
THREE = Budget(3, 0.9)
"""In a window of one second."""


class Waiting:
    """Connections that wait for their turn, and the order in which it came."""

    def __init__(self, budget: Budget | None = THREE) -> None:
        self.clock = ManualClock()
        self.queue = ConnectionQueue(self.clock)
        self.budget = budget
        self.opened: list[str] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}

    def add(self, name: str, url: str, rank: Rank) -> None:
        self.tasks[name] = asyncio.create_task(self._wait(name, url, rank))

    async def _wait(self, name: str, url: str, rank: Rank) -> None:
        await self.queue.turn(url, rank, self.budget)
        self.opened.append(name)


async def test_orders_of_all_accounts_come_before_stops_of_any() -> None:
    """Whoever asked first, once there is no room for all."""
    at = Waiting()
    for name in ("a", "b", "c"):
        at.add(name, PUBLIC, Rank.MARKET)
    await settle()
    for account in range(4):
        at.add(f"stops {account}", BUSINESS, Rank.STOPS)
        at.add(f"market {account}", PUBLIC, Rank.MARKET)
        at.add(f"orders {account}", PRIVATE, Rank.ORDERS)
    for second in range(1, 5):
        await at.clock.advance(0.99)
        assert len(at.opened) == 3 * second
        await at.clock.advance(0.01)
    kinds = [name.split()[0] for name in at.opened[3:]]
    assert kinds == ["orders"] * 4 + ["market"] * 4 + ["stops"] * 4
    assert at.opened[6] == "orders 3" and at.opened[-1] == "stops 3"


async def test_one_who_comes_later_and_matters_more_is_first() -> None:
    """A lost private socket is not kept waiting by those that open for the first time."""
    at = Waiting()
    for number in range(5):
        at.add(f"stops {number}", BUSINESS, Rank.STOPS)
    await at.clock.advance(0.5)
    at.add("orders", PRIVATE, Rank.ORDERS)
    await at.clock.advance(0.5)
    assert at.opened == ["stops 0", "stops 1", "stops 2", "orders", "stops 3", "stops 4"]


async def test_one_who_gives_up_holds_up_nobody() -> None:
    """Also the one who is next."""
    at = Waiting(Budget(1, 0.9))
    for name in ("a", "b", "c"):
        at.add(name, PRIVATE, Rank.ORDERS)
    await settle()
    at.tasks["b"].cancel()
    await at.clock.advance(1.0)
    assert at.opened == ["a", "c"]


async def test_hosts_have_budgets_of_their_own() -> None:
    """Live and demo."""
    at = Waiting(Budget(1, 0.9))
    at.add("live", PRIVATE, Rank.ORDERS)
    at.add("demo", PRIVATE.replace("ws.", "wspap."), Rank.ORDERS)
    at.add("live again", PUBLIC, Rank.ORDERS)
    await settle()
    assert at.opened == ["live", "demo"]


async def test_a_host_without_a_budget_gets_one_when_it_complains() -> None:
    """A server of our own that counts as OKX does: nothing for a window, then three in each, in the order of their ranks."""
    at = Waiting(budget=None)
    for number in range(5):
        at.add(f"free {number}", PRIVATE, Rank.ORDERS)
    await settle()
    assert len(at.opened) == 5
    at.opened.clear()
    at.queue.refused(PRIVATE, None)
    for number in range(3):
        at.add(f"stops {number}", BUSINESS, Rank.STOPS)
        at.add(f"orders {number}", PRIVATE, Rank.ORDERS)
    await at.clock.advance(1.0)
    assert at.opened == []
    await at.clock.advance(0.2)
    assert at.opened == ["orders 0", "orders 1", "orders 2"]
    await at.clock.advance(1.2)
    assert len(at.opened) == 6


async def test_whoever_could_not_reach_a_host_tries_again_when_another_does() -> None:
    """Not only when his own patience ends; another host's return says nothing."""
    at = Waiting()
    resting = asyncio.create_task(at.queue.rest(PRIVATE, 15.0))
    await at.clock.advance(1.0)
    at.queue.opened(PRIVATE.replace("ws.", "wspap."))
    await settle()
    assert not resting.done()
    at.queue.opened(BUSINESS)
    await settle()
    assert resting.done()
    alone = asyncio.create_task(at.queue.rest(PRIVATE, 15.0))
    await at.clock.advance(14.9)
    assert not alone.done()
    await at.clock.advance(0.1)
    assert alone.done()
