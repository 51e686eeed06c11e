"""Stops that an order brings along: made by the exchange, told to the plan as its own, gone with what they protect."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kokex.domain.ids import stop_name
from kokex.domain.instrument import Side
from kokex.domain.order import OrderStatus, OrderType
from kokex.ports.toolbox import Toolbox
from tests.integration.loop.once import Answers, Once
from tests.world import eventually, market, paper_account, paper_world, platform, running_engine

LOT = Decimal("0.5")


async def _prices(toolbox: Toolbox) -> tuple[Decimal, Decimal]:
    price = await toolbox.get_current_price()
    return Decimal(str(price["bid"])), Decimal(str(price["ask"]))


async def _buy(toolbox: Toolbox, answers: Answers, *, near: Decimal) -> None:
    """Buys at the ask, with both stops `near` it, and waits for the fill."""
    _, ask = await _prices(toolbox)
    made = await toolbox.place_order(
        Side.BUY, OrderType.LIMIT, LOT, ask, stop_loss=ask - near, take_profit=ask + near
    )
    answers.append(made)
    name = str(made["client_order_id"])
    await eventually(lambda: _filled(toolbox, name), "a fill")
    answers.append(await toolbox.get_order_info(name))


async def _filled(toolbox: Toolbox, name: str) -> bool:
    return (await toolbox.get_order_info(name))["status"] == "filled"


async def _live_stops(world: Any, inst_id: str = "ETH-USDT") -> list[Any]:
    sessions = world.application.adapter
    owner = world.accounts[0]
    exchange = sessions.exchange(owner, await world.application.store.accounts.credentials(owner.id))
    try:
        return list(await exchange.open_stops(inst_id))
    finally:
        await exchange.close()


@pytest.mark.parametrize("inst_id", ["ETH-USDT", "ETH-USDT-SWAP"])
async def test_a_stop_triggers_and_the_plan_hears_of_it_as_its_own(
    database_url: str, tmp_path: Path, inst_id: str
) -> None:
    """Its order is journalled under the stop's name; the holding ends; nothing is left at the exchange."""

    async def act(toolbox: Toolbox, answers: Answers) -> None:
        await _buy(toolbox, answers, near=Decimal(3))

    once = Once(act)
    config = market(instruments=("ETH-USDT", "ETH-USDT-SWAP"))
    async with platform(database_url, tmp_path, once, config=config) as (world, agent, _):
        plan = await world.plan(inst_id=inst_id)
        await eventually(lambda: once.done, "the fill")
        made, info = once.answers
        name = str(made["client_order_id"])
        assert made["stops"] == info["stops"]
        assert Decimal(info["stops"]["take_profit"]) - Decimal(info["stops"]["stop_loss"]) == 6
        (stop,) = await _live_stops(world, inst_id)
        assert stop.client_stop_id == stop_name(name)
        assert stop.stop_loss_price == Decimal(info["stops"]["stop_loss"])

        async def ended() -> bool:
            if await _live_stops(world, inst_id):
                world.step(1)
                return False
            orders = await world.orders(plan)
            return [order.status for order in orders] == [OrderStatus.FILLED] * 2

        await eventually(ended, "the stop's order")
        by_name = {order.client_order_id: order for order in await world.orders(plan)}
        assert set(by_name) == {name, stop_name(name)}
        parent, child = by_name[name], by_name[stop_name(name)]
        assert (child.side, child.order_type, child.decision_id) == (Side.SELL, "market", parent.decision_id)
        book = await world.book(plan)
        assert 0 <= book.quantity < book.instrument.min_quantity

        async def heard() -> bool:
            events = [event for turn in agent.turns for one in turn.triggers for event in one.events]
            return any(event.update.client_order_id == child.client_order_id for event in events)

        await eventually(heard, "a turn about it")
        told = await world.application.store.journal.events_after(plan.id, 0)
        assert all(not event.external for event in told)


async def test_a_stop_works_while_nobody_is_there(database_url: str, tmp_path: Path) -> None:
    """Triggered and filled without an engine: the next one finds the order and counts it as the plan's own."""

    async def act(toolbox: Toolbox, answers: Answers) -> None:
        await _buy(toolbox, answers, near=Decimal(3))

    once = Once(act)
    async with paper_world(database_url, tmp_path) as world:
        async with running_engine(world.application, once):
            plan = await world.plan()
            await eventually(lambda: once.done, "the fill")
            name = str(once.answers[0]["client_order_id"])
        for _ in range(200):
            if not await _live_stops(world):
                break
            world.step(1)
        assert await _live_stops(world) == []
        async with running_engine(world.application):

            async def ended() -> bool:
                book = await world.book(plan)
                return 0 <= book.quantity < book.instrument.min_quantity

            await eventually(ended, "the end of the holding, as the stop left it")
        by_name = {order.client_order_id: order.status for order in await world.orders(plan)}
        assert by_name == {name: OrderStatus.FILLED, stop_name(name): OrderStatus.FILLED}


async def test_a_stop_goes_with_what_it_protects(database_url: str, tmp_path: Path) -> None:
    """The plan ends its holding itself: the stop does not stay to sell what is not the plan's."""

    async def act(toolbox: Toolbox, answers: Answers) -> None:
        await _buy(toolbox, answers, near=Decimal(300))
        answers.append(await toolbox.close_position())

    once = Once(act)
    async with platform(database_url, tmp_path, once) as (world, _, _):
        await world.plan()
        await eventually(lambda: once.done, "the end of the holding")
        assert "error" not in once.answers[-1]

        async def gone() -> bool:
            return not await _live_stops(world)

        await eventually(gone, "the end of the stop")


async def test_a_stop_sells_no_more_than_its_holding(database_url: str, tmp_path: Path) -> None:
    """Part of the holding is sold: the stop is made smaller, and when it triggers the account's own coins stay."""
    own, sold = Decimal(5), Decimal("0.2")

    async def act(toolbox: Toolbox, answers: Answers) -> None:
        await _buy(toolbox, answers, near=Decimal(3))
        made = await toolbox.place_order(Side.SELL, OrderType.MARKET, sold)
        await eventually(lambda: _filled(toolbox, str(made["client_order_id"])), "the sale")

    once = Once(act)
    config = market(accounts=(paper_account(1, USDT="100000", ETH=str(own)),))
    async with platform(database_url, tmp_path, once, config=config) as (world, _, _):
        plan = await world.plan()
        await eventually(lambda: once.done, "both fills")
        book = await world.book(plan)
        held = book.instrument.round_quantity(book.quantity)
        assert 0 < held < LOT - sold

        async def shrunk() -> bool:
            (stop,) = await _live_stops(world)
            return bool(stop.quantity == held)

        await eventually(shrunk, "a smaller stop")

        async def ended() -> bool:
            if await _live_stops(world):
                world.step(1)
                return False
            return (await world.book(plan)).quantity < book.instrument.min_quantity

        await eventually(ended, "the end of the holding")
        left = (await world.book(plan)).quantity
        assert 0 <= left < book.instrument.lot_size
        owner = world.server.exchange.find_account("key-1")
        assert owner is not None
        assert owner.free("ETH") == own + left


async def test_an_order_that_ends_unfilled_leaves_no_stop(database_url: str, tmp_path: Path) -> None:
    """It is shown with its stops while it waits."""

    async def act(toolbox: Toolbox, answers: Answers) -> None:
        bid, _ = await _prices(toolbox)
        made = await toolbox.place_order(
            Side.BUY, OrderType.POST_ONLY, LOT, bid - 50, stop_loss=bid - 100, take_profit=bid
        )
        answers.extend((await toolbox.get_pending_orders())["orders"])
        await toolbox.cancel_order(str(made["client_order_id"]))
        await eventually(lambda: _canceled(toolbox, str(made["client_order_id"])), "its end")

    async def _canceled(toolbox: Toolbox, name: str) -> bool:
        return (await toolbox.get_order_info(name))["status"] == "canceled"

    once = Once(act)
    async with platform(database_url, tmp_path, once) as (world, _, _):
        plan = await world.plan()
        await eventually(lambda: once.done, "all answers")
        (waited,) = once.answers
        assert set(waited["stops"]) == {"stop_loss", "take_profit"}
        assert await _live_stops(world) == []
        (kept,) = await world.orders(plan)
        assert kept.stops is not None and str(kept.stops.stop_loss) == waited["stops"]["stop_loss"]


async def test_stops_that_make_no_sense_are_denied_with_a_sentence(database_url: str, tmp_path: Path) -> None:
    """On the wrong side, between two ticks, with a market order of spot, on an order that reduces."""

    async def act(toolbox: Toolbox, answers: Answers) -> None:
        bid, ask = await _prices(toolbox)
        limit = (Side.BUY, OrderType.LIMIT, LOT, ask)
        answers.append(await toolbox.place_order(*limit, stop_loss=ask + 5))
        answers.append(await toolbox.place_order(*limit, take_profit=bid - 5))
        answers.append(await toolbox.place_order(*limit, stop_loss=ask - Decimal("0.001")))
        answers.append(await toolbox.place_order(Side.BUY, OrderType.MARKET, LOT, stop_loss=bid - 5))
        await _buy(toolbox, [], near=Decimal(200))
        sell = (Side.SELL, OrderType.LIMIT, Decimal("0.1"), ask + 20)
        answers.append(await toolbox.place_order(*sell, stop_loss=ask + 50))

    once = Once(act)
    async with platform(database_url, tmp_path, once) as (world, _, _):
        await world.plan()
        await eventually(lambda: once.done, "all answers")
        assert [answer["code"] for answer in once.answers] == ["invalid_stop"] * 5
        above, below, tick, with_market, reducing = (str(answer["error"]) for answer in once.answers)
        assert "stop_loss of a buy must lie below" in above
        assert "take_profit of a buy must lie above" in below
        assert "tick size" in tick and "market order of spot" in with_market
        assert "stops protect what an order opens" in reducing
