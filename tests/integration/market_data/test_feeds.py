"""Live candles on the paper exchange: whole after every loss, forming apart, refused when stale."""

from __future__ import annotations

import pytest

from kokex.adapters.postgres import PostgresStore
from kokex.domain.candle import Interval
from kokex.domain.market import StreamKind
from kokex.domain.time_range import RangeSet
from tests.integration.market_data.venue import INST_ID, MINUTE, Venue, venue
from tests.world import eventually

DEPTH = 500


async def whole(there: Venue, count: int = DEPTH) -> bool:
    """Whether the newest candles are kept, exactly as the exchange has them, and the ledger knows it."""
    window = await there.last(count)
    kept = await there.store.candles.read(there.key, window.start, window.end)
    return kept == await there.told(window) and not len(await there.store.candles.gaps(there.key, window))


async def test_a_start_fills_what_plans_need_and_the_stream_goes_on(store: PostgresStore) -> None:
    """Then each close is one candle more, told once."""
    async with venue(store) as there, there.service() as (service, ear):
        service.subscribe(1, there.session, INST_ID, MINUTE, DEPTH)
        await eventually(lambda: whole(there), "the first candles")
        for _ in range(5):
            told = ear.count
            there.step()
            await eventually(lambda told=told: ear.count > told, "the next candle")
        assert await whole(there, DEPTH + 5)
        (summary,) = await store.candles.summary()
        assert (summary.candles, summary.missing, summary.gaps) == (DEPTH + 5, 0, 0)


async def test_forming_candles_are_shown_and_not_kept(store: PostgresStore) -> None:
    """Until they close."""
    async with venue(store) as there, there.service() as (service, _):
        account = there.session.account
        service.subscribe(1, there.session, INST_ID, MINUTE, 10)
        await eventually(lambda: whole(there, 10), "the first candles")
        exchange = there.server.exchange
        exchange.advance(exchange.now_ms + 30_000)
        there.server.publisher.flush(force=True)
        forming = await eventually(lambda: service.forming(account, INST_ID, MINUTE), "a forming candle")
        assert not forming.closed
        newest = await store.candles.last_open_time(there.key.market, INST_ID, MINUTE)
        assert newest == forming.open_time - MINUTE.duration


async def test_a_restart_brings_what_lies_between(store: PostgresStore) -> None:
    """However much it is; nothing is read twice."""
    async with venue(store) as there:
        async with there.service() as (service, _):
            service.subscribe(1, there.session, INST_ID, MINUTE, 50)
            await eventually(lambda: whole(there, 50), "the first candles")
        there.step(400)
        async with there.service() as (service, _):
            service.subscribe(1, there.session, INST_ID, MINUTE, 450)
            await eventually(lambda: whole(there, 450), "the candles between")
        ledger = await store.candles.ledger(there.key)
        assert ledger.complete == RangeSet((await there.last(450),))


async def test_a_dropped_connection_loses_no_candle(store: PostgresStore) -> None:
    """What closed meanwhile is read over REST when the stream stands again."""
    async with venue(store) as there, there.service() as (service, _):
        service.subscribe(1, there.session, INST_ID, MINUTE, 50)
        await eventually(lambda: whole(there, 50), "the first candles")
        for connection in list(there.server.hub.connections):
            connection.close(1006, "cut")
        there.step(7)
        await eventually(lambda: whole(there, 57), "the candles of the outage")


@pytest.mark.parametrize("kind", ["candle_gap", "late_confirm", "stale_market"])
async def test_candles_that_are_left_out_late_or_stale(store: PostgresStore, kind: str) -> None:
    """Whatever the exchange does to some of them: in the end all are kept, once, as they are there."""
    async with venue(store) as there, there.service() as (service, _):
        service.subscribe(1, there.session, INST_ID, MINUTE, 50)
        await eventually(lambda: whole(there, 50), "the first candles")
        fields = {"stale_market": {}, "late_confirm": {"channel": "candle1m", "seconds": 0.3}}
        there.server.faults.arm(kind, probability=0.5, **fields.get(kind, {"channel": "candle1m"}))

        def struck() -> bool:
            there.step()
            if kind == "stale_market":
                service.subscribed(there.key.market)
            return len(there.server.faults.strikes(kind)) >= 3

        await eventually(struck, "three strikes")
        there.server.faults.clear()
        there.step()
        await eventually(lambda: whole(there, 53), "all candles")


async def test_trades_and_book_top_flow_while_a_plan_wants_them(store: PostgresStore) -> None:
    """Counted by who wants them: the last to go ends the subscription."""
    wants = {StreamKind.TRADES, StreamKind.BOOK_TOP}
    async with venue(store) as there, there.service() as (service, _):
        account = there.session.account
        service.subscribe(1, there.session, INST_ID, MINUTE, 5, wants)
        service.subscribe(2, there.session, INST_ID, MINUTE, 5, {StreamKind.TRADES})
        service.subscribe(3, there.session, INST_ID, Interval("5m"), 5)

        def heard() -> bool:
            there.step()
            return bool(service.trades(account, INST_ID)) and service.book_top(account, INST_ID) is not None

        await eventually(heard, "trades and book")
        top = service.book_top(account, INST_ID)
        assert top is not None and top.bid is not None and top.ask is not None and top.bid < top.ask
        trades = service.trades(account, INST_ID)
        assert len({trade.trade_id for trade in trades}) == len(trades)
        service.unsubscribe(1)
        assert service.book_top(account, INST_ID) is None and service.trades(account, INST_ID)
        service.unsubscribe(2)
        assert not service.trades(account, INST_ID)
        assert service.fresh_ticker(account, INST_ID) is not None


async def test_stale_candles_are_told(store: PostgresStore) -> None:
    """A plan whose candles stopped coming while the market goes on."""
    async with venue(store) as there, there.service() as (service, _):
        account = there.session.account
        assert "no closed candle" in (service.staleness(account, INST_ID, MINUTE) or "")
        service.subscribe(1, there.session, INST_ID, MINUTE, 20)
        await eventually(lambda: whole(there, 20), "the first candles")
        await eventually(lambda: service.staleness(account, INST_ID, MINUTE) is None, "fresh candles")
