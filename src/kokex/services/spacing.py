"""Many tasks that all have something to work out at the same moment: one after another, so that what the sockets say comes between."""

from __future__ import annotations

import asyncio


class Spacing:
    """Turns that begin or end together would hold the event loop for as long as all of them take, and every event with it."""

    def __init__(self) -> None:
        self._one = asyncio.Lock()

    async def wait(self) -> None:
        """Return alone: the event loop has looked round since the one before, and will before the next."""
        async with self._one:
            await asyncio.sleep(0)
