"""Trailing stops when something goes wrong: the stop of one plan does not cost those of others."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from kokex.domain.capital import CapitalSettings, Trail
from kokex.domain.errors import StoreUnavailableError
from kokex.domain.notice import Notice
from kokex.domain.plan import AgentSettings, Plan, TriggerKind
from kokex.ports.trails import TrailRecord
from kokex.services.trailing import LOOK_SECONDS, TrailingStops
from tests.builders import START, plan
from tests.fakes.clock import ManualClock, settle


async def test_a_fault_of_one_plan_leaves_the_others_their_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is looked at again, too: a stop is never given up for a fault."""
    clock, nothing = ManualClock(), SimpleNamespace()
    service = TrailingStops(*([nothing, clock] + [nothing] * 4))  # type: ignore[arg-type]
    one, two = plan(), plan(id=2)
    work: Any = SimpleNamespace(at_work=lambda: [(one, nothing), (two, nothing)])
    looked: list[int] = []

    async def look(of: Any, *told: Any) -> None:
        looked.append(of.id)
        if of.id == 1:
            raise ZeroDivisionError("a fault")

    monkeypatch.setattr(service, "_look", look)
    task = asyncio.create_task(service.run(work))
    await settle()
    await clock.advance(LOOK_SECONDS)
    await settle()
    assert not task.done()
    assert looked == [1, 2, 1, 2]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


class Notices:
    """Keeps what is noted; `answers` says of each attempt whether the database is there, and whether it says so."""

    def __init__(self, *answers: str) -> None:
        self.answers, self.kept, self.asked = list(answers), list[Notice](), 0

    async def note(self, plan_id: int, key: str, facts: Mapping[str, Any], at: datetime) -> Notice | None:
        self.asked += 1
        fate = self.answers.pop(0) if self.answers else "kept"
        if fate == "away":
            raise StoreUnavailableError("away")
        if any(one.key == key for one in self.kept):
            return None
        self.kept.append(Notice(len(self.kept) + 1, plan_id, TriggerKind.RISK_EVENT, key, at, facts))
        if fate == "lost":
            raise StoreUnavailableError("the answer was lost")
        return self.kept[-1]

    async def waiting(self, plan_id: int) -> list[Notice]:
        return list(self.kept)


async def _looks(
    monkeypatch: pytest.MonkeyPatch, notices: Notices, agent: AgentSettings
) -> tuple[list[str], int]:
    """What the agent is told by four looks at a holding whose stop was hit, and how often its ending was begun."""
    clock, nothing = ManualClock(), SimpleNamespace()
    entry = SimpleNamespace(at=START, sign=1, price=Decimal(2000))
    ledgers = SimpleNamespace(get=lambda plan_id: SimpleNamespace(results=SimpleNamespace(entry=entry)))
    market = SimpleNamespace(fresh_ticker=lambda *asked: None)
    store = SimpleNamespace(notices=notices)
    service = TrailingStops(store, clock, ledgers, market, nothing, nothing)  # type: ignore[arg-type]
    record = TrailRecord(7, 1, Trail(START, 1, Decimal(2100), START))
    followed = replace(plan(agent=agent), capital=CapitalSettings(trailing_stop=Decimal("0.05")))
    told: list[str] = []
    begun: list[int] = []

    async def known(*asked: Any) -> TrailRecord:
        return record

    async def end(ended: TrailRecord, *around: Any) -> None:
        begun.append(ended.number)

    def hear(plan_id: int, notices: list[Notice]) -> None:
        told.extend(one.key for one in notices)

    def at_work() -> list[tuple[Plan, Any]]:
        return [(followed, SimpleNamespace(account=None))]

    monkeypatch.setattr(service, "_followed", known)
    monkeypatch.setattr(service, "_end", end)
    plans: Any = SimpleNamespace(at_work=at_work, on_notices=hear)
    task = asyncio.create_task(service.run(plans))
    for _ in range(4):
        await settle()
        await clock.advance(LOOK_SECONDS)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return told, len(begun)


@pytest.mark.parametrize("answers", [(), ("away",), ("lost",), ("away", "lost", "away")])
async def test_a_hit_is_told_once_whatever_the_database_does(
    monkeypatch: pytest.MonkeyPatch, answers: tuple[str, ...]
) -> None:
    """And its ending begins with the first look: telling keeps nobody from acting."""
    notices = Notices(*answers)
    told, begun = await _looks(
        monkeypatch, notices, AgentSettings(triggers=frozenset({TriggerKind.RISK_EVENT}))
    )
    assert told == ["trailing_stop:7"]
    assert notices.kept[0].facts["risk_event"] == "trailing_stop_hit"
    assert begun >= 3


async def test_a_plan_that_does_not_want_risk_events_is_told_of_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is kept that would be told as news when it wants them."""
    notices = Notices()
    told, begun = await _looks(monkeypatch, notices, AgentSettings())
    assert (told, notices.asked) == ([], 0)
    assert begun >= 3
