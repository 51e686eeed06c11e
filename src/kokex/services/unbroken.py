"""Work that is done as a whole or not at all, whatever becomes of whoever asked for it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


async def unbroken(work: Coroutine[Any, Any, Result]) -> Result:
    """What `work` returns or raises. Where the caller is cancelled meanwhile, the cancellation takes hold once `work` is over.

    For short work of which the record and what is held in memory must not part: a plan is stopped, or its turn runs out of
    time, at any moment.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
