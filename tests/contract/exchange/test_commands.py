"""Contract: commands and what they leave behind, asked for over REST and told by the stream."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from kokex.domain.account import AccountSnapshot
from kokex.domain.errors import ExchangeStoppedError
from kokex.domain.ids import stop_name
from kokex.domain.instrument import Side
from kokex.domain.order import OrderStatus, OrderType
from kokex.domain.stops import Stops
from kokex.ports.exchange import Accepted, Rejected, Unknown
from tests.contract.exchange.venue import Venue, gate, listening

ONE = Decimal(1)
LONG_AGO = timedelta(days=1)


async def far_price(venue: Venue, inst_id: str | None = None) -> Decimal:
    """A buyer's price that nobody will sell at."""
    instrument = await venue.exchange.instrument(inst_id or venue.spot)
    ticker = await venue.exchange.ticker(instrument.inst_id)
    return instrument.round_price(ticker.last * Decimal("0.9"))


async def balances(venue: Venue) -> AccountSnapshot:
    """What the account holds."""
    return await venue.exchange.account()


async def test_an_order_is_accepted_waits_and_is_canceled(venue: Venue) -> None:
    """Every question shows it; cancelling again is rejected."""
    since = (await venue.exchange.ticker(venue.spot)).occurred_at - LONG_AGO
    async with listening(venue) as (ear, _):
        order = await venue.approved(quantity=ONE, price=await far_price(venue))
        name = order.request.client_order_id
        accepted = await venue.exchange.submit(order)
        assert isinstance(accepted, Accepted)

        (waiting,) = await venue.exchange.open_orders(venue.spot)
        by_name = await venue.exchange.order(venue.spot, client_order_id=name)
        by_id = await venue.exchange.order(venue.spot, order_id=accepted.order_id)
        assert by_name is not None and by_id is not None
        for seen in (waiting, by_name, by_id):
            assert (seen.order_id, seen.client_order_id) == (accepted.order_id, name)
            assert (seen.status, seen.side, seen.order_type) == (OrderStatus.ACCEPTED, Side.BUY, "limit")
            assert (seen.quantity, seen.price, seen.filled_quantity) == (ONE, order.request.price, 0)
            assert seen.average_price is None and seen.fill is None

        held = (await balances(venue)).balances["USDT"]
        assert held.frozen > 0 and held.total == held.available + held.frozen

        assert await venue.exchange.cancel(venue.spot, name) == Accepted(accepted.order_id)
        again = await venue.exchange.cancel(venue.spot, name)
        assert isinstance(again, Rejected) and again.code
        await ear.until(lambda: len(ear.of(name)) == 2)
        assert [one.event_type for one in ear.of(name)] == ["buy_order_live", "buy_order_canceled"]
        assert [one.event_key for one in ear.of(name)] == ["live", "canceled"]

    assert await venue.exchange.open_orders(venue.spot) == []
    (closed,) = await venue.exchange.order_history(venue.spot, since)
    assert (closed.order_id, closed.status) == (accepted.order_id, OrderStatus.CANCELED)
    assert closed.cancel_reason == "canceled by the user"
    assert (await balances(venue)).balances["USDT"].frozen == 0


async def test_a_market_order_fills_and_the_account_shows_it_to_the_last_digit(venue: Venue) -> None:
    """Pushes, fills and balances tell the same; a spot buy is sized in base and pays its fee in base."""
    before = await balances(venue)
    since = (await venue.exchange.ticker(venue.spot)).occurred_at - LONG_AGO
    async with listening(venue) as (ear, _):
        order = await venue.approved(order_type=OrderType.MARKET, price=None, quantity=Decimal(5))
        name = order.request.client_order_id
        assert isinstance(await venue.exchange.submit(order), Accepted)
        await ear.until(lambda: any(one.update.status.closed for one in ear.of(name)))
        told = ear.of(name)

    pushed = [one.update.fill for one in told if one.update.fill is not None]
    assert [one.event_type for one in told] == [
        "buy_order_live",
        *["buy_order_partial"] * (len(pushed) - 1),
        "buy_order_done",
    ]
    assert sum(fill.quantity for fill in pushed) == 5 == told[-1].update.filled_quantity
    assert len({one.event_key for one in told}) == len(told)

    asked = await venue.exchange.fills(venue.spot, since)
    assert [(f.trade_id, f.price, f.quantity, f.fee, f.fee_currency, f.maker) for f in asked] == [
        (f.trade_id, f.price, f.quantity, f.fee, f.fee_currency, f.maker) for f in pushed
    ]
    assert all(fill.bill_id for fill in asked)

    after = await balances(venue)
    fees = sum((fill.fee for fill in asked if fill.fee is not None), Decimal(0))
    spent = sum((fill.price * fill.quantity for fill in asked), Decimal(0))
    assert {fill.fee_currency for fill in asked} == {"ETH"} and fees < 0
    assert after.total("ETH") - before.total("ETH") == 5 + fees
    assert before.total("USDT") - after.total("USDT") == spent


async def test_a_resting_order_fills_in_parts_as_the_market_comes_to_it(venue: Venue) -> None:
    """`filled_quantity` only grows, and the last push is done."""
    async with listening(venue) as (ear, _):
        ticker = await venue.exchange.ticker(venue.spot)
        order = await venue.approved(quantity=Decimal(3), price=ticker.bid)
        name = order.request.client_order_id
        assert isinstance(await venue.exchange.submit(order), Accepted)
        for _ in range(400):
            await venue.hand.step(5)
            known = await venue.exchange.order(venue.spot, client_order_id=name)
            assert known is not None
            if known.status is OrderStatus.FILLED:
                break
        await ear.until(lambda: any(one.update.status is OrderStatus.FILLED for one in ear.of(name)))
        told = [one.update for one in ear.of(name)]
    filled = [update.filled_quantity for update in told]
    assert filled == sorted(filled) and filled[-1] == 3
    assert all(update.fill.maker for update in told if update.fill is not None)
    for earlier, later in pairwise(told):
        assert later.fill is not None
        assert later.filled_quantity - earlier.filled_quantity == later.fill.quantity


async def test_too_much_is_rejected(venue: Venue) -> None:
    """Refused with a code and a reason, no order, no event."""
    order = await venue.approved(quantity=Decimal(10_000), price=await far_price(venue))
    outcome = await venue.exchange.submit(order)
    assert isinstance(outcome, Rejected) and outcome.code and outcome.reason
    assert await venue.exchange.order(venue.spot, client_order_id=order.request.client_order_id) is None
    assert await venue.hand.record() == []


async def test_a_post_only_order_that_would_take_ends_canceled(venue: Venue) -> None:
    """Accepted is not done: with or without a `live` before, the stream tells the end."""
    async with listening(venue) as (ear, _):
        ticker = await venue.exchange.ticker(venue.spot)
        order = await venue.approved(order_type=OrderType.POST_ONLY, price=ticker.ask, quantity=ONE)
        name = order.request.client_order_id
        assert isinstance(await venue.exchange.submit(order), Accepted)
        await ear.until(lambda: any(one.update.status.closed for one in ear.of(name)))
        last = ear.of(name)[-1].update
    assert last.status is OrderStatus.CANCELED and last.filled_quantity == 0
    assert "post-only" in (last.cancel_reason or "")


@pytest.mark.parametrize("order_type", [OrderType.IOC, OrderType.FOK])
async def test_orders_that_cannot_wait_end_at_once(venue: Venue, order_type: OrderType) -> None:
    """At a price that nobody sells at."""
    async with listening(venue) as (ear, _):
        order = await venue.approved(order_type=order_type, price=await far_price(venue), quantity=ONE)
        name = order.request.client_order_id
        await venue.exchange.submit(order)
        await ear.until(lambda: any(one.update.status.closed for one in ear.of(name)))
        assert ear.of(name)[-1].update.status is OrderStatus.CANCELED


async def test_the_same_order_twice_is_one_order(venue: Venue) -> None:
    """The client order id is the order's name: the second submit finds the first."""
    order = await venue.approved(quantity=ONE, price=await far_price(venue))
    first = await venue.exchange.submit(order)
    assert isinstance(first, Accepted) and await venue.exchange.submit(order) == first
    assert len(await venue.exchange.open_orders(venue.spot)) == 1


@pytest.mark.parametrize("how", ["cut_next_answer", "lose_next_answer"])
async def test_an_unknown_order_is_found_by_its_name(venue: Venue, how: str) -> None:
    """The connection is cut between send and answer: unknown, not sent again, and there."""
    async with listening(venue) as (ear, _):
        order = await venue.approved(quantity=ONE, price=await far_price(venue))
        name = order.request.client_order_id
        await getattr(venue.hand, how)()
        asked_at = await venue.exchange.server_time()
        outcome = await venue.exchange.submit(order)
        assert isinstance(outcome, Unknown) and outcome.settled_after > asked_at
        found = await venue.exchange.order(venue.spot, client_order_id=name)
        assert found is not None and found.status is OrderStatus.ACCEPTED
        await ear.until(lambda: len(ear.of(name)) == 1)
        assert [one.order_id for one in await venue.exchange.open_orders(venue.spot)] == [found.order_id]
        assert [event.order_id for event in await venue.hand.record()] == [found.order_id]


async def test_an_unknown_cancel_is_found_too(venue: Venue) -> None:
    """The order is gone, although nobody said so."""
    order = await venue.approved(quantity=ONE, price=await far_price(venue))
    name = order.request.client_order_id
    await venue.exchange.submit(order)
    await venue.hand.cut_next_answer()
    assert isinstance(await venue.exchange.cancel(venue.spot, name), Unknown)
    found = await venue.exchange.order(venue.spot, client_order_id=name)
    assert found is not None and found.status is OrderStatus.CANCELED


async def test_what_was_never_ordered_is_not_known(venue: Venue) -> None:
    """None for the question, rejected for the cancel."""
    assert await venue.exchange.order(venue.spot, client_order_id="KXtestP9D9S9") is None
    assert isinstance(await venue.exchange.cancel(venue.spot, "KXtestP9D9S9"), Rejected)


async def test_a_swap_opens_a_position_and_reduce_only_closes_it(venue: Venue) -> None:
    """Contracts, signed; both sides."""
    async with listening(venue, venue.swap) as (ear, _):
        for side, sign in ((Side.BUY, 1), (Side.SELL, -1)):
            order = await venue.approved(
                venue.swap, order_type=OrderType.MARKET, price=None, quantity=Decimal(2), side=side
            )
            assert isinstance(await venue.exchange.submit(order), Accepted)
            name = order.request.client_order_id
            await ear.until(lambda name=name: any(one.update.status.closed for one in ear.of(name)))  # type: ignore[misc]
            position = (await venue.exchange.account()).positions[venue.swap]
            assert position.quantity == 2 * sign and position.average_price is not None
            back = await venue.approved(
                venue.swap,
                order_type=OrderType.MARKET,
                price=None,
                quantity=Decimal(2),
                side=Side.SELL if side is Side.BUY else Side.BUY,
                reduce_only=True,
            )
            assert isinstance(await venue.exchange.submit(back), Accepted)
            name = back.request.client_order_id
            await ear.until(lambda name=name: any(one.update.status.closed for one in ear.of(name)))  # type: ignore[misc]
            assert venue.swap not in (await venue.exchange.account()).positions


async def test_a_resting_order_is_changed(venue: Venue) -> None:
    """Accepted is not done: an update that repeats the request's name tells it, and every question shows the new order."""
    async with listening(venue) as (ear, _):
        order = await venue.approved(quantity=ONE, price=await far_price(venue))
        name, price = order.request.client_order_id, order.request.price
        assert price is not None
        accepted = await venue.exchange.submit(order)
        assert isinstance(accepted, Accepted)
        tick = (await venue.exchange.instrument(venue.spot)).tick_size

        lower = price - 10 * tick
        assert await venue.exchange.amend(await venue.change(order, price=lower), "A1") == accepted
        await ear.until(lambda: len(ear.of(name)) == 2)
        told = ear.of(name)[-1]
        assert (told.event_type, told.event_key) == ("buy_order_live", "amend:A1")
        assert (told.update.request_id, told.update.amend_result) == ("A1", "0")
        assert (told.update.price, told.update.quantity) == (lower, ONE)

        changed = await venue.change(order, price=lower, quantity=Decimal(2))
        assert await venue.exchange.amend(changed, "A2") == accepted
        await ear.until(lambda: len(ear.of(name)) == 3)
        (waiting,) = await venue.exchange.open_orders(venue.spot)
        by_name = await venue.exchange.order(venue.spot, client_order_id=name)
        for seen in (waiting, by_name):
            assert seen is not None
            assert (seen.quantity, seen.price, seen.status) == (Decimal(2), lower, OrderStatus.ACCEPTED)


async def test_a_change_that_cannot_be_is_rejected_and_the_order_stays(venue: Venue) -> None:
    """Too much for the account, and of an order that is over."""
    order = await venue.approved(quantity=ONE, price=await far_price(venue))
    name = order.request.client_order_id
    assert isinstance(await venue.exchange.submit(order), Accepted)
    for quantity in (Decimal(10_000), Decimal("0.5")):
        refused = await venue.exchange.amend(await venue.change(order, quantity=quantity), "A1")
        if quantity == 10_000:
            assert isinstance(refused, Rejected) and refused.code and refused.reason
            known = await venue.exchange.order(venue.spot, client_order_id=name)
            assert known is not None and (known.quantity, known.status) == (ONE, OrderStatus.ACCEPTED)
            await venue.exchange.cancel(venue.spot, name)
    assert isinstance(refused, Rejected) and refused.code


@pytest.mark.parametrize("how", ["cut_next_answer", "lose_next_answer"])
async def test_an_unknown_change_shows_on_the_order(venue: Venue, how: str) -> None:
    """The connection is cut between request and answer: unknown, not sent again, and made."""
    order = await venue.approved(quantity=ONE, price=await far_price(venue))
    name = order.request.client_order_id
    await venue.exchange.submit(order)
    await getattr(venue.hand, how)()
    outcome = await venue.exchange.amend(await venue.change(order, quantity=Decimal(3)), "A1")
    assert isinstance(outcome, Unknown) and outcome.reason
    known = await venue.exchange.order(venue.spot, client_order_id=name)
    assert known is not None and known.quantity == 3


async def test_stops_that_an_order_brings_along_wait_change_and_are_canceled(venue: Venue) -> None:
    """Made once it has filled, under a name of their own; what was canceled is refused a second time."""
    tick = (await venue.exchange.instrument(venue.swap)).tick_size
    ticker = await venue.exchange.ticker(venue.swap)
    async with listening(venue, venue.swap) as (ear, _):
        order = await venue.approved(
            venue.swap,
            order_type=OrderType.IOC,
            price=ticker.ask,
            quantity=ONE,
            stops=Stops(ticker.last - 2000 * tick, ticker.last + 2000 * tick),
        )
        name = order.request.client_order_id
        assert await venue.exchange.open_stops(venue.swap) == []
        assert isinstance(await venue.exchange.submit(order), Accepted)
        await ear.until(lambda: any(one.update.status.closed for one in ear.of(name)))
    (stop,) = await venue.exchange.open_stops(venue.swap)
    assert (stop.client_stop_id, stop.side, stop.quantity) == (stop_name(name), Side.SELL, ONE)
    assert stop.stop_loss_price == ticker.last - 2000 * tick
    assert stop.take_profit_price == ticker.last + 2000 * tick

    lot = (await venue.exchange.instrument(venue.swap)).lot_size
    smaller = ONE - lot if lot < ONE else ONE + lot
    assert await venue.exchange.amend_stop(venue.swap, stop.stop_id, smaller) == Accepted(stop.stop_id)
    (changed,) = await venue.exchange.open_stops(venue.swap)
    assert replace(changed, quantity=ONE, occurred_at=stop.occurred_at, raw=stop.raw) == stop
    assert changed.quantity == smaller

    assert await venue.exchange.cancel_stop(venue.swap, stop.stop_id) == Accepted(stop.stop_id)
    gone = await venue.exchange.amend_stop(venue.swap, stop.stop_id, ONE)
    assert isinstance(gone, Rejected) and gone.code
    again = await venue.exchange.cancel_stop(venue.swap, stop.stop_id)
    assert isinstance(again, Rejected) and again.code
    assert await venue.exchange.open_stops(venue.swap) == []


async def test_what_a_stop_became_goes_by_its_name(venue: Venue) -> None:
    """Pushed and asked for: an order of ours that has no name of its own at the exchange."""
    ticker = await venue.exchange.ticker(venue.spot)
    tick = (await venue.exchange.instrument(venue.spot)).tick_size
    since = ticker.occurred_at - LONG_AGO
    async with listening(venue) as (ear, _):
        order = await venue.approved(
            order_type=OrderType.IOC,
            price=ticker.ask + tick,
            quantity=ONE,
            stops=Stops(ticker.last - 100 * tick, ticker.last + 200 * tick),
        )
        name = order.request.client_order_id
        assert isinstance(await venue.exchange.submit(order), Accepted)
        for _ in range(400):
            if any(one.update.status is OrderStatus.FILLED for one in ear.of(stop_name(name))):
                break
            await venue.hand.step(20)
        await ear.until(
            lambda: any(one.update.status is OrderStatus.FILLED for one in ear.of(stop_name(name)))
        )
        told = ear.of(stop_name(name))
    assert [one.event_type for one in told[:1]] == ["sell_order_live"]
    assert all(one.update.fill.client_order_id == stop_name(name) for one in told if one.update.fill)
    history = await venue.exchange.order_history(venue.spot, since)
    assert [row.client_order_id for row in history] == [name, stop_name(name)]
    child = history[-1]
    asked = await venue.exchange.order(venue.spot, order_id=child.order_id)
    assert asked is not None and asked.client_order_id == stop_name(name)


async def test_more_than_a_page_of_orders_and_fills(venue: Venue) -> None:
    """All of them, oldest first, each once; and only since the moment that was asked for."""
    since = (await venue.exchange.ticker(venue.spot)).occurred_at - LONG_AGO
    instrument = await venue.exchange.instrument(venue.spot)
    ticker = await venue.exchange.ticker(venue.spot)
    for number in range(110):
        order = gate(
            instrument,
            ticker,
            client_order_id=f"KXtestP2D{number}S0",
            order_type=OrderType.MARKET,
            price=None,
            quantity=Decimal("0.01"),
        )
        assert isinstance(await venue.exchange.submit(order), Accepted)
        if number == 60:
            await venue.hand.step(10)
            middle = (await venue.exchange.ticker(venue.spot)).occurred_at
    history = await venue.exchange.order_history(venue.spot, since)
    assert [one.client_order_id for one in history] == [f"KXtestP2D{number}S0" for number in range(110)]
    fills = await venue.exchange.fills(venue.spot, since)
    assert len(fills) == len({fill.trade_id for fill in fills}) >= 110
    assert sum(fill.quantity for fill in fills) == Decimal("1.1")
    assert [fill.occurred_at for fill in fills] == sorted(fill.occurred_at for fill in fills)
    later = await venue.exchange.fills(venue.spot, middle)
    assert later == [fill for fill in fills if fill.occurred_at >= middle] and len(later) < len(fills)


@pytest.mark.parametrize("field", ["api_key", "secret", "passphrase"])
async def test_wrong_keys_stop_every_question_and_command(venue: Venue, field: str) -> None:
    """A person must act; nothing is tried again, and no key is shown."""
    exchange = venue.adapter.exchange(venue.account, venue.with_keys(**{field: "wrong-key-of-test"}))
    try:
        with pytest.raises(ExchangeStoppedError) as raised:
            await exchange.account()
        assert "wrong-key-of-test" not in str(raised.value)
        order = await venue.approved(quantity=ONE, price=await far_price(venue))
        with pytest.raises(ExchangeStoppedError):
            await exchange.submit(order)
        with pytest.raises(ExchangeStoppedError):
            await exchange.cancel(venue.spot, "KXtestP1D1S0")
    finally:
        await exchange.close()
