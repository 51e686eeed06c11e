"""Keeps our own requests under the exchange's rate limits, so that it need not refuse them."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field

from kokex.ports.clock import Clock

_HEADROOM = 0.9


@dataclass(frozen=True, slots=True)
class Budget:
    """At most `calls` in any `seconds`."""

    calls: int
    seconds: float

    @property
    def window(self) -> float:
        """Seconds in which we make so many calls at most: a little longer, for calls do not all take as long on their way."""
        return self.seconds / _HEADROOM


@dataclass(slots=True)
class _Window:
    slots: deque[float]
    not_before: float = field(default=float("-inf"))


class RateLimiter:
    """Hands out moments to call, first come, first served, one window for each key."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._windows: dict[Hashable, _Window] = {}

    async def acquire(self, key: Hashable, budget: Budget) -> None:
        """Return when a call of `key` fits into its budget; the call then counts."""
        wait = self.wait_for(key, budget)
        self._windows[key].slots.append(self._clock.monotonic() + wait)
        if wait > 0:
            await self._clock.sleep(wait)

    def wait_for(self, key: Hashable, budget: Budget) -> float:
        """Seconds that a call of `key` would have to wait for its budget; zero where it fits in now."""
        window = self._windows.get(key)
        if window is None:
            window = self._windows[key] = _Window(deque(maxlen=budget.calls))
        now = self._clock.monotonic()
        slot = max(now, window.not_before)
        if len(window.slots) == window.slots.maxlen:
            slot = max(slot, window.slots[0] + budget.window)
        return slot - now

    def hold(self, key: Hashable, seconds: float) -> None:
        """Let nothing of `key` through for `seconds`: the exchange has said that it is too much."""
        window = self._windows.get(key)
        if window is not None:
            window.not_before = max(window.not_before, self._clock.monotonic() + seconds)
