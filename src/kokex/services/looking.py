"""Following what people decide outside of the engine: rows that are read whenever they change, and every so often besides."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import structlog

from kokex.domain.errors import KokexError
from kokex.ports.clock import Clock

log = structlog.get_logger(__name__)

RETRY_SECONDS: Final = 0.5
"""How soon changes are listened to again."""


async def keep_looking(
    clock: Clock,
    look: Callable[[], Awaitable[None]],
    changes: Callable[[], AsyncIterator[None]],
    *,
    every: float,
    what: str,
    survived: type[KokexError] = KokexError,
) -> None:
    """Call `look` whenever `changes` yields, and every so often although nobody told of a change, until cancelled.

    Args:
        every: seconds.
        what: is looked at, for the log.
        survived: errors after which it is looked again.
    """

    async def listen() -> None:
        while True:
            try:
                async for _ in changes():
                    await look()
            except survived as error:
                log.warning(f"{what} wait for the database", reason=str(error))
            await clock.sleep(RETRY_SECONDS)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(listen())
        while True:
            try:
                await look()
            except survived as error:
                log.warning(f"{what} not read", reason=str(error))
            await clock.sleep(every)
