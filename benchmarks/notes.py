"""When each frame was received and handled, noted with as little work as possible, and kept in files."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Moments = NDArray[np.float64]
"""Seconds since 1970."""


class Notes:
    """Moments of one run, in the order of arrival."""

    def __init__(self) -> None:
        self.received: list[float] = []
        self.handled: list[float] = []
        self.batches: list[int] = []
        """Events in each commit."""
        self._wanted = 0
        self._enough = asyncio.Event()

    def look(self) -> None:
        """Something was handled."""
        if self._wanted and len(self.handled) >= self._wanted:
            self._enough.set()

    async def until_handled(self, count: int) -> None:
        """Return when `count` frames were handled."""
        self._wanted = count
        self._enough.clear()
        self.look()
        await self._enough.wait()

    def save(self, path: str, **more: list[int]) -> None:
        """Keep what was noted, and begin anew."""
        np.savez(
            Path(path),
            allow_pickle=False,
            received=np.array(self.received),
            handled=np.array(self.handled),
            batches=np.array(self.batches),
            **{name: np.array(numbers) for name, numbers in more.items()},
        )
        self.received.clear()
        self.handled.clear()
        self.batches.clear()
