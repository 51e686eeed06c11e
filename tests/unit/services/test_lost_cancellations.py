"""A cancellation and an error of one moment: waiting for several things raises the error. Nobody goes on for that."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from types import SimpleNamespace
from typing import Any

import pytest

from kokex.domain.errors import ExchangeUnavailableError
from kokex.services import activity
from kokex.services.activity import PlanActivity
from kokex.services.reconciling.service import TROUBLED_SECONDS, ReconcilingService
from kokex.services.reconciling.stops import RETRY_SECONDS, Stops
from kokex.services.reconciling.together import heed_cancellation, together
from tests.fakes.clock import ManualClock, settle


async def deaf(*_: Any) -> Any:
    """Fails as it is cancelled, as a request on a connection that is closed in that moment."""
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        raise ExchangeUnavailableError("the connection was closed") from None


async def ends_when_cancelled(work: Coroutine[Any, Any, Any], clock: ManualClock, seconds: float) -> bool:
    task = asyncio.ensure_future(work)
    await clock.advance(seconds)
    task.cancel()
    await clock.advance(seconds)
    ended = task.cancelled()
    while not task.done():
        task.cancel()
        await clock.advance(seconds)
    return ended


async def test_questions_asked_together() -> None:
    """Neither is their asker told of the error instead."""
    closed = asyncio.Event()

    async def fails() -> None:
        await closed.wait()
        raise ExchangeUnavailableError("the connection was closed")

    async def ask() -> None:
        await together([fails(), deaf()])

    asker = asyncio.ensure_future(ask())
    await settle()
    closed.set()
    asker.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asker


async def test_whose_question_failed_is_not_cancelled() -> None:
    """One error after another: their asker hears each, and goes on."""

    async def fails_late() -> None:
        await settle()
        raise ExchangeUnavailableError("busy")

    for _ in range(3):
        with pytest.raises(ExchangeUnavailableError, match="busy"):
            await together([fails_late(), asyncio.sleep(0)])
        heed_cancellation()
    assert await together([asyncio.sleep(0, one) for one in (1, 2)]) == [1, 2]
    assert await together([]) == []


async def test_whoever_looks_at_an_account_for_ever() -> None:
    """Its stream is lost as a look fails: no second one looks on beside the next."""
    clock = ManualClock()
    standings = SimpleNamespace(out_of_reach=lambda *_: None)
    service: Any = SimpleNamespace(_clock=clock, reconcile=deaf, standings=standings)
    session: Any = SimpleNamespace(trouble="some", account=SimpleNamespace(name="main"))
    looking = ReconcilingService._look_for_ever(service, session)
    assert await ends_when_cancelled(looking, clock, TROUBLED_SECONDS)


async def test_whoever_follows_the_stops_of_an_account() -> None:
    """Else the account would never be looked at again."""
    clock = ManualClock()
    book = SimpleNamespace(complete=True)
    events: Any = SimpleNamespace(book=lambda _: book, reconcile=deaf)
    account = SimpleNamespace(id=1, name="main", connection_key="key")
    session: Any = SimpleNamespace(account=account, exchange=SimpleNamespace(open_stops=deaf))
    stops = Stops(clock, events)
    stops.told("key")
    assert await ends_when_cancelled(stops.follow(session), clock, RETRY_SECONDS)


async def test_the_agent_of_a_plan_that_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is cancelled until it has ended: only then are the plan's orders canceled."""
    monkeypatch.setattr(activity, "AGAIN_SECONDS", 0.01)
    heard = 0

    async def hard_of_hearing() -> None:
        nonlocal heard
        while heard < 3:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                heard += 1

    work: Any = SimpleNamespace(
        runner=SimpleNamespace(awake=True), tasks=[asyncio.ensure_future(hard_of_hearing())]
    )
    await settle()
    nothing: Any = None
    await asyncio.wait_for(PlanActivity._end_agent(nothing, work), 10)
    assert heard == 3 and work.tasks == [] and not work.runner.awake
