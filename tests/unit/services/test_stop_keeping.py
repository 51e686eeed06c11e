"""Stops at the exchange follow what they protect: smaller with it, never larger, never gone for a moment, gone when it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from kokex.domain.account_reports import StopReport
from kokex.domain.errors import DataError, ExchangeUnavailableError
from kokex.domain.events import EventSource, OrderEvent, classify
from kokex.domain.ids import OrderOrigin, client_order_id, stop_name
from kokex.domain.instrument import Side
from kokex.domain.order import OrderStatus
from kokex.domain.position import PlanBook
from kokex.domain.standing import Standing
from kokex.domain.stops import Stops
from kokex.ports.exchange import Accepted, Outcome, Rejected, Unknown
from kokex.services.ledger import PlanLedger
from kokex.services.stop_keeping import (
    LACKING_SECONDS,
    LONGEST_AGAIN_SECONDS,
    SETTLING_SECONDS,
    StopKeeping,
)
from tests.builders import ETH, ETH_SWAP, START, fill, order, stop_report, update
from tests.fakes.clock import ManualClock

LOOK = 0.5


def name_of(step: int, plan_id: int = 1) -> str:
    return client_order_id(OrderOrigin("test", plan_id, 1, step))


def stop(number: int, quantity: str, **changes: Any) -> StopReport:
    """A stop of plan 1's order of that step."""
    made = stop_report(
        stop_id=str(700 + number),
        client_stop_id=stop_name(name_of(number)),
        inst_id="ETH-USDT",
        quantity=Decimal(quantity),
    )
    return replace(made, **changes)


class Bench:
    """One plan that holds some ETH, and the exchange's stops; `answers` are what the next changes come to."""

    def __init__(self, held: str, *stops: StopReport, instrument: Any = ETH) -> None:
        self.clock = ManualClock()
        self.ledger = PlanLedger(PlanBook(instrument))
        self.hold(held)
        self.stops = {one.stop_id: one for one in stops}
        self.answers: list[str] = []
        self.late: list[Callable[[], None]] = []
        self.sent: list[tuple[str, Decimal | None]] = []
        self.asked = 0
        self.exposed: list[Decimal] = []
        self.session: Any = SimpleNamespace(
            owned=True, reconciled=True, stopped=None, standing=Standing.TRADING, exchange=self,
            account=SimpleNamespace(connection_key="key"),
        )  # fmt: skip
        events: Any = SimpleNamespace(connections={"key": SimpleNamespace(plans={1})})
        ledgers: Any = SimpleNamespace(get=lambda plan_id: self.ledger)
        sessions: Any = SimpleNamespace(all=lambda: [self.session])
        self.keeping = StopKeeping(self.clock, sessions, ledgers, events, "test")

    def hold(self, quantity: str) -> None:
        """The holding is that from now on."""
        empty = PlanBook(self.ledger.book.instrument)
        bought = fill(quantity=Decimal(quantity), fee=Decimal(0), inst_id=empty.instrument.inst_id)
        self.ledger.book = empty.apply(bought) if Decimal(quantity) else empty

    async def open_stops(self, inst_id: str) -> list[StopReport]:
        self.asked += 1
        return list(self.stops.values())

    async def amend_stop(self, inst_id: str, stop_id: str, quantity: Decimal) -> Outcome:
        def take() -> None:
            if stop_id in self.stops:
                self.stops[stop_id] = replace(self.stops[stop_id], quantity=quantity)

        return self._answer(stop_id, quantity, take)

    async def cancel_stop(self, inst_id: str, stop_id: str) -> Outcome:
        return self._answer(stop_id, None, lambda: self.stops.pop(stop_id, None))

    def _answer(self, stop_id: str, quantity: Decimal | None, take: Callable[[], Any]) -> Outcome:
        self.sent.append((stop_id, quantity))
        fate = self.answers.pop(0) if self.answers else "taken"
        if fate == "refused":
            return Rejected("51506", "not this one")
        if fate == "away":
            raise ExchangeUnavailableError("away")
        if fate == "unreadable":
            raise DataError("not what it should be")
        if fate in {"taken", "taken, answer lost"}:
            take()
        if fate == "late":
            self.late.append(take)
        return (
            Accepted(stop_id) if fate == "taken" else Unknown(fate, self.clock.now() + timedelta(seconds=20))
        )

    async def looks(self, seconds: float) -> None:
        """As the engine does, for so long."""
        for _ in range(int(seconds / LOOK)):
            await self.keeping.look()
            await self.clock.advance(LOOK)

    @property
    def sizes(self) -> list[Decimal | None]:
        return [one.quantity for one in self.stops.values()]


async def test_a_stop_shrinks_with_its_holding_and_is_left_alone_then() -> None:
    """By one change, seen to be made; after a while nobody asks any more, until the holding changes again."""
    bench = Bench("0.5", stop(1, "0.5"))
    await bench.looks(10)
    assert bench.sent == []
    quiet = bench.asked
    await bench.looks(60)
    assert bench.asked == quiet
    bench.hold("0.3")
    await bench.looks(60)
    assert bench.sent == [("701", Decimal("0.3"))]
    assert bench.sizes == [Decimal("0.3")]
    bench.hold("0.4")
    await bench.looks(60)
    assert len(bench.sent) == 1


async def test_what_is_too_little_for_an_order_has_no_stop() -> None:
    """Older ones go first."""
    bench = Bench("0.5", stop(1, "0.5"), stop(2, "0.5"))
    await bench.looks(2)
    assert bench.sent == [("701", None)]
    assert list(bench.stops) == ["702"]


async def test_stops_of_others_and_of_swaps_are_left_alone() -> None:
    """Of another plan or installation, by hand, a buy; and a swap's can only reduce."""
    others = (
        stop(1, "5", client_stop_id=stop_name(name_of(1, plan_id=2))),
        stop(2, "5", client_stop_id=None),
        stop(3, "5", client_stop_id="KXelseP1D1S1T"),
        stop(4, "5", side=Side.BUY),
    )
    bench = Bench("0.5", *others)
    await bench.looks(10)
    assert bench.sent == [] and bench.asked
    swap = Bench("5", stop(1, "9", inst_id="ETH-USDT-SWAP"), instrument=ETH_SWAP)
    await swap.looks(10)
    assert swap.sent == [] and not swap.asked


async def test_a_stop_whose_order_may_have_fills_that_are_not_counted_keeps_its_size() -> None:
    """Its order is pending still; once it is over, also where nothing else changed, the stop is looked at."""
    bench = Bench("0.2", stop(1, "0.5"))
    bought = order(client_order_id=name_of(1), stops=Stops(Decimal(1900)), status=OrderStatus.ACCEPTED)
    bench.ledger.pending[name_of(1)] = bought
    await bench.looks(30)
    assert bench.sent == []
    bench.ledger.close(name_of(1))
    await bench.looks(2)
    assert bench.sent == [("701", Decimal("0.2"))]


async def test_one_that_the_exchange_makes_late_is_looked_at() -> None:
    """It is not there yet when its order has filled."""
    bench = Bench("0.4995")
    await bench.looks(SETTLING_SECONDS - 1)
    bench.stops["701"] = stop(1, "0.5")
    await bench.looks(30)
    assert bench.sizes == [Decimal("0.4995")]


async def test_where_the_account_disagrees_no_stop_shrinks() -> None:
    """What the record says is held may be too little then."""
    bench = Bench("0.2", stop(1, "0.5"))
    bench.session.standing = Standing.REDUCE_ONLY
    await bench.looks(10)
    assert bench.sent == []
    bench.session.standing = Standing.TRADING
    await bench.looks(2)
    assert bench.sizes == [Decimal("0.2")]


@pytest.mark.parametrize("fate", ["taken, answer lost", "lost", "late", "away"])
async def test_an_unknown_outcome_is_looked_after(fate: str) -> None:
    """The exchange shows the size; asked again where it is as it was, for the size itself, so that twice is once."""
    bench = Bench("0.2", stop(1, "0.5"))
    bench.answers = [fate]
    await bench.looks(15)
    assert bench.sizes == [Decimal("0.2")]
    assert {quantity for _, quantity in bench.sent} == {Decimal("0.2")}
    assert len(bench.sent) == (1 if fate == "taken, answer lost" else 2)


async def test_a_change_that_takes_effect_late_is_noticed() -> None:
    """An earlier, larger size overtakes the later one: the stop is looked at until nothing can come any more."""
    bench = Bench("0.4", stop(1, "0.5"))
    bench.answers = ["late"]
    await bench.looks(0.5)
    bench.hold("0.1")
    await bench.looks(5)
    assert bench.sizes == [Decimal("0.1")]
    for take in bench.late:
        take()
    assert bench.sizes == [Decimal("0.4")]
    await bench.looks(30)
    assert bench.sizes == [Decimal("0.1")]


async def test_a_refusal_is_tried_again_more_and_more_rarely() -> None:
    """The stop stays as it is."""
    bench = Bench("0.2", stop(1, "0.5"))
    bench.answers = ["refused"] * 1000
    await bench.looks(600)
    assert 600 / LONGEST_AGAIN_SECONDS <= len(bench.sent) < 20
    bench.answers = []
    await bench.looks(LONGEST_AGAIN_SECONDS + 1)
    assert bench.sizes == [Decimal("0.2")]


async def test_no_moment_is_without_protection() -> None:
    """Whatever the changes come to, what is held has its stop after each of them."""
    bench = Bench("1.0", stop(1, "0.5"), stop(2, "0.5"))
    amend: Callable[..., Awaitable[Outcome]] = bench.amend_stop

    async def seen(*asked: Any) -> Outcome:
        outcome = await amend(*asked)
        bench.exposed.append(bench.ledger.book.quantity - sum(one or 0 for one in bench.sizes))
        return outcome

    bench.amend_stop = seen  # type: ignore[method-assign]
    bench.answers = ["late", "lost", "refused", "taken, answer lost"]
    for held in ("0.9", "0.6", "0.55"):
        bench.hold(held)
        await bench.looks(5)
    await bench.looks(60)
    assert bench.exposed and max(bench.exposed) <= 0
    assert bench.sizes == [Decimal("0.05"), Decimal("0.5")]


async def test_the_stops_of_an_ended_holding_are_canceled() -> None:
    """As before; and then nobody asks any more."""
    bench = Bench("0.5", stop(1, "0.5"))
    await bench.looks(1)
    bench.hold("0")
    await bench.looks(3)
    assert bench.stops == {}
    asked = bench.asked
    await bench.looks(10)
    assert bench.asked == asked


async def test_an_answer_that_cannot_be_read_is_asked_for_again() -> None:
    """It ends nothing."""
    bench = Bench("0.3", stop(1, "0.5"))
    bench.answers = ["unreadable"]
    await bench.looks(5)
    assert bench.sizes == [Decimal("0.3")]


def executed(number: int, quantity: str, filled: str, status: OrderStatus) -> OrderEvent:
    """One execution of plan 1's order of step 1, as it was told; `filled`: by the order until then."""
    name = name_of(1)
    made = fill(number, quantity=Decimal(quantity), fee=Decimal(0), client_order_id=name)
    said = update(client_order_id=name, status=status, filled_quantity=Decimal(filled), fill=made)
    told = classify(said)
    return OrderEvent(
        1, 1, 1, told.event_type, told.kind, told.event_key, told.update, EventSource.STREAM, False, START
    )


@pytest.mark.parametrize("instrument", [ETH, ETH_SWAP], ids=["spot", "swap"])
@pytest.mark.parametrize(("late", "last"), [("0.2", "0.3"), ("0.49999", "0.00001")], ids=["part", "most"])
async def test_a_stop_stays_while_an_execution_of_its_order_is_missing(
    late: str, last: str, instrument: Any
) -> None:
    """The push of it was lost or is late: what is held is more than is counted, and the stop would not grow again."""
    bench = Bench("0", stop(1, "0.5"), instrument=instrument)
    bench.ledger.add(order(client_order_id=name_of(1), quantity=Decimal("0.5")))
    bench.ledger.apply(executed(2, last, "0.5", OrderStatus.FILLED))
    await bench.looks(60)
    bench.ledger.apply(executed(1, late, late, OrderStatus.PARTIALLY_FILLED))
    await bench.looks(60)
    assert bench.sent == [] and bench.sizes == [Decimal("0.5")]
    if instrument is ETH:
        bench.hold("0.3")
        await bench.looks(60)
        assert bench.sizes == [Decimal("0.3")]


async def test_a_missing_execution_is_not_waited_for_for_ever() -> None:
    """By then every look at the account would have found it."""
    bench = Bench("0", stop(1, "0.5"))
    bench.ledger.add(order(client_order_id=name_of(1), quantity=Decimal("0.5")))
    bench.ledger.apply(executed(2, "0.3", "0.5", OrderStatus.FILLED))
    await bench.looks(LACKING_SECONDS + 1)
    assert bench.sizes == [Decimal("0.3")]
