"""How long to wait before asking again for what was refused for now."""

from __future__ import annotations

from random import Random

from kokex.adapters.okx.backoff import Backoff
from kokex.ports.clock import Clock

_CALM_SECONDS = 60.0


class Patience:
    """Grows while the refusals go on, over all connections of a path; begins anew after a calm minute."""

    def __init__(self, clock: Clock, backoff: Backoff, random: Random) -> None:
        self._clock = clock
        self._backoff = backoff
        self._random = random
        self._times = 0
        self._last = float("-inf")

    def refused(self) -> float:
        """It was refused once more: seconds to wait."""
        now = self._clock.monotonic()
        self._times = self._times + 1 if now - self._last < _CALM_SECONDS else 1
        self._last = now
        return self._backoff.delay(self._times, self._random)
