"""Price alerts of the plans at work: held against every price that the streams tell, each fires once.

    stream ─► on_price ─► crossed ─► one transaction (it waits no longer, a notice is kept) ─► the plan's agent

An alert survives restarts. One whose price was passed while nobody watched fires at the first price that is heard again, and says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Protocol

import structlog

from kokex.domain.errors import KokexError, StoreUnavailableError
from kokex.domain.notice import AlertDirection, Notice, PriceAlert
from kokex.domain.trigger_facts import time_text
from kokex.ports.clock import Clock
from kokex.ports.store import Store

log = structlog.get_logger(__name__)

READ_SECONDS: Final = 15.0
"""How often the alerts are read anew: a person may have removed one."""
RETRY_SECONDS: Final = 0.5

Place = tuple[str, str]
"""A market and an instrument."""


class NoticeSink(Protocol):
    """Who is told of notices that were kept."""

    def on_notices(self, plan_id: int, notices: Sequence[Notice]) -> None:
        """Take note, without waiting."""
        ...


@dataclass(slots=True)
class _Watched:
    """A plan's alerts by number. `away`: those that nobody watched until the first price is heard."""

    place: Place
    alerts: dict[int, PriceAlert] = field(default_factory=dict)
    away: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Crossed:
    alert: PriceAlert
    price: Decimal
    at: datetime
    away: bool


class AlertService:
    """Keeps and fires the alerts of the plans at work. One per process."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._plans: dict[int, _Watched] = {}
        self._crossed: list[_Crossed] = []
        self._arrived = asyncio.Event()

    async def run(self, sink: NoticeSink) -> None:
        """Fire what is crossed until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read_anew())
            while True:
                await self._arrived.wait()
                self._arrived.clear()
                while self._crossed:
                    try:
                        await self._fire(self._crossed[0], sink)
                    except Exception as error:  # it waits on record still, and is read again
                        log.error("price alert not kept", alert=self._crossed[0].alert.id, exc_info=error)
                    del self._crossed[0]

    async def open(self, plan_id: int, place: Place) -> None:
        """A plan is at work: take up its alerts. Raises `StoreUnavailableError`."""
        kept = await self._store.alerts.active([plan_id])
        alerts = {alert.id: alert for alert in kept}
        self._plans[plan_id] = _Watched(place, alerts, set(alerts))

    def close(self, plan_id: int) -> None:
        """A plan is at work no longer."""
        self._plans.pop(plan_id, None)

    async def set(
        self, plan_id: int, turn_id: int, price: Decimal, direction: AlertDirection, note: str
    ) -> PriceAlert:
        """Keep an alert of a plan and watch for it.

        Raises:
            StateError: too many wait already.
        """
        alert = await self._store.alerts.set(plan_id, turn_id, price, direction, note, self._clock.now())
        watched = self._plans.get(plan_id)
        if watched is not None and alert.fired_at is None and alert.removed_at is None:
            watched.alerts[alert.id] = alert
        return alert

    def on_price(self, market: str, inst_id: str, price: Decimal) -> None:
        """A price was told."""
        for watched in self._plans.values():
            if watched.alerts and watched.place == (market, inst_id):
                self._hold_against(watched, price)

    def _hold_against(self, watched: _Watched, price: Decimal) -> None:
        reached = [one for one in watched.alerts.values() if one.direction.reached(price, one.price)]
        for alert in reached:
            del watched.alerts[alert.id]
            self._crossed.append(_Crossed(alert, price, self._clock.now(), alert.id in watched.away))
            self._arrived.set()
        watched.away.clear()

    async def _fire(self, crossed: _Crossed, sink: NoticeSink) -> None:
        """Until it is kept that the alert fired, or that it waited no more."""
        alert, unsure = crossed.alert, False
        while True:
            try:
                notice = await self._store.alerts.fire(alert.id, crossed.price, crossed.at, _facts(crossed))
                told = [] if notice is None else [notice]
                if notice is None and unsure:
                    # The answer to an earlier asking may be all that was lost.
                    told = await self._store.notices.waiting(alert.plan_id)
            except StoreUnavailableError as error:
                unsure = True
                log.warning("alert waits for the database", alert=alert.id, reason=str(error))
                await self._clock.sleep(RETRY_SECONDS)
                continue
            break
        if told:
            log.info("price alert", plan=alert.plan_id, alert=alert.id, price=f"{crossed.price:f}")
            sink.on_notices(alert.plan_id, told)

    async def _read_anew(self) -> None:
        while True:
            await self._clock.sleep(READ_SECONDS)
            if not self._plans:
                continue
            before = {number for watched in self._plans.values() for number in watched.alerts}
            try:
                kept = await self._store.alerts.active(list(self._plans))
            except KokexError as error:
                log.warning("alerts not read", reason=str(error))
                continue
            firing = {one.alert.id for one in self._crossed}
            for plan_id, watched in self._plans.items():
                new = {number: one for number, one in watched.alerts.items() if number not in before}
                read = {one.id: one for one in kept if one.plan_id == plan_id and one.id not in firing}
                watched.alerts = new | read


def _facts(crossed: _Crossed) -> dict[str, Any]:
    alert = crossed.alert
    facts: dict[str, Any] = {
        "alert": alert.id,
        "price": f"{alert.price:f}",
        "direction": alert.direction.value,
        "last_price": f"{crossed.price:f}",
        "set_at": time_text(alert.made_at),
        "your_note": alert.note,
    }
    if crossed.away:
        facts["crossed"] = "already beyond when prices were heard again; when it was crossed is not known"
    return facts
