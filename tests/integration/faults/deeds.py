"""What is done on a day while a fault strikes."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from kokex.domain.instrument import Side
from kokex.domain.order import OrderType
from tests.integration.faults.day import SPOT, Day
from tests.world import eventually


async def trade(day: Day) -> None:
    """The usual day."""
    await day.trade()


async def trade_contracts(day: Day) -> None:
    """The usual day on a perpetual."""
    await day.trade_contracts()


async def trade_contracts_over_a_new_connection(day: Day) -> None:
    """The same, and the connection is lost in the middle of it."""
    day.world.server.faults.arm("cut_socket", channel="orders", nth=2)
    await day.trade_contracts()


async def trade_over_a_new_connection(day: Day) -> None:
    """The connection is lost first, so that the next one meets the fault."""
    day.world.server.faults.arm("cut_socket", channel="orders")
    await day.trade()


async def amend_by_hand(day: Day) -> None:
    """The account's owner changes a resting order on the exchange's website."""
    resting = await day.place(Side.BUY, OrderType.LIMIT, below="2")
    async with day.by_hand() as website:
        for number in (1, 2):
            change = {"newSz": f"0.{6 + number}", "reqId": f"r{number}"}
            name = resting["client_order_id"]
            _, answer = await website.call(
                "POST", "trade/amend-order", {"instId": SPOT, "clOrdId": name, **change}
            )
            assert answer["data"][0]["sCode"] == "0", answer
    await day.trade()
    await day.cancel(resting)


async def offer_only(day: Day) -> None:
    """Two post-only orders, of which one meets the fault."""
    for _ in range(2):
        await day.place(Side.BUY, OrderType.POST_ONLY, Decimal("0.1"), below="2")
    await day.trade()


async def watch_candles(day: Day) -> None:
    """Candles one by one, and a closer look at what is kept of them."""
    for _ in range(4):
        day.world.step()
        await asyncio.sleep(0.05)
    await day.trade()
    await whole_candles(day)


async def miss_candles(day: Day) -> None:
    """Three candles close at once, with none to follow for a while."""
    day.world.step(3)
    await whole_candles(day)
    await day.trade()
    await whole_candles(day)


async def miss_candles_in_a_loss(day: Day) -> None:
    """The same while the stream is gone: what is read over REST must be all of them."""
    day.world.server.faults.arm("cut_socket", channel="candle*")
    await miss_candles(day)


async def whole_candles(day: Day) -> None:
    """Return when the candles kept are the exchange's own closed ones, to the newest, without a hole."""
    store, owner = day.world.application.store, day.world.accounts[0]
    exchange = day.exchange
    wanted_s = exchange.now_ms // 3_600_000 * 3600 - 3600

    async def whole() -> bool:
        kept = await store.candles.latest(f"paper:{owner.id}", SPOT, day.plan.interval, 50)
        if len(kept) < 50 or int(kept.open_times[-1]) != wanted_s:
            return False
        item = exchange.instruments[SPOT]
        history = exchange.strands[SPOT].history.between(int(kept.open_times[0]) * 1000, wanted_s * 1000 + 1)
        theirs = [float(item.price(candle.close)) for candle in history]
        return theirs == [float(row[3]) for row in kept.values]

    await eventually(whole, "a whole row of candles", seconds=day.patience)


async def answers_to_the_last(day: Day) -> None:
    """An order is placed, canceled and asked after while queries are answered from the past."""
    await day.place(Side.BUY, OrderType.LIMIT, below="2")
    day.world.server.faults.arm("cut_socket", channel="orders")
    await day.trade()


async def cancel_while_away(day: Day) -> None:
    """The stream is gone, and the account's owner cancels an order on the website meanwhile."""
    resting = await day.place(Side.BUY, OrderType.LIMIT, below="2")
    day.world.server.faults.arm("refuse_login", count=2, code="63999")
    async with day.by_hand() as website:
        await website.admin("POST", "disconnect")
        name = resting["client_order_id"]
        await website.call("POST", "trade/cancel-order", {"instId": SPOT, "clOrdId": name})
    await day.trade()
