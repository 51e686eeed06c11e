"""How long to wait before trying again: longer each time, up to a cap, never the same for two of us."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential back-off with jitter.

    Attributes:
        base: seconds before the first repetition.
        cap: seconds that no wait exceeds.
    """

    base: float
    cap: float

    def delay(self, attempt: int, random: Random) -> float:
        """Seconds to wait after `attempt` failures (1, 2, ...): between half and all of the capped exponential."""
        full = min(self.cap, self.base * 2.0 ** min(attempt - 1, 30))
        return full * (0.5 + 0.5 * random.random())
