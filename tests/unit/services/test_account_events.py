"""What an exchange reports of an account reaches the journal once, before anybody acts on it; and only whom it concerns."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from kokex.domain.account_events import AccountEventRecord
from kokex.domain.account_reports import AccountReport
from kokex.domain.events import EventSource
from kokex.services import account_events
from kokex.services.account_events import AccountEventService
from tests.builders import ETH, ETH_SWAP, START, balance_report, position_report, stop_report
from tests.fakes.clock import ManualClock, settle
from tests.fakes.exchange import account
from tests.fakes.journal import memory_store
from tests.fakes.running import at_work

LATER = START + timedelta(hours=1)


class Hearing:
    """Writes down what the service tells."""

    def __init__(self) -> None:
        self.events: list[tuple[int, AccountEventRecord]] = []

    def on_account_events(self, plan_id: int, events: Sequence[AccountEventRecord]) -> None:
        self.events += [(plan_id, event) for event in events]

    def told(self, plan_id: int) -> list[str]:
        return [event.event.kind.value for owner, event in self.events if owner == plan_id]


class Bench:
    """The service with everything around it faked."""

    def __init__(self) -> None:
        self.store = memory_store()
        self.journal = self.store.account_journal
        self.clock = ManualClock()
        self.hearing = Hearing()
        self.service = AccountEventService(self.store, self.clock)

    async def ready(self, *reports: AccountReport) -> None:
        """Plan 1 trades ETH spot on account 1, plan 2 the perpetual; the account held `reports` when it was reconciled."""
        await self.service.subscribe(1, account(), ETH)
        await self.service.subscribe(2, account(), ETH_SWAP)
        await self.service.reconcile(account(), reports, taken_at=START)
        self.service.release(account())

    def push(self, *reports: AccountReport, number: int = 1) -> bool:
        return self.service.take(account(number), reports, START)


@asynccontextmanager
async def running() -> AsyncIterator[Bench]:
    bench = Bench()
    async with at_work(bench.service.run(bench.hearing)):
        yield bench


async def test_events_are_told_after_the_commit_and_not_before() -> None:
    """And what arrives meanwhile goes into the next transaction."""
    async with running() as bench:
        await bench.ready()
        bench.journal.gate.clear()
        for at in (1, 2, 3):
            bench.push(position_report(at, at))
            await settle()
        assert bench.hearing.events == []
        bench.journal.gate.set()
        await settle()
        assert bench.hearing.told(2) == ["position_opened", "position_increased", "position_increased"]
        assert bench.journal.batches == [1, 2]


async def test_two_channels_tell_one_event() -> None:
    """Fewer words or more, a snapshot or not."""
    async with running() as bench:
        await bench.ready(balance_report(100))
        bench.push(balance_report(90, 1, cause="filled", trade_ids=("7",)))
        bench.push(balance_report(90, 1, available=Decimal(80)), balance_report(90, 1, snapshot=True))
        await settle()
        assert bench.hearing.told(1) == ["balance_changed"]


async def test_each_plan_hears_what_concerns_it() -> None:
    """Its instrument's events; balances of a currency that it trades with; nothing of another account."""
    async with running() as bench:
        await bench.ready()
        await bench.service.subscribe(3, account(2), ETH_SWAP)
        bench.push(position_report(1, 1), balance_report(90, 1))
        bench.push(replace(balance_report(1, 1), currency="ETH"), replace(balance_report(1, 1), currency="X"))
        await settle()
        assert bench.hearing.told(1) == ["balance_changed", "balance_changed"]
        assert bench.hearing.told(2) == ["position_opened", "balance_changed", "balance_changed"]
        assert bench.hearing.told(3) == []
        assert [entry.plan_ids for entry in bench.journal.entries] == [(2,), (1, 2), (1, 2), ()]


async def test_reports_are_held_until_the_account_is_reconciled() -> None:
    """They follow what the reconciliation found; what it knew already is no news."""
    async with running() as bench:
        await bench.ready(position_report(1))
        bench.service.hold(account())
        bench.push(position_report(2, 1), position_report(3, 2), position_report(0, 9))
        await settle()
        assert bench.hearing.events == []
        found = await bench.service.reconcile(account(), [position_report(3, 2)], taken_at=START)
        assert found == 1
        bench.service.release(account())
        await settle()
        assert bench.hearing.told(2) == ["position_increased", "position_closed"]
        assert [event.source for _, event in bench.hearing.events] == [
            EventSource.RECONCILE,
            EventSource.STREAM,
        ]


async def test_a_step_of_the_same_millisecond_does_not_bring_back_what_the_picture_left_behind() -> None:
    """Two changes in one millisecond, both read as one picture; then the stream, which was held, tells the first of them."""
    async with running() as bench:
        await bench.ready(balance_report(100))
        bench.service.hold(account())
        bench.push(balance_report(90, 1), balance_report(80, 1))
        await bench.service.reconcile(account(), [balance_report(80, 1)], taken_at=LATER)
        assert not bench.service.release(account())  # which of them was later is asked again
        await settle()
        book = bench.service.book(1)
        assert book is not None and book.balances["USDT"].total == 80
        assert bench.hearing.told(2) == ["balance_changed"]
        bench.service.hold(account())
        assert await bench.service.reconcile(account(), [balance_report(80, 1)], taken_at=LATER) == 0
        assert bench.service.release(account())


async def test_the_first_picture_is_no_event_and_the_next_process_starts_from_it() -> None:
    """What changed while nobody looked is a difference, also what is there no longer."""
    async with running() as bench:
        await bench.ready(balance_report(100), position_report(1), stop_report())
        assert bench.journal.entries == []
        assert len(bench.journal.adopted[1]) == 3
        store = bench.store
    async with running() as bench:
        bench.store, bench.journal = store, store.account_journal
        bench.service._store = store
        await bench.service.subscribe(2, account(), ETH_SWAP)
        found = await bench.service.reconcile(account(), [balance_report(80, 5)], taken_at=LATER)
        assert found == 2
        assert bench.hearing.told(2) == ["balance_changed", "position_closed"]
        assert {event.source for _, event in bench.hearing.events} == {EventSource.RECONCILE}
        again = await bench.service.reconcile(account(), [balance_report(80, 5)], taken_at=LATER)
        assert again == 0
        book = bench.service.book(1)
        assert book is not None
        assert (book.positions, [stop.stop_id for stop in book.stops]) == ([], ["700"])


async def test_a_picture_from_a_stale_cache_heals_itself() -> None:
    """It lacked a position that the stream still tells of: closed by silence, open again by the next snapshot."""
    async with running() as bench:
        await bench.ready(position_report(1))
        bench.service.hold(account())
        bench.push(position_report(1, snapshot=True))
        await bench.service.reconcile(account(), [], taken_at=LATER)
        bench.service.release(account())
        await settle()
        assert bench.hearing.told(2) == ["position_closed"]
        bench.push(position_report(1, snapshot=True))
        await settle()
        assert bench.hearing.told(2) == ["position_closed", "position_opened"]


async def test_a_part_of_the_picture_ends_nothing() -> None:
    """Without the time of a full picture, silence says nothing."""
    async with running() as bench:
        await bench.ready(position_report(1), balance_report(100))
        assert await bench.service.reconcile(account(), [balance_report(90, 1)]) == 1
        book = bench.service.book(1)
        assert book is not None
        assert book.positions


async def test_a_database_that_is_away_loses_nothing() -> None:
    """Journal, book and first picture wait for it."""
    async with running() as bench:
        await bench.service.subscribe(2, account(), ETH_SWAP)
        bench.journal.failures = 3
        reconciling = asyncio.create_task(bench.service.reconcile(account(), [], taken_at=START))
        await bench.clock.advance(10)
        assert await reconciling == 0
        bench.service.release(account())
        bench.journal.failures = 3
        bench.push(position_report(1, 1))
        await bench.clock.advance(10)
        assert bench.hearing.told(2) == ["position_opened"]


async def test_what_finds_no_room_is_a_difference_of_the_next_picture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Memory is bounded; the book does not know what was not taken."""
    monkeypatch.setattr(account_events, "QUEUE", 2)
    async with running() as bench:
        await bench.ready()
        bench.journal.gate.clear()
        took = [bench.push(position_report(at, at)) for at in (1, 2, 3, 4)]
        assert took == [True, True, False, False]
        bench.service.hold(account())
        held = [bench.push(balance_report(at, at)) for at in (1, 2, 3)]
        assert held == [True, True, False]
        bench.journal.gate.set()
        assert await bench.service.reconcile(account(), [position_report(4, 4)], taken_at=START) == 1
        assert not bench.service.release(account())
        bench.service.hold(account())
        assert bench.service.release(account())
        await settle()
        assert bench.hearing.told(2)[:3] == ["position_opened", "position_increased", "position_increased"]


async def test_plans_come_and_go() -> None:
    """The book is open while any plan listens; who left hears nothing."""
    async with running() as bench:
        await bench.ready()
        bench.service.unsubscribe(1, account())
        bench.push(balance_report(5, 1))
        await settle()
        assert (bench.hearing.told(1), bench.hearing.told(2)) == ([], ["balance_changed"])
        bench.service.unsubscribe(2, account())
        bench.service.unsubscribe(2, account())
        assert bench.service.book(1) is None
        assert bench.push(balance_report(6, 2))
        assert await bench.service.reconcile(account(), []) == 0
        assert bench.service.release(account())
