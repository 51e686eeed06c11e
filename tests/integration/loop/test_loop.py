"""A plan trades: forecast, decision, gate, exchange, order event, and round again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kokex.domain.decision import Turn
from kokex.domain.events import EventSource
from kokex.domain.ids import OrderOrigin, client_order_id
from kokex.domain.instrument import Side
from kokex.domain.order import OrderStatus, OrderType
from kokex.domain.plan import PlanStatus, TriggerKind
from kokex.ports.toolbox import Toolbox
from kokex.services import trading
from tests.builders import order
from tests.world import LIMITS, eventually, market, paper_account, paper_world, platform, running_engine

LOT = Decimal("0.5")


def woken_by(turn: Turn) -> set[TriggerKind]:
    return {trigger.kind for trigger in turn.triggers}


class BuyOnForecast:
    """Buys `quantity` at market on each forecast; keeps what the tools answered."""

    def __init__(self, quantity: Decimal = LOT, most: int = 1) -> None:
        self.quantity = quantity
        self.most = most
        self.answers: list[Mapping[str, Any]] = []

    async def __call__(self, turn: Turn, toolbox: Toolbox) -> None:
        if TriggerKind.FORECAST in woken_by(turn) and len(self.answers) < self.most:
            self.answers.append(await toolbox.place_order(Side.BUY, OrderType.MARKET, self.quantity))


async def test_the_exchange_s_own_events_wake_the_agent_again(database_url: str, tmp_path: Path) -> None:
    """Candles, forecast, order, push, journal, turn: the whole circle, and the books agree to the last digit."""
    buy = BuyOnForecast()
    async with platform(database_url, tmp_path, buy) as (world, agent, _):
        plan = await world.plan()
        await eventually(lambda: buy.answers, "an order")
        turn = await eventually(
            lambda: next((one for one in agent.turns if TriggerKind.ORDER_EVENT in woken_by(one)), None),
            "a turn on order events",
        )
        assert turn.triggers[0].events[-1].event_type == "buy_order_done"
        await eventually(lambda: _same(world, plan), "an equal journal")

        book, books = await world.book(plan), world.books()
        assert book.quantity == Decimal(books["balances"]["ETH"])
        assert book.pnl(Decimal(books["marks"]["ETH-USDT"])) == Decimal(books["pnl"])
        (made,) = await world.orders(plan)
        assert made.status is OrderStatus.FILLED
        assert made.decision_id == agent.turns[0].id


async def _ended(world: Any, plan: Any) -> bool:
    return await world.application.store.turns.running(plan.id) is None


async def _same(world: Any, plan: Any) -> bool:
    return len(world.pushed()) > 0 and await world.journalled(plan) == world.pushed()


async def test_every_closed_candle_is_kept_and_forecast(database_url: str, tmp_path: Path) -> None:
    """Also when the market moves on by several at once."""
    async with platform(database_url, tmp_path) as (world, agent, _):
        plan = await world.plan()
        await eventually(lambda: agent.turns, "a first turn")
        store, owner = world.application.store, world.accounts[0]
        before = await store.candles.last_open_time(f"paper:{owner.id}", "ETH-USDT", plan.interval)
        world.step(7)

        async def seven_more() -> bool:
            last = await store.candles.last_open_time(f"paper:{owner.id}", "ETH-USDT", plan.interval)
            return bool(last and before and last - before == 7 * plan.interval.duration)

        await eventually(seven_more, "seven more candles")
        (summary,) = await store.candles.summary()
        assert summary.missing == 0

        async def newest_forecast() -> bool:
            latest = await store.forecasts.latest(plan.id)
            return latest is not None and latest[1].origin_time == summary.last + plan.interval.duration

        await eventually(newest_forecast, "a forecast from the newest candle")


async def test_an_order_over_its_limit_never_reaches_the_exchange(database_url: str, tmp_path: Path) -> None:
    """Denied: the agent is told why, the record keeps it, the exchange hears nothing."""
    buy = BuyOnForecast(quantity=Decimal(50))
    async with platform(database_url, tmp_path, buy) as (world, _, _):
        plan = await world.plan()
        (answer,) = await eventually(lambda: buy.answers, "an answer")
        assert answer["status"] == "denied"
        assert answer["code"] == "order_too_large"
        assert "over the limit of 3000 USDT" in answer["error"]
        (made,) = await world.orders(plan)
        assert made.status is OrderStatus.DENIED
        assert world.pushed() == []
        assert world.books()["balances"] == {"USDT": "100000"}


async def test_orders_in_flight_count_against_the_position_limit(database_url: str, tmp_path: Path) -> None:
    """Many orders in one turn cannot together break what one alone could not."""
    answers: list[Mapping[str, Any]] = []

    async def greedy(turn: Turn, toolbox: Toolbox) -> None:
        if not answers:
            price = Decimal(str((await toolbox.get_current_price())["bid"])) - 5
            for _ in range(6):
                answers.append(await toolbox.place_order(Side.BUY, OrderType.LIMIT, LOT, price))

    async with platform(database_url, tmp_path, greedy) as (world, _, _):
        await world.plan(limits=replace(LIMITS, max_position_notional=Decimal(4000)))
        await eventually(lambda: len(answers) == 6, "six answers")
        through = [answer for answer in answers if answer["status"] != "denied"]
        assert 1 <= len(through) < 6
        value = sum(Decimal(str(one["quantity"])) * Decimal(str(one["price"])) for one in through)
        assert value <= 4000
        assert {answer["code"] for answer in answers if answer["status"] == "denied"} == {
            "position_too_large"
        }


async def test_an_order_whose_answer_was_lost_is_found_again_and_not_repeated(
    database_url: str, tmp_path: Path
) -> None:
    """Connection cut between send and ack: unknown, then found by client order id; one order at the exchange."""
    answers: list[Mapping[str, Any]] = []

    async def rest_once(turn: Turn, toolbox: Toolbox) -> None:
        if TriggerKind.FORECAST in woken_by(turn) and not answers:
            price = Decimal(str((await toolbox.get_current_price())["bid"])) - 20
            answers.append(await toolbox.place_order(Side.BUY, OrderType.LIMIT, LOT, price))

    async with platform(database_url, tmp_path, rest_once) as (world, _, _):
        world.server.faults.arm("cut_before_ack")
        plan = await world.plan()
        (answer,) = await eventually(lambda: answers, "an answer")
        assert answer["status"] in ("unknown", "accepted")
        assert answer["code"] == "unknown"

        async def found() -> bool:
            (made,) = await world.orders(plan)
            return made.status is OrderStatus.ACCEPTED and made.order_id is not None

        await eventually(found, "the order's fate")
        (made,) = await world.orders(plan)
        assert [(made.order_id, "live", "")] == world.pushed() == await world.journalled(plan)


async def test_an_order_of_which_neither_answer_nor_push_came_is_asked_for_by_its_name(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ack is cut and the push is lost: only the question by client order id can find it."""
    answers: list[Mapping[str, Any]] = []

    async def rest_once(turn: Turn, toolbox: Toolbox) -> None:
        if TriggerKind.FORECAST in woken_by(turn) and not answers:
            price = Decimal(str((await toolbox.get_current_price())["bid"])) - 20
            answers.append(await toolbox.place_order(Side.BUY, OrderType.LIMIT, LOT, price))

    async with platform(database_url, tmp_path, rest_once) as (world, _, _):
        monkeypatch.setattr(world.server.hub, "push_private", lambda *_: 0)
        world.server.faults.arm("cut_before_ack")
        plan = await world.plan()
        await eventually(lambda: answers, "an answer")
        assert answers[0]["status"] == "unknown"

        async def found() -> bool:
            (made,) = await world.orders(plan)
            return made.status is OrderStatus.ACCEPTED and await _same(world, plan)

        await eventually(found, "the order's fate")
        assert len(world.pushed()) == 1


async def test_an_order_that_never_arrived_expires_and_frees_its_limit(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine died between recording and sending: after the deadline it was never taken, and nothing is sent."""
    monkeypatch.setattr(trading, "SETTLED_AFTER", timedelta(seconds=3))
    async with paper_world(database_url, tmp_path) as world:
        plan = await world.plan()
        orders, now = world.application.store.orders, world.application.clock.now()
        name = client_order_id(OrderOrigin(await world.application.store.installation(), plan.id, 77, 0))
        lost = order(
            client_order_id=name, plan_id=plan.id, account_id=plan.account_id, created_at=now, updated_at=now
        )
        assert await orders.add(lost)
        async with running_engine(world.application) as (engine, _):
            ledger = await eventually(lambda: engine.services.ledgers.get(plan.id), "a ledger")
            assert [one.status for one in ledger.pending.values()] == [OrderStatus.UNKNOWN]
            await eventually(lambda: not ledger.pending, "the order's expiry")
        known = await orders.get(plan.account_id, name)
        assert known is not None
        assert known.status is OrderStatus.EXPIRED
        assert world.pushed() == []


async def test_what_happened_while_the_engine_was_down_is_told_once(
    database_url: str, tmp_path: Path
) -> None:
    """Fills of a resting order, missed by the stream, come out of the reconciliation as the events they were."""
    answers: list[Mapping[str, Any]] = []

    async def offer(turn: Turn, toolbox: Toolbox) -> None:
        if not answers:
            price = Decimal(str((await toolbox.get_current_price())["ask"])) + 1
            answers.append(await toolbox.place_order(Side.SELL, OrderType.LIMIT, Decimal("1.2"), price))

    config = market(accounts=(paper_account(USDT="100000", ETH="5"),))
    async with paper_world(database_url, tmp_path, config) as world:
        plan = await world.plan(limits=replace(LIMITS, max_order_notional=Decimal(9000)))
        async with running_engine(world.application, offer):
            await eventually(lambda: answers, "an offer")
            assert answers[0]["code"] == "short_not_allowed"
            await eventually(lambda: _ended(world, plan), "the turn's end")
        answers.clear()

        async def bid(turn: Turn, toolbox: Toolbox) -> None:
            if not answers:
                price = Decimal(str((await toolbox.get_current_price())["bid"])) - 1
                answers.append(await toolbox.place_order(Side.BUY, OrderType.LIMIT, Decimal("1.2"), price))

        world.step()
        async with running_engine(world.application, bid):
            await eventually(lambda: answers, "a bid")
            assert answers[0]["status"] == "accepted"
        for _ in range(300):
            world.step()
            if any(state == "filled" for _, state, _ in world.pushed()):
                break
        assert any(state == "filled" for _, state, _ in world.pushed())
        async with running_engine(world.application) as (_, agent):
            told = await eventually(
                lambda: [
                    event for turn in agent.turns for trigger in turn.triggers for event in trigger.events
                ],
                "a turn on what was missed",
            )
            await eventually(lambda: _ended(world, plan), "the turn's end")
        assert await world.journalled(plan) == world.pushed()
        assert told[-1].event_type == "buy_order_done"
        assert {event.source for event in told[1:]} <= {EventSource.RECONCILE}
        async with running_engine(world.application) as (_, agent):
            await eventually(lambda: agent.turns or world.step(), "a turn on the next candle")
        assert not any(trigger.events for turn in agent.turns for trigger in turn.triggers)
        assert await world.journalled(plan) == world.pushed()


async def test_accounts_do_not_hear_of_each_other(database_url: str, tmp_path: Path) -> None:
    """Same instrument, two accounts: each plan's journal is its own account's record."""
    buy = BuyOnForecast(most=2)
    config = market(accounts=(paper_account(1), paper_account(2)))
    async with platform(database_url, tmp_path, buy, config) as (world, _, _):
        plans = [await world.plan(account=0), await world.plan(account=1)]
        await eventually(lambda: len(buy.answers) == 2, "two orders")
        for number, plan in enumerate(plans):

            async def same(number: int = number, plan: Any = plan) -> bool:
                pushed = world.pushed(number)
                return bool(pushed) and await world.journalled(plan) == pushed

            await eventually(same, "an equal journal")


async def test_a_paused_plan_sends_nothing_and_a_stopped_one_has_nothing_open(
    database_url: str, tmp_path: Path
) -> None:
    """Pause holds back; stop cancels what is open and says so in the journal."""
    answers: list[Mapping[str, Any]] = []

    async def rest(turn: Turn, toolbox: Toolbox) -> None:
        if TriggerKind.FORECAST in woken_by(turn):
            price = Decimal(str((await toolbox.get_current_price())["bid"])) - 50
            answers.append(await toolbox.place_order(Side.BUY, OrderType.LIMIT, LOT, price))

    async with platform(database_url, tmp_path, rest) as (world, agent, engine):
        plan = await world.plan()
        await eventually(lambda: answers, "an order")
        await world.application.plans.pause(plan.id)
        work = engine.activity
        await eventually(lambda: work.status(plan.id) is PlanStatus.PAUSED, "the pause")
        turns = len(agent.turns)
        world.step()
        store = world.application.store

        async def forecast_made() -> bool:
            latest = await store.forecasts.latest(plan.id)
            return latest is not None and latest[0] > 1

        await eventually(forecast_made, "a forecast during the pause")
        assert len(agent.turns) == turns
        await world.application.plans.stop(plan.id)
        await eventually(lambda: not work.works(plan.id), "the stop")
        assert [order.status for order in await world.orders(plan)] == [OrderStatus.CANCELED] * len(answers)
        assert await world.journalled(plan) == world.pushed()
