"""One engine at most owns an account, and knows at once when it no longer does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from kokex.services.ownership import COURTESY_BEATS, OwnershipService
from tests.fakes.clock import ManualClock, settle
from tests.fakes.ownership import Database, MemoryLocks


class Engine:
    """An ownership service and what it told."""

    def __init__(self, database: Database, clock: ManualClock, name: str) -> None:
        self.locks = MemoryLocks(database, name)
        self.service = OwnershipService(self.locks, clock)
        self.told: list[tuple[str, int]] = []
        self._task: asyncio.Task[None] | None = None

    def on_account_owned(self, account_id: int) -> None:
        self.told.append(("owned", account_id))

    def on_account_disowned(self, account_id: int, reason: str) -> None:
        self.told.append(("disowned", account_id))

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[Engine]:
        self._task = asyncio.create_task(self.service.run(self))
        await settle()
        try:
            yield self
        finally:
            await self.stop()

    async def stop(self) -> None:
        assert self._task is not None
        self._task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await self._task
        self._task = asyncio.create_task(asyncio.Event().wait())  # type: ignore[arg-type]


async def test_an_account_is_one_engine_s_until_it_ends() -> None:
    """The second gets it at the next beat after the first is gone, and is told."""
    database, clock = Database(), ManualClock()
    first, second = Engine(database, clock, "first"), Engine(database, clock, "second")
    async with second.at_work():
        async with first.at_work():
            assert await first.service.claim(7)
            assert not await second.service.claim(7)
            await clock.advance(5)
            assert second.told == []
        await clock.advance(1)
        assert second.told == [("owned", 7)]
        assert second.service.owns(7)
        assert not first.service.owns(7)


async def test_a_lost_session_loses_every_account_before_an_order_can_go_out() -> None:
    """The proof asks the database; the sink hears of it; the account is claimed again by itself."""
    database, clock = Database(), ManualClock()
    engine = Engine(database, clock, "first")
    async with engine.at_work():
        assert await engine.service.claim(1)
        assert await engine.service.claim(2)
        assert await engine.service.prove(1)
        engine.locks.cut = True
        assert not await engine.service.prove(1)
        assert engine.told == [("disowned", 1), ("disowned", 2)]
        assert not await engine.service.prove(2)
        await clock.advance(1)
        assert engine.told[2:] == [("owned", 1), ("owned", 2)]
        assert await engine.service.prove(2)


async def test_a_silent_loss_is_noticed_by_the_beat() -> None:
    """Nobody need ask."""
    database, clock = Database(), ManualClock()
    engine = Engine(database, clock, "first")
    async with engine.at_work():
        assert await engine.service.claim(1)
        database.down = True
        await clock.advance(1)
        assert engine.told == [("disowned", 1)]
        await clock.advance(10)
        assert not engine.service.owns(1)
        database.down = False
        await clock.advance(1)
        assert engine.told[1:] == [("owned", 1)]


async def test_questions_that_wait_are_answered_together() -> None:
    """A hundred orders at once cost one or two round trips, not a hundred."""
    database, clock = Database(), ManualClock()
    engine = Engine(database, clock, "first")
    async with engine.at_work():
        assert await engine.service.claim(1)
        before = engine.locks.proofs
        answers = await asyncio.gather(*(engine.service.prove(1) for _ in range(100)))
        assert all(answers)
        assert engine.locks.proofs - before <= 2


async def test_what_is_dropped_others_may_have() -> None:
    """Without waiting for this engine to end."""
    database, clock = Database(), ManualClock()
    first, second = Engine(database, clock, "first"), Engine(database, clock, "second")
    async with first.at_work(), second.at_work():
        assert await first.service.claim(1)
        assert not await second.service.claim(1)
        first.service.drop(1)
        await clock.advance(1)
        assert second.told == [("owned", 1)]
        assert not await first.service.prove(1)


async def test_a_free_account_goes_to_the_engine_that_owns_fewer() -> None:
    """The busier one leaves it alone for some beats, then takes it all the same."""
    database, clock = Database(), ManualClock()
    busy, idle = Engine(database, clock, "busy"), Engine(database, clock, "idle")
    async with busy.at_work():
        assert await busy.service.claim(1)
        async with idle.at_work():
            assert not await idle.service.claim(1)
            assert not await busy.service.claim(2)
            assert database.held == {1: "busy"}
            assert await idle.service.claim(2)
            assert await busy.service.claim(3)
            assert not await busy.service.claim(4)
            await clock.advance(COURTESY_BEATS + 1)
            assert database.held[4] == "busy"
