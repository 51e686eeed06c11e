"""What the stream did not tell, what does not add up, and what is left without a trace."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kokex.bootstrap import Engine
from kokex.domain.decision import Turn
from kokex.domain.errors import ConfigurationError, NotFoundError, StateError
from kokex.domain.events import EventSource
from kokex.domain.ids import OrderOrigin, client_order_id
from kokex.domain.instrument import Side
from kokex.domain.order import Order, OrderStatus, OrderType
from kokex.domain.plan import Plan
from kokex.domain.standing import Standing
from kokex.ports.exchange import Rejected
from kokex.ports.reconciliation import Coverage
from kokex.ports.toolbox import Toolbox
from kokex.services import trading
from kokex.services.reconciling import holdings, service
from kokex.services.settling import DECLARED, settle_order
from tests.builders import order
from tests.world import (
    LIMITS,
    Platform,
    eventually,
    market,
    paper_world,
    platform,
    running_engine,
)

LOT = Decimal("0.5")
SWAP = "ETH-USDT-SWAP"


class Asked:
    """Does what it is told at the next turn, once; keeps the tools' answers."""

    def __init__(self) -> None:
        self.wishes: list[tuple[Side, Decimal, Decimal | None]] = []
        self.answers: list[Mapping[str, Any]] = []

    async def __call__(self, turn: Turn, toolbox: Toolbox) -> None:
        while self.wishes:
            side, quantity, offset = self.wishes.pop(0)
            if offset is None:
                answer = await toolbox.place_order(side, OrderType.MARKET, quantity)
            else:
                price = Decimal(str((await toolbox.get_current_price())["bid"])) + offset
                answer = await toolbox.place_order(side, OrderType.LIMIT, quantity, price)
            self.answers.append(answer)

    async def order(
        self, world: Platform, side: Side, quantity: Decimal, offset: Decimal | None = None
    ) -> Any:
        """Have an order placed, with the market's next candle at the latest; the answer."""
        count = len(self.answers)
        self.wishes.append((side, quantity, offset))

        def answered() -> list[Mapping[str, Any]]:
            if self.wishes:
                world.step()
            return self.answers[count:]

        return await eventually(answered, "an answer")


def by_hand(world: Platform, side: str, size: str, inst_id: str = "ETH-USDT") -> None:
    """A market order on the first account that no plan asked for."""
    exchange = world.server.exchange
    owner = exchange.find_account(world.server.config.accounts[0].api_key)
    assert owner is not None
    fields = {"instId": inst_id, "side": side, "ordType": "market", "sz": size}
    fields |= {"tdMode": "cross"} if inst_id == SWAP else {"tdMode": "cash", "tgtCcy": "base_ccy"}
    item = exchange.run(lambda: exchange.desk.place(owner, fields))
    assert item["sCode"] == "0", item
    world.server.publisher.flush(force=True)


def session_of(made: Engine, world: Platform) -> Any:
    return made.services.sessions.by_id(world.accounts[0].id)


async def reconciled(made: Engine, world: Platform) -> Any:
    """The account's session, once it trades."""
    await eventually(
        lambda: (one := session_of(made, world)) is not None and one.reconciled, "a reconciled account"
    )
    return session_of(made, world)


async def lost_order(world: Platform, plan: Plan, age: timedelta, **changes: Any) -> Order:
    """An order of the plan on record that the exchange has never seen."""
    at = world.application.clock.now() - age
    name = client_order_id(OrderOrigin(await world.application.store.installation(), plan.id, 77, 0))
    made = order(
        client_order_id=name,
        plan_id=plan.id,
        account_id=plan.account_id,
        created_at=at,
        updated_at=at,
        **changes,
    )
    assert await world.application.store.orders.add(made)
    return made


async def cover(world: Platform, plan: Plan, age: timedelta) -> None:
    """Say that every fill of the plan's instrument since `age` ago is on record."""
    now = world.application.clock.now()
    ticker = world.server.exchange.now_ms
    read_to = now.fromtimestamp(ticker / 1000, now.tzinfo)
    await world.application.store.reconciliation.save_coverage(
        Coverage(plan.account_id, plan.inst_id, now - age, now - timedelta(minutes=1), read_to, None, None)
    )


async def kept(world: Platform, wanted: Order) -> Order:
    found = await world.application.store.orders.get(wanted.account_id, wanted.client_order_id or "")
    assert found is not None
    return found


async def test_the_timer_finds_what_a_push_did_not_tell_and_trading_goes_on(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A frame that never left: the next look journals it, source `reconcile`, and holds nothing."""
    monkeypatch.setattr(service, "LOOK_SECONDS", 0.2)
    asked = Asked()
    async with platform(database_url, tmp_path, asked) as (world, _, made):
        plan = await world.plan()
        session = await reconciled(made, world)
        stopped: list[bool] = []
        monkeypatch.setattr(world.server.hub, "push_private", lambda *_: 0)
        (answer,) = await asked.order(world, Side.BUY, LOT)
        assert answer["status"] in ("accepted", "filled")
        book = made.services.ledgers.of(plan.id)

        async def told() -> bool:
            stopped.append(not session.reconciled)
            return book.book.quantity > 0 and await world.journalled(plan) == world.pushed()

        await eventually(told, "the fill")
        assert not any(stopped)
        events = await world.application.store.journal.events_after(plan.id, 0)
        assert {event.source for event in events} == {EventSource.RECONCILE}


async def test_a_stopped_plan_stays_until_the_fate_of_its_orders_is_known(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An order that never reached the exchange is declared so, although its plan was stopped before that could be known."""
    monkeypatch.setattr(trading, "SETTLED_AFTER", timedelta(seconds=7))
    async with paper_world(database_url, tmp_path) as world:
        plan = await world.plan()
        lost = await lost_order(world, plan, timedelta(0))
        async with running_engine(world.application):
            await world.application.plans.stop(plan.id)

            async def over() -> bool:
                return (await kept(world, lost)).status.closed

            await eventually(over, "the order's fate", seconds=40)
        assert (await kept(world, lost)).status is OrderStatus.EXPIRED


async def test_an_order_that_cannot_be_cancelled_is_asked_after(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its end was told by a push that was lost: the refused cancellation says so, not the look in five minutes."""
    asked = Asked()
    async with platform(database_url, tmp_path, asked) as (world, _, made):
        plan = await world.plan()
        session = await reconciled(made, world)
        (answer,) = await asked.order(world, Side.BUY, LOT, Decimal("-50"))
        name = answer["client_order_id"]
        ledger = made.services.ledgers.of(plan.id)
        await eventually(lambda: ledger.pending[name].status is OrderStatus.ACCEPTED, "an open order")
        exchange = world.server.exchange
        owner = exchange.find_account(world.server.config.accounts[0].api_key)
        assert owner is not None
        with monkeypatch.context() as lost:
            lost.setattr(world.server.hub, "push_private", lambda *_: 0)
            item = exchange.run(
                lambda: exchange.desk.cancel(owner, {"instId": plan.inst_id, "clOrdId": name})
            )
            assert item["sCode"] == "0", item
            world.server.publisher.flush(force=True)
        assert name in ledger.pending
        outcome = await made.services.trading.cancel(session, plan, name)
        assert isinstance(outcome, Rejected)
        await eventually(lambda: name not in ledger.pending, "the end of the order")
        assert session.reconciled
        await eventually(lambda: not session.doubted, "no doubt any more")
        assert await world.journalled(plan) == world.pushed()


async def test_a_fill_list_that_lags_behind_its_order_is_read_again(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Filled says the order, no execution says the list: the account is not in line before both say the same."""
    asked = Asked()
    async with platform(database_url, tmp_path, asked) as (world, _, made):
        plan = await world.plan()
        session = await reconciled(made, world)
        monkeypatch.setattr(world.server.hub, "push_private", lambda *_: 0)
        (answer,) = await asked.order(world, Side.BUY, LOT)
        assert answer["status"] in ("accepted", "filled")
        fills, calls = session.exchange.fills, 0

        async def lagging(*arguments: Any, **named: Any) -> Any:
            nonlocal calls
            calls += 1
            return [] if calls <= 9 else await fills(*arguments, **named)

        monkeypatch.setattr(session.exchange, "fills", lagging)
        made.services.order_events.hold(session.account)
        made.activity.on_account_subscribed(session.account.connection_key)
        await eventually(lambda: session.reconciled, "a reconciled account")
        ledger = made.services.ledgers.of(plan.id)
        assert ledger.book.quantity > 0 and not ledger.pending
        assert await world.journalled(plan) == world.pushed()


async def test_a_look_covers_stops_until_it_reads_them(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The socket of stops opens beside the other: where it comes too late for the look, stops are read once more, and nothing is held."""
    async with platform(database_url, tmp_path, Asked()) as (world, _, made):
        plan = await world.plan()
        session = await reconciled(made, world)
        key = session.account.connection_key
        await eventually(lambda: not made.services.ledgers.of(plan.id).stops_out, "no stop of the plan's")
        [connection] = made.services.order_events.connections.values()
        stream = connection.stream
        await eventually(lambda: stream.stop_status.connected_since, "the socket of stops")
        await eventually(lambda: made.services.reconciling.idle(session), "an account in line")
        listener = stream._listener
        asked, go_on = asyncio.Event(), asyncio.Event()
        open_orders, open_stops = session.exchange.open_orders, session.exchange.open_stops
        read: list[bool] = []

        async def counted(*arguments: Any) -> Any:
            read.append(session.reconciled)
            return await open_stops(*arguments)

        def slow(answer: Any) -> Any:
            async def wait(*arguments: Any) -> Any:
                asked.set()
                await go_on.wait()
                return await answer(*arguments)

            return wait

        monkeypatch.setattr(session.exchange, "open_stops", counted)
        monkeypatch.setattr(session.exchange, "open_orders", slow(open_orders))
        made.activity.on_account_subscribed(key)
        await asked.wait()
        listener.on_stops_subscribed()
        go_on.set()
        await eventually(lambda: session.reconciled, "a reconciled account")
        assert read[:1] == [False]
        asked.clear(), go_on.clear()
        monkeypatch.setattr(session.exchange, "open_orders", open_orders)
        monkeypatch.setattr(session.exchange, "open_stops", slow(counted))
        made.activity.on_account_subscribed(key)
        await asked.wait()
        listener.on_stops_subscribed()
        read.clear()
        go_on.set()
        await eventually(lambda: session.reconciled, "a reconciled account")
        at = session.reconciled_at
        await eventually(lambda: read[:2] == [False, True], "stops read once more")
        assert session.reconciled and connection.held is None and session.reconciled_at == at


async def test_dropped_sockets_are_back_and_reconciled(database_url: str, tmp_path: Path) -> None:
    """Again and again, with orders open; how long it takes is printed (the benchmark measures it properly)."""
    asked = Asked()
    async with platform(database_url, tmp_path, asked) as (world, _, made):
        plan = await world.plan()
        session = await reconciled(made, world)
        await asked.order(world, Side.BUY, LOT, Decimal(-60))
        took = []
        for _ in range(3):
            world.server._sockets.disconnect_all()
            await eventually(lambda: not session.reconciled, "the loss")
            began = asyncio.get_running_loop().time()
            await eventually(lambda: session.reconciled, "the reconciliation")
            took.append(asyncio.get_running_loop().time() - began)
        print("dropped to reconciled:", ", ".join(f"{one:.2f} s" for one in took))
        assert session.standing is Standing.TRADING
        connection = made.services.order_events.connections[session.account.connection_key]
        assert connection.reconnects == 3

        async def same() -> bool:
            return await world.journalled(plan) == world.pushed()

        await eventually(same, "an equal journal")


async def test_orders_made_by_hand_leave_a_plan_s_book_alone(database_url: str, tmp_path: Path) -> None:
    """They are journalled as external, and the account goes on trading."""
    asked = Asked()
    async with platform(database_url, tmp_path, asked) as (world, _, made):
        plan = await world.plan()
        session = await reconciled(made, world)
        await asked.order(world, Side.BUY, LOT)
        ledger = made.services.ledgers.of(plan.id)
        held = await eventually(lambda: ledger.book.quantity, "a holding")
        by_hand(world, "buy", "2")

        async def told() -> bool:
            events = await world.application.store.journal.events_after(plan.id, 0)
            return any(event.external and event.kind == "done" for event in events)

        await eventually(told, "the external order")
        made.services.reconciling.request(session.account.connection_key)
        await eventually(lambda: made.services.reconciling.idle(session), "another look")
        assert ledger.book.quantity == held
        assert session.standing is Standing.TRADING
        assert await world.book(plan) == ledger.book


async def test_coins_that_were_sold_by_hand_degrade_the_account_until_they_are_back(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reduce only, with a reason that is kept; buying what is missing puts it right, by itself."""
    monkeypatch.setattr(service, "LOOK_SECONDS", 0.2)
    monkeypatch.setattr(service, "TROUBLED_SECONDS", 0.2)
    monkeypatch.setattr(holdings, "RETRY_SECONDS", 0.01)
    asked = Asked()
    async with platform(database_url, tmp_path, asked) as (world, _, made):
        plan = await world.plan()
        session = await reconciled(made, world)
        await asked.order(world, Side.BUY, LOT)
        ledger = made.services.ledgers.of(plan.id)
        await eventually(lambda: ledger.book.quantity, "a holding")
        by_hand(world, "sell", "0.3")
        await eventually(lambda: session.standing is Standing.REDUCE_ONLY, "the difference")
        (answer,) = await asked.order(world, Side.BUY, LOT)
        assert answer["code"] == "reduce_only"
        assert "something outside KOKEX took the rest" in answer["error"]
        store = world.application.store.reconciliation

        async def kept_standing() -> bool:
            known = await store.standing(plan.account_id)
            return known is not None and known.standing is Standing.REDUCE_ONLY and known.trouble is not None

        await eventually(kept_standing, "the standing on record")
        (answer,) = await asked.order(world, Side.SELL, Decimal("0.1"))
        assert answer["status"] in ("accepted", "filled")
        by_hand(world, "buy", "0.4")
        await eventually(lambda: session.standing is Standing.TRADING, "agreement")
        (answer,) = await asked.order(world, Side.BUY, Decimal("0.1"))
        assert answer["status"] in ("accepted", "filled")


async def test_contracts_closed_by_hand_are_a_difference_until_a_person_accepts_it(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the owner held before is no concern; what is taken from the plan is."""
    monkeypatch.setattr(service, "LOOK_SECONDS", 0.2)
    monkeypatch.setattr(service, "TROUBLED_SECONDS", 0.2)
    monkeypatch.setattr(holdings, "RETRY_SECONDS", 0.01)
    asked = Asked()
    config = market(instruments=("ETH-USDT", SWAP))
    async with platform(database_url, tmp_path, asked, config) as (world, _, made):
        by_hand(world, "sell", "5", SWAP)
        plan = await world.plan(inst_id=SWAP, limits=replace(LIMITS, allow_short=True))
        session = await reconciled(made, world)
        await asked.order(world, Side.BUY, Decimal(3))
        ledger = made.services.ledgers.of(plan.id)
        await eventually(lambda: ledger.book.quantity == 3, "a position")
        made.services.reconciling.request(session.account.connection_key)
        await eventually(lambda: made.services.reconciling.idle(session), "another look")
        assert session.standing is Standing.TRADING
        by_hand(world, "sell", "3", SWAP)
        await eventually(lambda: session.standing is Standing.REDUCE_ONLY, "the difference")
        assert "3 of them were closed outside KOKEX" in session.trouble.reason
        assert await world.application.store.reconciliation.forget_baselines(plan.account_id) == 1
        await eventually(lambda: session.standing is Standing.TRADING, "acceptance")


async def test_an_old_order_without_trace_is_over_where_everything_else_is_on_record(
    database_url: str, tmp_path: Path
) -> None:
    """Neither open nor filled, all fills read, holdings agree: it changed nothing, and says why."""
    async with paper_world(database_url, tmp_path) as world:
        plan = await world.plan()
        await cover(world, plan, timedelta(hours=4))
        lost = await lost_order(world, plan, timedelta(hours=3))
        async with running_engine(world.application) as (made, _):
            await reconciled(made, world)
            await eventually(lambda: not made.services.ledgers.of(plan.id).pending, "the order's end")
        known = await kept(world, lost)
        assert known.status is OrderStatus.EXPIRED
        assert "forgets such orders after two hours" in str(known.reason)


async def test_an_old_order_without_evidence_waits_for_a_person(database_url: str, tmp_path: Path) -> None:
    """It counts as pending and says what is missing; `kokex order settle` ends it, also in a running engine."""
    async with paper_world(database_url, tmp_path) as world:
        plan = await world.plan()
        lost = await lost_order(world, plan, timedelta(hours=3))
        app = world.application
        async with running_engine(app) as (made, _):
            await reconciled(made, world)
            ledger = made.services.ledgers.of(plan.id)

            async def explained() -> bool:
                return "not every fill since the order was made" in str((await kept(world, lost)).reason)

            await eventually(explained, "the reason")
            assert list(ledger.pending) == [lost.client_order_id]
            settled = await settle_order(app.store, app.clock, app.adapter, lost.client_order_id or "")
            assert (settled.status, settled.reason) == (OrderStatus.EXPIRED, DECLARED)
            await eventually(lambda: not ledger.pending, "the order's end in the engine")
        with pytest.raises(NotFoundError, match="is pending"):
            await settle_order(app.store, app.clock, app.adapter, lost.client_order_id or "")


async def test_an_order_that_was_canceled_and_forgotten_is_journalled_as_canceled(
    database_url: str, tmp_path: Path
) -> None:
    """Accepted, then canceled while the engine was down for three hours: fills and open orders are the witnesses."""
    asked = Asked()
    async with paper_world(database_url, tmp_path) as world:
        plan = await world.plan()
        app = world.application
        async with running_engine(app, asked) as (made, _):
            await reconciled(made, world)
            (answer,) = await asked.order(world, Side.BUY, LOT, Decimal(-50))
            assert answer["status"] in ("accepted", "filled")
            await eventually(lambda: world.journalled(plan), "the order's event")
            with pytest.raises(StateError, match="the exchange knows order"):
                await settle_order(app.store, app.clock, app.adapter, answer["client_order_id"])
        exchange = world.server.exchange
        owner = exchange.find_account(world.server.config.accounts[0].api_key)
        assert owner is not None
        cancel = {"instId": "ETH-USDT", "clOrdId": answer["client_order_id"]}
        exchange.run(lambda: exchange.desk.cancel(owner, cancel))
        world.server.faults.arm("forgotten_cancel", 100)
        async with running_engine(replace(app, clock=Later(app.clock, timedelta(hours=3)))) as (made, _):
            await reconciled(made, world)
            assert not made.services.ledgers.of(plan.id).pending
        assert await world.journalled(plan) == world.pushed()
        event = (await app.store.journal.events_after(plan.id, 0))[-1]
        assert (event.event_type, event.source) == ("buy_order_canceled", EventSource.RECONCILE)
        assert "forgets such orders" in str(event.update.cancel_reason)


class Later:
    """The machine's clock, ahead."""

    def __init__(self, clock: Any, ahead: timedelta) -> None:
        self._clock = clock
        self._ahead = ahead

    def now(self) -> Any:
        return self._clock.now() + self._ahead

    def monotonic(self) -> float:
        return float(self._clock.monotonic())

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)


async def test_an_account_in_long_short_mode_is_refused_with_what_to_change(
    database_url: str, tmp_path: Path
) -> None:
    """At creation, at start, and by the engine."""
    config = market(instruments=("ETH-USDT", SWAP))
    async with paper_world(database_url, tmp_path, config) as world:
        made = await world.plan(inst_id=SWAP)
        owner = world.server.exchange.find_account(world.server.config.accounts[0].api_key)
        assert owner is not None
        async with running_engine(world.application) as (running, _):
            session = await reconciled(running, world)
            await world.application.plans.stop(made.id)
            await eventually(lambda: not running.activity.works(made.id), "the plan's rest")
            await eventually(lambda: not session.owned, "the account's release")
        owner.long_short_mode = True
        with pytest.raises(ConfigurationError, match="set the position mode to net"):
            await world.application.plans.start(made.id)
        with pytest.raises(ConfigurationError, match="set the position mode to net"):
            await world.plan(inst_id=SWAP)
        await world.plan()


async def test_nothing_is_sent_once_the_account_may_be_another_engine_s(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proof stands between the intent on record and the sending."""
    asked = Asked()
    async with platform(database_url, tmp_path, asked) as (world, _, made):
        plan = await world.plan()
        await reconciled(made, world)

        async def not_ours(account_id: int) -> bool:
            return False

        monkeypatch.setattr(made.services.ownership, "prove", not_ours)
        (answer,) = await asked.order(world, Side.BUY, LOT)
        assert answer["code"] == "account_elsewhere"
        assert answer["status"] == "expired"
        assert world.pushed() == []
        assert not made.services.ledgers.of(plan.id).pending


async def test_nothing_is_sent_once_the_stream_is_lost_between_the_gate_and_the_sending(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record's commit and the proof take time, a stalled database's more: what the gate saw must hold still."""
    asked = Asked()
    async with platform(database_url, tmp_path, asked) as (world, _, made):
        plan = await world.plan()
        session = await reconciled(made, world)
        prove = made.services.ownership.prove

        async def lost_meanwhile(account_id: int) -> bool:
            made.activity.on_account_lost(session.account.connection_key)
            return await prove(account_id)

        monkeypatch.setattr(made.services.ownership, "prove", lost_meanwhile)
        (answer,) = await asked.order(world, Side.BUY, LOT)
        assert (answer["code"], answer["status"]) == ("not_reconciled", "expired")
        assert world.pushed() == []
        assert not made.services.ledgers.of(plan.id).pending


async def test_nothing_is_sent_that_the_gate_saw_too_long_ago(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that stalls between gate and sending: the price it judged by is of the past."""
    monkeypatch.setattr(trading, "LATEST", timedelta(0))
    asked = Asked()
    async with platform(database_url, tmp_path, asked) as (world, _, made):
        await world.plan()
        await reconciled(made, world)
        (answer,) = await asked.order(world, Side.BUY, LOT)
        assert (answer["code"], answer["status"]) == ("too_late", "expired")
        assert world.pushed() == []


async def test_a_lost_database_session_begins_everything_anew(database_url: str, tmp_path: Path) -> None:
    """The plan is left, claimed again, reconciled, and trades on; nothing is lost or doubled."""
    asked = Asked()
    async with platform(database_url, tmp_path, asked) as (world, _, made):
        plan = await world.plan()
        session = await reconciled(made, world)
        await asked.order(world, Side.BUY, LOT)
        ledger = made.services.ledgers.of(plan.id)
        held = await eventually(lambda: ledger.book.quantity, "a holding")
        locks = made.services.ownership._locks
        await locks._session.close()  # type: ignore[attr-defined]
        await eventually(lambda: not session.owned, "the loss")
        await reconciled(made, world)
        assert session.owned
        await eventually(lambda: made.activity.works(plan.id), "the plan's return")
        assert made.services.ledgers.of(plan.id) is not ledger
        assert made.services.ledgers.of(plan.id).book.quantity == held
        (answer,) = await asked.order(world, Side.SELL, Decimal("0.1"))
        assert answer["status"] in ("accepted", "filled")

        async def same() -> bool:
            return await world.journalled(plan) == world.pushed()

        await eventually(same, "an equal journal")
