"""Leaves a provider that is down alone for a while."""

from __future__ import annotations

from kokex.ports.clock import Clock

SHORTEST = 30.0
LONGEST = 600.0
"""Seconds that a provider is left alone: after its first failure, and at most."""


class Breaker:
    """Says whether a provider may be asked.

    After a failure it is left alone for 30 s, then one request at a time may try it; each further failure doubles the wait, to at
    most ten minutes; an answer ends it.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._closed_until: float | None = None
        self._wait = SHORTEST
        self._trying = False
        self.reason = ""

    @property
    def seconds_left(self) -> float:
        """Until it may be tried again."""
        return max(0.0, (self._closed_until or 0.0) - self._clock.monotonic()) if self._closed_until else 0.0

    def admit(self) -> bool:
        """Whether a request may be made now. What became of it must be told: `succeeded`, `failed` or `released`."""
        if self._closed_until is None:
            return True
        if self._trying or self._clock.monotonic() < self._closed_until:
            return False
        self._trying = True
        return True

    def succeeded(self) -> None:
        """It answered."""
        self._closed_until, self._wait, self._trying, self.reason = None, SHORTEST, False, ""

    def failed(self, reason: str, at_least: float = 0.0) -> None:
        """It failed; leave it alone, for `at_least` seconds if it asked for that itself (but never more than an hour)."""
        wait = max(self._wait, min(at_least, 6 * LONGEST))
        self._closed_until = self._clock.monotonic() + wait
        self._wait = min(2 * self._wait, LONGEST)
        self._trying, self.reason = False, reason

    def released(self) -> None:
        """The request ended without telling anything of the provider."""
        self._trying = False
