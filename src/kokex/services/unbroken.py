"""Work that is done as a whole or not at all, whatever becomes of whoever asked for it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import structlog

log = structlog.get_logger(__name__)

Result = TypeVar("Result")


async def unbroken(work: Coroutine[Any, Any, Result]) -> Result:
    """What `work` returns or raises. Where the caller is cancelled meanwhile, once or again, that takes hold once `work` is over.

    For short work of which the record and what is held in memory must not part: a plan is stopped, or its turn runs out of
    time, at any moment.
    """
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is None:
        return task.result()
    failure = None if task.cancelled() else task.exception()
    if failure is not None:
        log.warning("what was not to be cut short failed", reason=str(failure))
    raise cancelled
