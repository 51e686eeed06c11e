"""What a plan's trading came to: by fills, by marks, by stops; the same after a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from kokex.domain.account import ExchangeAccount, Ticker
from kokex.domain.account_events import AccountEventRecord, single_event
from kokex.domain.account_reports import StopState
from kokex.domain.errors import StoreUnavailableError
from kokex.domain.events import EventSource, OrderEvent, classify
from kokex.domain.instrument import Side
from kokex.domain.order import Fill, OrderStatus
from kokex.domain.results import Worth
from kokex.services.ledger import Ledgers
from kokex.services.performance import PerformanceService
from tests.builders import ETH, START, fill, order, plan, stop_report, update
from tests.fakes.clock import ManualClock, settle
from tests.fakes.exchange import account

HOUR = timedelta(hours=1)


class Prices:
    """One last price, of the market's own time."""

    def __init__(self) -> None:
        self.last: Decimal | None = Decimal(2000)
        self.at = START

    def fresh_ticker(self, account: ExchangeAccount, inst_id: str) -> Ticker | None:
        return None if self.last is None else Ticker(inst_id, self.last, None, None, self.at)


class Kept:
    """`RiskStore` and the account journal's events, in memory."""

    def __init__(self) -> None:
        self.worths: dict[int, Worth] = {}
        self.stops: list[AccountEventRecord] = []
        self.trailing: list[datetime] = []
        self.down = False

    async def worth(self, plan_id: int) -> Worth | None:
        return self.worths.get(plan_id)

    async def save_worths(self, worths: Mapping[int, Worth]) -> None:
        if self.down:
            raise StoreUnavailableError("the database went away")
        self.worths.update(worths)

    async def hits(self, plan_id: int, *, limit: int) -> list[datetime]:
        return self.trailing[-limit:]

    async def events_after(
        self, account_id: int, after: int, *, plan_id: int, kinds: Collection[Any], limit: int
    ) -> list[AccountEventRecord]:
        return [event for event in self.stops if event.id > after][:limit]


class Bench:
    """A plan of ETH-USDT and the service around it."""

    def __init__(self, kept: Kept | None = None, fills: tuple[Fill, ...] = ()) -> None:
        self.kept = kept or Kept()
        self.prices = Prices()
        self.ledgers = Ledgers()
        self.ledger = self.ledgers.open(1, ETH, fills, [])
        self.clock = ManualClock()
        store: Any = SimpleNamespace(risk=self.kept, account_journal=self.kept, trails=self.kept)
        self.service = PerformanceService(store, self.clock, self.ledgers, self.prices)  # type: ignore[arg-type]

    async def opened(self) -> Bench:
        await self.service.open(plan(), account())
        return self

    def trade(self, number: int, side: Side, price: int, quantity: str = "1") -> Fill:
        name = f"KXtestP1D1S{number}"
        made = fill(
            number,
            order_id=str(number),
            side=side,
            price=Decimal(price),
            quantity=Decimal(quantity),
            fee=None,
            client_order_id=name,
        )
        self.ledger.add(order(client_order_id=name, side=side))
        said = update(
            order_id=str(number),
            client_order_id=name,
            side=side,
            status=OrderStatus.FILLED,
            filled_quantity=made.quantity,
            fill=made,
        )
        told = classify(said)
        assert self.ledger.apply(
            OrderEvent(
                number,
                1,
                1,
                told.event_type,
                told.kind,
                told.event_key,
                said,
                EventSource.STREAM,
                False,
                START,
            )
        )
        return made


def _stop(number: int, **changes: Any) -> AccountEventRecord:
    report = stop_report(StopState.TRIGGERED, number, inst_id="ETH-USDT", **changes)
    return AccountEventRecord(number, 1, single_event(report), EventSource.STREAM, START)


async def test_the_worth_moves_with_the_price() -> None:
    """Peak, present, and what the day began with."""
    bench = await Bench().opened()
    bench.service.mark(1)
    bench.trade(1, Side.BUY, 2000)
    for last, hours in ((2100, 1), (2050, 2), (2010, 25)):
        bench.prices.last, bench.prices.at = Decimal(last), START + hours * HOUR
        bench.service.mark(1)
    made = bench.service.of(1)
    assert made is not None
    assert (made.worth.peak, made.worth.day_start, made.pnl) == (100, 50, 10)
    assert made.at == START + 25 * HOUR


async def test_losses_in_a_row() -> None:
    """Two of them, the last told in the exchange's time."""
    bench = await Bench().opened()
    last = None
    for number, price in ((1, 2000), (3, 2010)):
        bench.trade(number, Side.BUY, price)
        last = bench.trade(number + 1, Side.SELL, 1990)
    made = bench.service.of(1)
    assert made is not None and last is not None
    assert (made.losing_streak, made.last_loss_at) == (2, last.occurred_at)


async def test_a_restart_changes_nothing() -> None:
    """Fills and the last mark give the same performance."""
    bench = await Bench().opened()
    fills = (bench.trade(1, Side.BUY, 2000), bench.trade(2, Side.SELL, 1900))
    bench.service.hear_account_events(1, [_stop(1)])
    bench.kept.stops.append(_stop(1))
    bench.service.mark(1)
    before = bench.service.of(1)
    await bench.service.close(1)
    assert bench.service.of(1) is None
    again = await Bench(bench.kept, fills).opened()
    assert again.service.of(1) == before


async def test_a_fill_that_is_told_late_finds_its_place() -> None:
    """A result is what closed what was held then: an older execution that comes late counts as if it had come in time."""
    bench, in_time = Bench(), Bench()
    later = bench.trade(1, Side.BUY, 2000)
    bench.ledger.add(order())
    said = update(status=OrderStatus.FILLED, filled_quantity=Decimal("0.04"), fill=fill(0))
    told = classify(said)
    event = OrderEvent(
        9, 1, 1, told.event_type, told.kind, told.event_key, said, EventSource.RECONCILE, False, START
    )
    assert bench.ledger.apply(event) and bench.ledger.apply(event)
    assert bench.ledger.book.fills == 2
    in_time.ledger.recount([fill(0), later])
    assert bench.ledger.results == in_time.ledger.results


@pytest.mark.parametrize(
    ("name", "counted"), [(None, 1), ("KXtestP1D1S0", 1), ("KXtestP2D1S0", 0), ("mine", 1)]
)
async def test_stops_of_the_plan(name: str | None, counted: int) -> None:
    """In its instrument, and not those that another plan placed."""
    bench = await Bench().opened()
    bench.service.hear_account_events(1, [_stop(1, client_stop_id=name)])
    bench.service.hear_account_events(1, [_stop(1, client_stop_id=name)])
    made = bench.service.of(1)
    assert made is not None
    assert len(made.stops) == counted


async def test_without_a_price_the_worth_is_unknown() -> None:
    """The gate then lets through nothing that adds."""
    bench = await Bench().opened()
    bench.prices.last = None
    assert bench.service.of(1) is None
    bench.prices.last = Decimal(2000)
    assert bench.service.of(1) is not None
    bench.prices.last = None
    made = bench.service.of(1)
    assert made is not None and made.pnl is None


async def test_marks_are_kept_every_few_seconds() -> None:
    """And once the database is back, where it was away."""
    bench = await Bench().opened()
    task = asyncio.create_task(bench.service.run())
    bench.kept.down = True
    await bench.clock.advance(2)
    assert not bench.kept.worths
    bench.kept.down = False
    await bench.clock.advance(2)
    await settle()
    assert bench.kept.worths[1].pnl == 0
    task.cancel()


async def test_trailing_stops_count_like_those_of_the_exchange() -> None:
    """Kept ones with the exchange's in the order of time, and a new one at once."""
    kept = Kept()
    kept.stops = [_stop(2)]
    exchange_stop = kept.stops[0].event.report.occurred_at
    kept.trailing = [exchange_stop - HOUR, exchange_stop + HOUR]
    bench = await Bench(kept).opened()
    bench.service.mark(1)
    bench.service.hear_stop(1, exchange_stop + 2 * HOUR)
    bench.service.hear_stop(9, exchange_stop)
    made = bench.service.of(1)
    assert made is not None
    assert made.stops == tuple(exchange_stop + number * HOUR for number in (-1, 0, 1, 2))
