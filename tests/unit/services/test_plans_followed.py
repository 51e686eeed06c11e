"""What one plan comes to while the engine does what its user wants harms no other, and is tried again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from kokex.domain.errors import KokexError, StateError
from kokex.domain.plan import Plan, PlanStatus
from kokex.services.plans import RETRY_SECONDS, PlanService
from tests.builders import plan
from tests.fakes.clock import ManualClock, settle


class Activity:
    """Puts plans to rest, once `faults` has none left for them."""

    def __init__(self, *faults: Exception) -> None:
        self.resumed = asyncio.Event()
        self.faults = list(faults)
        self.rested: list[int] = []

    async def rest(self, one: Plan) -> None:
        if one.id == 1 and self.faults:
            raise self.faults.pop(0)
        self.rested.append(one.id)

    async def next_returned(self) -> int:
        await asyncio.Event().wait()
        raise AssertionError


@pytest.mark.parametrize(
    "fault",
    [StateError("plan 1 is not at work here"), KokexError("no"), RuntimeError("a fault of KOKEX")],
    ids=lambda fault: type(fault).__name__,
)
async def test_a_stop_that_fails_ends_no_engine_and_is_tried_again(fault: Exception) -> None:
    """An account may be lost to another engine, and the plan's ledger with it, at any moment of a stop."""
    clock, activity = ManualClock(), Activity(fault)
    known = {number: plan(id=number, status=PlanStatus.STOPPED) for number in (1, 2)}

    async def changes() -> AsyncIterator[int]:
        yield 0
        await asyncio.Event().wait()

    async def get(number: int) -> Plan:
        return known[number]

    async def every() -> list[Plan]:
        return list(known.values())

    async def forget(number: int) -> None:
        return None

    store: Any = SimpleNamespace(plans=SimpleNamespace(get=get, list=every, changes=changes))
    adapter: Any = None
    conversations: Any = SimpleNamespace(forget=forget)
    following: Any = activity
    task = asyncio.ensure_future(PlanService(store, clock, adapter, conversations).run(following))
    await settle()
    assert not task.done() and activity.rested == [2] and activity.resumed.is_set()
    await clock.advance(RETRY_SECONDS)
    assert activity.rested == [2, 1]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
