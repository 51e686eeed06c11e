"""Contract: streams deliver every event, in order, over every loss."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from decimal import Decimal

import pytest

from kokex.domain.errors import ExchangeStoppedError
from kokex.domain.events import ClassifiedUpdate
from kokex.domain.instrument import Side
from kokex.domain.order import OrderStatus, OrderType
from kokex.ports.exchange import Accepted
from tests.contract.exchange.venue import Ear, RecordedEvent, Venue, listening

_STATES = {
    OrderStatus.ACCEPTED: "live",
    OrderStatus.PARTIALLY_FILLED: "partially_filled",
    OrderStatus.FILLED: "filled",
    OrderStatus.CANCELED: "canceled",
}


def as_recorded(heard: ClassifiedUpdate) -> RecordedEvent:
    """What was heard, in the words of the exchange's record."""
    update = heard.update
    trade_id = update.fill.trade_id if update.fill is not None else None
    return RecordedEvent(update.order_id, _STATES[update.status], trade_id or "", update.filled_quantity)


async def trade(venue: Venue, rounds: int) -> None:
    """Buy, sell, rest and cancel; the market moves on in between."""
    for number in range(rounds):
        side = Side.BUY if number % 2 else Side.SELL
        taking = await venue.approved(
            order_type=OrderType.MARKET, price=None, quantity=Decimal("0.5"), side=side
        )
        assert isinstance(await venue.exchange.submit(taking), Accepted)
        ticker = await venue.exchange.ticker(venue.spot)
        resting = await venue.approved(quantity=Decimal("0.2"), price=ticker.bid)
        assert isinstance(await venue.exchange.submit(resting), Accepted)
        await venue.hand.step(3)
        await venue.exchange.cancel(venue.spot, resting.request.client_order_id)


async def test_every_event_is_heard_once_and_in_order(venue: Venue) -> None:
    """The exchange's own record, event by event."""
    async with listening(venue) as (ear, _):
        await trade(venue, 12)
        record = await venue.hand.record()
        await ear.until(lambda: len(ear.updates) >= len(record))
        assert [as_recorded(one) for one in ear.updates] == record
        assert len(record) >= 36


async def test_only_the_wanted_instrument_is_heard(venue: Venue) -> None:
    """And another one from the moment on that it is wanted."""
    async with listening(venue, venue.swap) as (ear, stream):
        spot = await venue.approved(order_type=OrderType.MARKET, price=None, quantity=Decimal("0.1"))
        await venue.exchange.submit(spot)
        swap = await venue.approved(venue.swap, order_type=OrderType.MARKET, price=None, quantity=Decimal(1))
        await venue.exchange.submit(swap)
        await ear.until(lambda: any(one.update.status.closed for one in ear.updates))
        assert {one.update.inst_id for one in ear.updates} == {venue.swap}
        stream.subscribe_orders_channel(venue.spot)
        await ear.until(lambda: ear.subscribed == 2)
        await venue.exchange.submit(await venue.approved(price=None, order_type=OrderType.MARKET))
        await ear.until(lambda: any(one.update.inst_id == venue.spot for one in ear.updates))


async def test_a_lost_stream_comes_back_with_its_subscriptions(venue: Venue) -> None:
    """It says so, and what happens afterwards is heard; what happened meanwhile can be asked for."""
    async with listening(venue) as (ear, _):
        for lost in range(1, 4):
            await venue.hand.drop_sockets()
            await ear.until(lambda lost=lost: ear.subscribed == 1 + lost)  # type: ignore[misc]
            assert len(ear.losses) == lost
            order = await venue.approved(order_type=OrderType.MARKET, price=None, quantity=Decimal("0.1"))
            await venue.exchange.submit(order)
            name = order.request.client_order_id
            await ear.until(lambda name=name: any(one.update.status.closed for one in ear.of(name)))  # type: ignore[misc]


async def test_an_announced_restart_is_no_loss(venue: Venue) -> None:
    """The stream goes over to a new connection while orders are traded: every event is heard, some twice, each order's in order."""
    async with listening(venue) as (ear, _):
        for _ in range(3):
            await venue.hand.announce_restart()
            await trade(venue, 4)
        record = await venue.hand.record()
        await ear.until(lambda: {as_recorded(one) for one in ear.updates} >= set(record))
        firsts = dict.fromkeys(as_recorded(one) for one in ear.updates)
        for order_id in {event.order_id for event in record}:
            assert [event for event in firsts if event.order_id == order_id] == [
                event for event in record if event.order_id == order_id
            ]
        assert ear.losses == [] and ear.subscribed == 1 and ear.flaws == []


async def test_rubbish_before_a_push_costs_no_push(venue: Venue) -> None:
    """The connection stays, the event is heard."""
    async with listening(venue) as (ear, _):
        await venue.hand.spoil_next_push()
        order = await venue.approved(order_type=OrderType.MARKET, price=None, quantity=Decimal("0.1"))
        await venue.exchange.submit(order)
        name = order.request.client_order_id
        await ear.until(lambda: any(one.update.status.closed for one in ear.of(name)))
        assert [as_recorded(one) for one in ear.updates] == await venue.hand.record()
        assert ear.losses == []


async def test_a_repeated_push_has_the_key_of_the_first(venue: Venue) -> None:
    """So that the journal keeps it once."""
    async with listening(venue) as (ear, _):
        await venue.hand.repeat_next_push()
        order = await venue.approved(order_type=OrderType.MARKET, price=None, quantity=Decimal("0.1"))
        await venue.exchange.submit(order)
        name = order.request.client_order_id
        await ear.until(lambda: any(one.update.status.closed for one in ear.of(name)))
        keys = [one.event_key for one in ear.of(name)]
        assert len(keys) == len(set(keys)) + 1 == len(await venue.hand.record()) + 1


@pytest.mark.parametrize("field", ["api_key", "secret", "passphrase"])
async def test_wrong_keys_stop_the_stream(venue: Venue, field: str) -> None:
    """Instead of knocking for ever."""
    ear = Ear()
    keys = venue.with_keys(**{field: "wrong-key-of-test"})
    stream = venue.adapter.account_stream(venue.account, keys, ear)
    stream.subscribe_orders_channel(venue.spot)
    with pytest.raises(ExchangeStoppedError) as raised:
        await asyncio.wait_for(stream.run(), 60)
    assert "wrong-key-of-test" not in str(raised.value) and ear.subscribed == 0


async def test_market_streams_tell_prices_and_candles_over_every_loss(venue: Venue) -> None:
    """A candle is told forming, then closed, with the numbers that a question gives."""
    ear = Ear()
    stream = venue.adapter.market_stream(venue.account, ear)
    stream.subscribe_ticker(venue.spot)
    stream.subscribe_mark_price(venue.swap)
    stream.subscribe_candles(venue.spot, venue.interval)
    async with AsyncExitStack() as stack:
        running = asyncio.create_task(stream.run())
        stack.push_async_callback(asyncio.wait, [running])
        stack.callback(running.cancel)
        await ear.until(lambda: ear.market_subscribed >= 2)
        await hear_a_candle_close(venue, ear)
        before = ear.market_subscribed
        await venue.hand.drop_sockets()
        await ear.until(lambda: ear.market_subscribed >= before + 2)
        await hear_a_candle_close(venue, ear)


async def hear_a_candle_close(venue: Venue, ear: Ear) -> None:
    """Step over the end of a candle and compare what was told with what is answered."""
    ear.candles.clear()
    ear.tickers.clear()
    ear.marks.clear()
    await venue.hand.step(5)
    await ear.until(lambda: bool(ear.tickers) and bool(ear.candles) and bool(ear.marks))
    assert ear.marks[-1].inst_id == venue.swap and ear.marks[-1].price > 0
    assert ear.tickers[-1].inst_id == venue.spot
    await venue.hand.close_candles(1)
    await ear.until(lambda: any(candle.closed for _, _, candle in ear.candles))
    inst_id, interval, closed = next(one for one in ear.candles if one[2].closed)
    assert (inst_id, interval) == (venue.spot, venue.interval)
    asked = await venue.exchange.candles(
        venue.spot, venue.interval, start=closed.open_time, end=closed.open_time + interval.duration
    )
    assert asked == [closed]
