"""What many tasks do at the same moment leaves room for the rest."""

from __future__ import annotations

import asyncio

from kokex.services.spacing import Spacing


async def test_the_loop_looks_round_between_two() -> None:
    """However many wait, each goes on in a round of its own."""
    spacing, loop = Spacing(), asyncio.get_running_loop()
    rounds, passed = 0, []

    def look_round() -> None:
        nonlocal rounds
        rounds += 1
        if len(passed) < 5:
            loop.call_soon(look_round)

    async def one() -> None:
        await spacing.wait()
        passed.append(rounds)

    loop.call_soon(look_round)
    await asyncio.gather(*(one() for _ in range(5)))

    assert len(set(passed)) == 5
    assert passed == sorted(passed)


async def test_one_who_gives_up_holds_nobody() -> None:
    """Cancelled while he waits, or at his turn: the next goes on."""
    spacing = Spacing()
    waiting = [asyncio.ensure_future(spacing.wait()) for _ in range(4)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    waiting[2].cancel()
    async with asyncio.timeout(60):
        await asyncio.gather(waiting[1], waiting[3])
    assert [one.cancelled() for one in waiting] == [True, False, True, False]
