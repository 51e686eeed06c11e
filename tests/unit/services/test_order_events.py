"""Order events reach the journal once, in order, before anybody acts on them; and only whom they concern."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from kokex.domain.account import Environment
from kokex.domain.account_events import AccountEventRecord
from kokex.domain.errors import ExchangeStoppedError, StoreError
from kokex.domain.events import ClassifiedUpdate, EventSource, OrderEvent, classify
from kokex.domain.ids import OrderOrigin, client_order_id
from kokex.domain.order import OrderStatus
from kokex.services import account_events, beginnings, journalling, order_events, stream_reporting
from kokex.services.account_events import AccountEventService
from kokex.services.ledger import Ledgers
from kokex.services.order_events import OrderEventService
from tests.builders import ETH, START, balance_report, fill, order, plan, update
from tests.fakes.clock import ManualClock, settle
from tests.fakes.exchange import CREDENTIALS, FakeAdapter, account
from tests.fakes.journal import memory_store
from tests.fakes.running import at_work


class Hearing:
    """Writes down what the service tells."""

    def __init__(self) -> None:
        self.events: list[tuple[int, list[OrderEvent]]] = []
        self.accounts: list[tuple[str, str]] = []

    def on_order_events(self, plan_id: int, events: Sequence[OrderEvent]) -> None:
        self.events.append((plan_id, list(events)))

    def on_account_subscribed(self, connection_key: str) -> None:
        self.accounts.append(("subscribed", connection_key))

    def on_stops_subscribed(self, connection_key: str) -> None:
        self.accounts.append(("stops", connection_key))

    def on_account_lost(self, connection_key: str) -> None:
        self.accounts.append(("lost", connection_key))

    def on_account_stopped(self, connection_key: str, reason: str) -> None:
        self.accounts.append(("stopped", reason))

    def on_account_events(self, plan_id: int, events: Sequence[AccountEventRecord]) -> None:
        """Heard elsewhere."""

    def told(self, plan_id: int) -> list[str]:
        return [event.event_key for owner, events in self.events for event in events if owner == plan_id]


class Bench:
    """The service with everything around it faked."""

    def __init__(self) -> None:
        self.store = memory_store()
        self.clock = ManualClock()
        self.adapter = FakeAdapter()
        self.ledgers = Ledgers()
        self.hearing = Hearing()
        self.account_events = AccountEventService(self.store, self.clock)
        self.service = OrderEventService(
            self.store, self.clock, self.adapter, self.ledgers, self.account_events, "test"
        )

    async def subscribe(self, *plans: Any, account_number: int = 1) -> Any:
        for one in plans:
            await self.service.subscribe(one, account(account_number), CREDENTIALS)
        return self.adapter.streams[account(account_number).connection_key]

    def push(self, stream: Any, *updates: Any) -> bool:
        return stream.listener.on_order_updates([classify(one) for one in updates], START)


@asynccontextmanager
async def running() -> AsyncIterator[Bench]:
    bench = Bench()
    async with at_work(bench.service.run(bench.hearing)):
        yield bench


def own(plan_id: int, order_id: str = "9001", **changes: Any) -> Any:
    name = client_order_id(OrderOrigin("test", plan_id, 1, 0))
    return update(order_id=order_id, client_order_id=name, **changes)


async def test_events_are_told_after_the_commit_and_not_before() -> None:
    """While the transaction is under way nobody hears of its events."""
    async with running() as bench:
        stream = await bench.subscribe(plan())
        bench.service.release(account())
        bench.store.journal.gate.clear()
        bench.push(stream, own(1))
        await settle()
        assert bench.hearing.events == []
        bench.store.journal.gate.set()
        await settle()
        assert bench.hearing.told(1) == ["live"]


async def test_what_arrives_during_a_commit_goes_into_the_next_one() -> None:
    """Group commit: three frames behind the first make one transaction."""
    async with running() as bench:
        stream = await bench.subscribe(plan())
        bench.service.release(account())
        bench.store.journal.gate.clear()
        for number in range(4):
            bench.push(stream, own(1, order_id=str(number)))
            await settle()
        bench.store.journal.gate.set()
        await settle()
        assert bench.store.journal.batches == [1, 3]


async def test_a_repeated_frame_is_told_once() -> None:
    """Duplicates vanish on the journal's key."""
    async with running() as bench:
        stream = await bench.subscribe(plan())
        bench.service.release(account())
        for _ in range(3):
            bench.push(stream, own(1))
        await settle()
        assert bench.hearing.told(1) == ["live"]


async def test_an_order_begins_with_its_live_even_where_that_comes_late() -> None:
    """What came before the first news is told before it, as the exchange would have; the exchange's own is a duplicate then."""
    async with running() as bench:
        stream = await bench.subscribe(plan())
        bench.service.release(account())
        part = own(1, status=OrderStatus.PARTIALLY_FILLED, filled_quantity=Decimal("0.04"), fill=fill(1))
        bench.push(stream, part, own(1), replace(part, fill=fill(2)))
        await settle()
        assert bench.hearing.told(1) == ["live", "fill:1", "fill:2"]
        first, second, _ = bench.store.journal.entries
        assert first.classified.event_type == "buy_order_live"
        assert first.classified.update.filled_quantity == 0
        assert (first.source, second.source) == (EventSource.RECONCILE, EventSource.STREAM)


async def test_an_execution_that_comes_late_is_journalled_at_once_and_counted_once() -> None:
    """A connection that goes on may swap two pushes; a look that finds the missing one meanwhile makes it no second."""
    for found_first in (False, True):
        async with running() as bench:
            stream = await bench.subscribe(plan())
            bench.service.release(account())
            sent = order(quantity=Decimal("0.1"), client_order_id=own(1).client_order_id)
            ledger = bench.ledgers.open(1, ETH, [], [])
            ledger.add(sent)
            partly = own(1, status=OrderStatus.PARTIALLY_FILLED)
            name = partly.client_order_id
            first = replace(partly, filled_quantity=Decimal("0.04"), fill=fill(1, client_order_id=name))
            second = replace(partly, filled_quantity=Decimal("0.08"), fill=fill(2, client_order_id=name))
            bench.push(stream, own(1), second)
            await settle()
            assert ledger.pending[name].filled_quantity == Decimal("0.08")
            if found_first:
                await bench.service.ingest(account(), [classify(first)], EventSource.RECONCILE)
            bench.push(stream, replace(first, late=True), second)
            await settle()
            assert bench.hearing.told(1) == ["live", "fill:2", "fill:1"]
            assert ledger.book.fills == 2 and ledger.book.quantity == Decimal("0.07992")
            assert ledger.pending[name].filled_quantity == Decimal("0.08")


async def test_an_order_that_was_never_live_has_none() -> None:
    """A post-only order that the book turned away, and one that the exchange refused."""
    async with running() as bench:
        stream = await bench.subscribe(plan())
        bench.service.release(account())
        bench.push(stream, own(1, status=OrderStatus.CANCELED, never_live=True))
        refused = classify(own(1, order_id="9002", status=OrderStatus.REJECTED))
        await bench.service.ingest(account(), [refused], EventSource.COMMAND)
        await settle()
        assert sorted(bench.hearing.told(1)) == ["canceled", "rejected"]


async def test_an_order_made_by_hand_begins_once_for_each_plan() -> None:
    """All that listen are told of its beginning, and of nothing twice."""
    async with running() as bench:
        stream = await bench.subscribe(plan(id=1), plan(id=2))
        bench.service.release(account())
        gone = update(client_order_id=None, status=OrderStatus.CANCELED)
        bench.push(stream, gone, gone, update(client_order_id=None))
        await settle()
        assert [bench.hearing.told(number) for number in (1, 2)] == [["live", "canceled"]] * 2


async def test_beginnings_are_forgotten_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded; an order that is forgotten costs a duplicate, which falls away."""
    monkeypatch.setattr(beginnings, "_REMEMBERED", 2)
    async with running() as bench:
        stream = await bench.subscribe(plan())
        bench.service.release(account())
        for number in range(4):
            bench.push(stream, own(1, order_id=str(number)))
        bench.push(stream, own(1, order_id="0", status=OrderStatus.CANCELED))
        await settle()
        assert bench.hearing.told(1) == ["live"] * 4 + ["canceled"]
        assert sum(bench.store.journal.batches) == 6


async def test_a_refused_batch_is_no_beginning() -> None:
    """What the database refused is told again, beginning included."""
    async with running() as bench:
        stream = await bench.subscribe(plan())
        bench.service.release(account())
        append = bench.store.journal.append

        async def refuse(entries: Any) -> Any:
            raise StoreError("refused")

        bench.store.journal.append = refuse
        with pytest.raises(StoreError):
            await bench.service.ingest(account(), [classify(own(1))], EventSource.RECONCILE)
        bench.store.journal.append = append
        bench.push(stream, own(1, status=OrderStatus.CANCELED))
        await settle()
        assert bench.hearing.told(1) == ["live", "canceled"]


async def test_the_stream_is_held_until_the_account_is_reconciled() -> None:
    """What is pushed meanwhile follows what the reconciliation found."""
    async with running() as bench:
        stream = await bench.subscribe(plan())
        stream.listener.on_subscribed()
        done = own(1, status=OrderStatus.FILLED, filled_quantity=Decimal("0.1"), fill=fill(2))
        bench.push(stream, done)
        await settle()
        assert bench.hearing.events == []
        await bench.service.ingest(account(), [classify(own(1))], EventSource.RECONCILE)
        bench.service.release(account())
        await settle()
        assert bench.hearing.told(1) == ["live", "fill:2"]
        assert bench.hearing.accounts == [("subscribed", "okx:paper:1")]


async def test_stops_that_are_told_of_late_hold_nothing() -> None:
    """Their socket opens after the one that orders are traded over, or comes back alone."""
    async with running() as bench:
        stream = await bench.subscribe(plan())
        stream.listener.on_subscribed()
        bench.service.release(account())
        stream.listener.on_stops_subscribed()
        assert bench.hearing.accounts == [("subscribed", "okx:paper:1"), ("stops", "okx:paper:1")]
        bench.push(stream, own(1))
        await settle()
        assert bench.hearing.told(1) == ["live"]


async def test_a_lost_stream_is_held_again() -> None:
    """After a reconnect nothing passes before the next reconciliation."""
    async with running() as bench:
        stream = await bench.subscribe(plan())
        bench.service.release(account())
        stream.listener.on_disconnected("cut")
        bench.push(stream, own(1))
        await settle()
        assert bench.hearing.events == []
        assert bench.hearing.accounts == [("lost", "okx:paper:1")]


async def test_an_order_goes_to_the_plan_that_made_it() -> None:
    """Two plans on one account and instrument: each hears of its own."""
    async with running() as bench:
        stream = await bench.subscribe(plan(id=1), plan(id=2))
        bench.service.release(account())
        bench.push(stream, own(2))
        await settle()
        assert bench.hearing.told(1) == []
        assert bench.hearing.told(2) == ["live"]


async def test_an_outsiders_order_goes_to_every_plan_of_account_and_instrument() -> None:
    """Made by hand, or by another installation: external, and to nobody on another account or instrument."""
    async with running() as bench:
        stream = await bench.subscribe(plan(id=1), plan(id=2), plan(id=3, inst_id="BTC-USDT"))
        other = await bench.subscribe(plan(id=4, account_id=2), account_number=2)
        for number in (1, 2):
            bench.service.release(account(number))
        elsewhere = client_order_id(OrderOrigin("abcd", 3, 1, 0))
        bench.push(stream, update(client_order_id=None), update(order_id="7", client_order_id=elsewhere))
        await settle()
        assert [bench.hearing.told(number) for number in (1, 2, 3, 4)] == [["live"] * 2, ["live"] * 2, [], []]
        assert all(event.external for _, events in bench.hearing.events for event in events)
        assert other.wanted == {"ETH-USDT"}


async def test_plans_share_one_connection_which_ends_with_the_last() -> None:
    """One stream an account; an instrument is wanted while any plan trades it."""
    async with running() as bench:
        one, two = plan(id=1), plan(id=2)
        stream = await bench.subscribe(one, two)
        assert list(bench.service.connections) == ["okx:paper:1"]
        await bench.service.unsubscribe(one, account())
        assert stream.wanted == {"ETH-USDT"}
        await bench.service.unsubscribe(two, account())
        assert stream.wanted == set()
        assert bench.service.connections == {}
        assert not bench.store.subscriptions.statuses[2].active


async def test_a_database_that_is_away_loses_nothing() -> None:
    """The batch waits and is written when the database is back."""
    async with running() as bench:
        stream = await bench.subscribe(plan())
        bench.service.release(account())
        bench.store.journal.failures = 3
        bench.push(stream, own(1))
        await bench.clock.advance(10)
        assert bench.hearing.told(1) == ["live"]


async def test_a_full_queue_asks_the_socket_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Back-pressure instead of memory without bound; room comes back as the journal catches up."""
    monkeypatch.setattr(journalling, "QUEUE", 10)
    async with running() as bench:
        stream = await bench.subscribe(plan())
        bench.service.release(account())
        bench.store.journal.gate.clear()
        took = [bench.push(stream, own(1, order_id=str(number))) for number in range(12)]
        assert took[0] is True
        assert took[-1] is False
        waiting = asyncio.create_task(stream.listener.room())
        await settle()
        assert not waiting.done()
        bench.store.journal.gate.set()
        await settle()
        assert waiting.done()
        assert len(bench.store.journal.entries) == 12


async def test_wrong_keys_stop_the_account_and_say_so() -> None:
    """A person must act; the other accounts go on."""
    async with running() as bench:
        bench.adapter.error = ExchangeStoppedError("the API key is unknown here", code="60005")
        await bench.subscribe(plan())
        await settle()
        ((word, reason),) = bench.hearing.accounts
        assert word == "stopped"
        assert reason.startswith("the API key is unknown here; mend that at the exchange")
        assert "kokex account keys" in reason


async def test_ledgers_move_with_the_journal() -> None:
    """After the commit the plan's holding and pending orders are those of the event."""
    async with running() as bench:
        ledger = bench.ledgers.open(1, ETH, [], [])
        name = client_order_id(OrderOrigin("test", 1, 1, 0))
        ledger.add(order(client_order_id=name))
        stream = await bench.subscribe(plan())
        bench.service.release(account())
        part = own(1, status=OrderStatus.PARTIALLY_FILLED, filled_quantity=Decimal("0.04"), fill=fill(1))
        bench.push(stream, part, replace(part))
        await settle()
        assert ledger.book.quantity == Decimal("0.04") - Decimal("0.00004")
        assert ledger.pending[name].remaining == Decimal("0.06")


async def test_what_is_journalled_counts_even_if_who_asked_for_it_is_gone() -> None:
    """A reconciliation may be given up while its commit is under way: journal and ledger agree all the same."""
    async with running() as bench:
        ledger = bench.ledgers.open(1, ETH, [], [])
        name = client_order_id(OrderOrigin("test", 1, 1, 0))
        ledger.add(order(client_order_id=name))
        await bench.subscribe(plan())
        commit, acknowledged = bench.store.journal.append, asyncio.Event()

        async def append(entries: Any) -> Any:
            numbers = await commit(entries)
            await acknowledged.wait()
            return numbers

        bench.store.journal.append = append
        part = own(1, status=OrderStatus.PARTIALLY_FILLED, filled_quantity=Decimal("0.04"), fill=fill(1))
        asking = asyncio.create_task(bench.service.ingest(account(), [classify(part)], EventSource.RECONCILE))
        await settle()
        asking.cancel()
        await settle()
        acknowledged.set()
        await settle()
        assert asking.cancelled()
        assert (len(bench.store.journal.entries), ledger.book.fills) == (2, 1)
        assert bench.hearing.told(1) == ["live", "fill:1"]


async def test_a_fill_of_an_order_of_long_ago_is_counted_from_the_journal() -> None:
    """The ledger cannot know whether it was counted; the table of fills does, also when the database comes and goes."""
    async with running() as bench:
        ledger = bench.ledgers.open(1, ETH, [], [])
        stream = await bench.subscribe(plan())
        bench.service.release(account())
        part = own(1, status=OrderStatus.PARTIALLY_FILLED, filled_quantity=Decimal("0.04"), fill=fill(1))
        bench.push(stream, part)
        bench.push(stream, replace(part, status=OrderStatus.FILLED))
        await settle()
        assert (ledger.book.fills, bench.store.journal.readings) == (1, 1)
        assert bench.hearing.told(1) == ["live", "fill:1", "fill:1"]


async def test_status_of_the_subscription_is_kept() -> None:
    """Connected since, events, reconnects."""
    async with running() as bench:
        stream = await bench.subscribe(plan())
        stream.listener.on_subscribed()
        bench.service.release(account())
        bench.push(stream, own(1))
        await settle()
        stream.listener.on_disconnected("cut")
        stream.listener.on_subscribed()
        await bench.clock.advance(2)
        status = bench.store.subscriptions.statuses[1]
        assert (status.events, status.reconnects, status.active) == (1, 1, True)
        assert status.connected_since is not None


async def test_plans_that_come_and_go_are_counted() -> None:
    """Channels are wanted while a plan needs them; a plan that changes its instrument, or comes twice, counts once."""
    async with running() as bench:
        one, two, three = plan(id=1), plan(id=2), plan(id=3, inst_id="BTC-USDT")
        stream = await bench.subscribe(one, two, three, one)
        assert stream.wanted == {"ETH-USDT", "BTC-USDT"}
        assert stream.reports_wanted == {"account", "stops", "fills"}
        await bench.service.unsubscribe(one, account())
        await bench.service.unsubscribe(one, account())
        assert stream.wanted == {"ETH-USDT", "BTC-USDT"}
        await bench.subscribe(replace(two, inst_id="SOL-USDT"))
        assert stream.wanted == {"SOL-USDT", "BTC-USDT"}
        await bench.service.unsubscribe(three, account())
        assert stream.wanted == {"SOL-USDT"}
        await bench.service.unsubscribe(two, account())
        assert (stream.wanted, bench.service.connections) == (set(), {})
        again = await bench.subscribe(one)
        assert again is not stream
        assert again.wanted == {"ETH-USDT"}


async def test_reports_of_the_account_go_their_own_way() -> None:
    """Held and let through with the order updates, journalled, told; counted in the status."""
    async with running() as bench:
        stream = await bench.subscribe(plan())
        await bench.account_events.subscribe(1, account(), ETH)
        stream.listener.on_subscribed()
        stream.listener.on_account_reports([balance_report(90, 1)], START)
        reading = asyncio.create_task(bench.account_events.reconcile(account(), [balance_report(100)]))
        writing = asyncio.create_task(bench.account_events.run(bench.hearing))
        await settle()
        assert await reading == 0
        assert bench.store.account_journal.entries == []
        bench.service.release(account())
        await bench.clock.advance(1)
        (entry,) = bench.store.account_journal.entries
        assert entry.event.change == -10
        status = bench.store.subscriptions.statuses[1]
        assert (status.reports, status.events, status.last_event_at) == (1, 0, START)
        writing.cancel()


async def test_what_could_not_be_read_has_the_account_reconciled_but_not_for_each() -> None:
    """At once, and then every few seconds at most; all are counted."""
    async with running() as bench:
        stream = await bench.subscribe(plan())
        stream.listener.on_subscribed()
        await bench.clock.advance(100)
        bench.service.release(account())
        bench.hearing.accounts.clear()
        for _ in range(3):
            stream.listener.on_flaw("cut off")
        await bench.clock.advance(0)
        bench.push(stream, own(1))
        await settle()
        assert bench.hearing.accounts == [("subscribed", "okx:paper:1")]
        assert bench.hearing.events == []
        for _ in range(3):
            stream.listener.on_flaw("cut off")
        await bench.clock.advance(order_events.FLAW_SECONDS - 0.1)
        assert len(bench.hearing.accounts) == 1
        await bench.clock.advance(2)
        assert len(bench.hearing.accounts) == 2
        assert bench.store.subscriptions.statuses[1].flaws == 6


async def test_reports_that_found_no_room_have_the_account_reconciled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While the account is held, and while it is not."""
    monkeypatch.setattr(account_events, "QUEUE", 1)
    async with running() as bench:
        stream = await bench.subscribe(plan())
        await bench.account_events.subscribe(1, account(), ETH)
        stream.listener.on_subscribed()
        stream.listener.on_account_reports([balance_report(at, at) for at in (1, 2)], START)
        bench.service.release(account())
        await bench.clock.advance(order_events.FLAW_SECONDS)
        assert len(bench.hearing.accounts) == 2
        bench.service.release(account())
        await bench.clock.advance(order_events.FLAW_SECONDS)
        assert len(bench.hearing.accounts) == 2


async def test_channels_that_are_refused_are_kept_for_a_person_to_see() -> None:
    """With the reason, until nobody wants the instrument."""
    async with running() as bench:
        stream = await bench.subscribe(plan(id=1), plan(id=2, inst_id="BTC-USDT"))
        stream.listener.on_refused("fills", "", "64003: fee tier")
        stream.listener.on_refused("orders", "BTC-USDT", "60018: no such instrument")
        await bench.clock.advance(1)
        assert bench.store.subscriptions.statuses[1].refused == {
            "fills": "64003: fee tier",
            "orders BTC-USDT": "60018: no such instrument",
        }
        await bench.service.unsubscribe(plan(id=2, inst_id="BTC-USDT"), account())
        await bench.clock.advance(1)
        assert set(bench.store.subscriptions.statuses[1].refused) == {"fills"}


async def test_lag_is_the_last_and_the_worst_of_late() -> None:
    """Received minus occurred; not of a paper exchange, whose market has a time of its own."""
    async with running() as bench:
        live = replace(account(), environment=Environment.LIVE)
        await bench.service.subscribe(plan(), live, CREDENTIALS)
        stream = bench.adapter.streams[live.connection_key]
        paper = await bench.subscribe(plan(id=2))
        for second, late in ((0, 0.5), (10, 0.1), (400, 0.2)):
            occurred = START + timedelta(seconds=second)
            told = [classify(update(order_id=str(second), occurred_at=occurred))]
            for one in (stream, paper):
                one.listener.on_order_updates(told, occurred + timedelta(seconds=late))
            await bench.clock.advance(1)
            status = bench.store.subscriptions.statuses[1]
            worst = 0.5 if second < 400 else 0.2
            assert (status.lag_seconds, status.worst_lag_seconds) == (late, worst)
        assert bench.store.subscriptions.statuses[2].lag_seconds is None


async def test_a_stopped_stream_says_why_until_it_stands_again() -> None:
    """And without news the status is still written now and then: a sign of life."""
    async with running() as bench:
        bench.adapter.error = ExchangeStoppedError("the API key is unknown here", code="60005")
        stream = await bench.subscribe(plan())
        await settle()
        stopped = bench.store.subscriptions.statuses[1].stopped
        assert stopped is not None and stopped.startswith("the API key is unknown here")
        stream.listener.on_subscribed()
        await settle()
        first = bench.store.subscriptions.statuses[1]
        assert first.stopped is None
        await bench.clock.advance(stream_reporting.SIGN_OF_LIFE_SECONDS + 2)
        assert bench.store.subscriptions.statuses[1].updated_at > first.updated_at


def test_classified_updates_carry_their_journal_name() -> None:
    """The name the user knows."""
    assert isinstance(classify(own(1)), ClassifiedUpdate)
    assert classify(own(1)).event_type == "buy_order_live"
