"""Trailing stops when something goes wrong: the stop of one plan does not cost those of others."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from kokex.services.trailing import LOOK_SECONDS, TrailingStops
from tests.builders import plan
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
