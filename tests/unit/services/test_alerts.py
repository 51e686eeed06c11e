"""Price alerts: each fires once, whatever happens to the database meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from kokex.domain.errors import StoreError, StoreUnavailableError
from kokex.domain.notice import AlertDirection, Notice, PriceAlert
from kokex.domain.plan import TriggerKind
from kokex.services.alerts import READ_SECONDS, RETRY_SECONDS, AlertService
from tests.builders import START
from tests.fakes.clock import ManualClock, settle
from tests.fakes.running import at_work

PLACE = ("okx:live", "ETH-USDT")
ABOVE, BELOW = AlertDirection.ABOVE, AlertDirection.BELOW


class MemoryAlerts:
    """`AlertStore` as far as firing needs it; `failures` counts askings that still fail."""

    def __init__(self, *kept: PriceAlert) -> None:
        self.kept = {one.id: one for one in kept}
        self.failures = 0
        self.lost_answers = 0
        self.fired: list[Notice] = []
        self.reading = asyncio.Event()
        self.reading.set()

    async def active(self, plan_ids: Collection[int]) -> list[PriceAlert]:
        found = [one for one in self.kept.values() if one.plan_id in plan_ids and one.fired_at is None]
        await self.reading.wait()
        return found

    async def set(
        self, plan_id: int, turn_id: int, price: Decimal, direction: AlertDirection, note: str, at: datetime
    ) -> PriceAlert:
        made = PriceAlert(len(self.kept) + 1, plan_id, price, direction, note, at)
        self.kept[made.id] = made
        return made

    async def fire(
        self, alert_id: int, price: Decimal, at: datetime, facts: Mapping[str, Any]
    ) -> Notice | None:
        if self.failures:
            self.failures -= 1
            raise StoreUnavailableError("away")
        alert = self.kept.get(alert_id)
        if alert is None or alert.fired_at is not None:
            return None
        self.kept[alert_id] = replace(alert, fired_at=at)
        made = Notice(alert_id, alert.plan_id, TriggerKind.PRICE_ALERT, f"alert:{alert_id}", at, facts)
        self.fired.append(made)
        if self.lost_answers:
            self.lost_answers -= 1
            raise StoreUnavailableError("the connection was lost")
        return made

    async def waiting(self, plan_id: int) -> list[Notice]:
        return [one for one in self.fired if one.plan_id == plan_id]


class Bench:
    """The service over `MemoryAlerts`; `told` are the notices that plans heard of."""

    def __init__(self, *kept: PriceAlert) -> None:
        self.alerts = self.notices = MemoryAlerts(*kept)
        self.clock = ManualClock()
        self.service = AlertService(self, self.clock)  # type: ignore[arg-type]
        self.told: list[tuple[int, Notice]] = []

    def on_notices(self, plan_id: int, notices: Sequence[Notice]) -> None:
        self.told.extend((plan_id, one) for one in notices)

    async def price(self, *prices: int, place: tuple[str, str] = PLACE) -> None:
        for price in prices:
            self.service.on_price(*place, Decimal(price))
        await settle()


def alert(
    number: int = 1, price: int = 2000, direction: AlertDirection = ABOVE, plan_id: int = 1
) -> PriceAlert:
    return PriceAlert(number, plan_id, Decimal(price), direction, "look", START)


@asynccontextmanager
async def watching(bench: Bench, *plan_ids: int) -> AsyncIterator[Bench]:
    for plan_id in plan_ids or (1,):
        await bench.service.open(plan_id, PLACE)
    async with at_work(bench.service.run(bench)):
        yield bench


async def test_an_alert_fires_at_its_price_once() -> None:
    """At it or beyond, on its own instrument and side only."""
    async with watching(Bench(alert(1), alert(2, 1900, BELOW))) as bench:
        await bench.price(1950, 1999)
        await bench.price(3000, place=("okx:live", "BTC-USDT"))
        await bench.price(3000, place=("okx:demo", "ETH-USDT"))
        assert bench.told == []
        await bench.price(2000, 2001, 2002)
        await bench.price(1900)
        facts = [one.facts for _, one in bench.told]
        assert [(one["alert"], one["last_price"]) for one in facts] == [(1, "2000"), (2, "1900")]
        assert facts[0]["your_note"] == "look" and all("crossed" not in one for one in facts)


async def test_one_that_was_passed_unseen_says_so() -> None:
    """Only if the very first price is beyond."""
    async with watching(Bench(alert(1), alert(2, 2100))) as bench:
        await bench.price(2050, 2100)
        said = [one.facts.get("crossed") for _, one in bench.told]
        assert said[0].startswith("already beyond") and said[1] is None


async def test_two_plans_on_one_price() -> None:
    async with watching(Bench(alert(1), alert(2, plan_id=2)), 1, 2) as bench:
        await bench.price(1900, 2000)
        assert [plan_id for plan_id, _ in bench.told] == [1, 2]
        bench.service.close(1)
        await bench.service.set(1, 1, Decimal(2500), ABOVE, "")
        await bench.price(2600)
        assert len(bench.told) == 2


async def test_the_database_is_waited_for() -> None:
    """What crossed stays crossed, whatever the price does meanwhile."""
    async with watching(Bench(alert(1))) as bench:
        bench.alerts.failures = 3
        await bench.price(2000, 1000)
        assert bench.told == []
        await bench.clock.advance(3 * RETRY_SECONDS)
        assert [one.facts["last_price"] for _, one in bench.told] == ["2000"]
        assert bench.told[0][1].occurred_at == START


async def test_one_whose_firing_was_kept_and_the_answer_lost_is_told() -> None:
    """It waits no more, so asking again gives nothing: what waits for the plan does."""
    async with watching(Bench(alert(1))) as bench:
        bench.alerts.lost_answers = 1
        await bench.price(2000)
        assert bench.told == []
        await bench.clock.advance(RETRY_SECONDS)
        assert [one.key for _, one in bench.told] == ["alert:1"]


async def test_what_a_person_removed_fires_no_more() -> None:
    async with watching(Bench(alert(1), alert(2))) as bench:
        del bench.alerts.kept[1]
        await bench.clock.advance(READ_SECONDS)
        del bench.alerts.kept[2]
        await bench.price(2000)
        assert bench.told == []


async def test_an_alert_that_is_set_while_they_are_read_stays() -> None:
    """The reading began before it was kept."""
    async with watching(Bench()) as bench:
        bench.alerts.reading.clear()
        await bench.clock.advance(READ_SECONDS)
        await bench.service.set(1, 7, Decimal(2000), ABOVE, "new")
        bench.alerts.reading.set()
        await settle()
        await bench.price(2000)
        assert [one.facts["your_note"] for _, one in bench.told] == ["new"]


async def test_what_the_database_refuses_ends_nothing() -> None:
    """One alert that cannot be kept: the next one fires all the same, and the first waits on record."""
    async with watching(Bench(alert(1), alert(2, 2100))) as bench:
        fire = bench.alerts.fire

        async def refused(alert_id: int, *told: Any) -> Notice | None:
            if alert_id == 1:
                raise StoreError("refused")
            return await fire(alert_id, *told)

        bench.alerts.fire = refused  # type: ignore[method-assign]
        await bench.price(2000, 2100)
        assert [one.facts["alert"] for _, one in bench.told] == [2]
        assert bench.alerts.kept[1].fired_at is None
