"""Work that is done as a whole, however often whoever asked for it is cancelled."""

from __future__ import annotations

import asyncio

import pytest

from kokex.services.unbroken import unbroken
from tests.fakes.clock import settle


class Work:
    """Goes on until it may end."""

    def __init__(self) -> None:
        self.may_end = asyncio.Event()
        self.over = False

    async def __call__(self, fault: Exception | None = None) -> str:
        await self.may_end.wait()
        self.over = True
        if fault is not None:
            raise fault
        return "done"


async def test_it_is_over_when_the_cancellation_takes_hold_also_of_the_second() -> None:
    """A turn runs out of time, and its plan is stopped while the work is waited for."""
    work = Work()
    asking = asyncio.ensure_future(unbroken(work()))
    await settle()
    for _ in range(3):
        asking.cancel()
        await settle()
        assert not asking.done()
    work.may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert work.over


async def test_it_gives_back_what_the_work_gives_back_or_raises() -> None:
    """Nobody was cancelled."""
    work = Work()
    work.may_end.set()
    assert await unbroken(work()) == "done"
    with pytest.raises(ValueError, match="no"):
        await unbroken(work(ValueError("no")))


async def test_an_error_behind_a_cancellation_is_nobodys() -> None:
    """The cancellation is raised; the loop has nothing to complain of."""
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    work = Work()
    asking = asyncio.ensure_future(unbroken(work(ValueError("no"))))
    await settle()
    asking.cancel()
    await settle()
    work.may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await asking
    del asking
    await settle()
    assert complaints == []
