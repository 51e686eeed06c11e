"""Market time: wall time times a speed, stoppable, and never ahead of what has been computed."""

from __future__ import annotations

from collections.abc import Callable


class MarketClock:
    """Maps wall seconds to market milliseconds from an anchor that moves with every change of pace."""

    def __init__(self, start_ms: int, *, speed: float, paused: bool, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._anchor_ms = start_ms
        self._anchor_wall = wall()
        self.speed = speed
        self.paused = paused

    def target_ms(self) -> int:
        """Market time that should have been reached by now."""
        if self.paused:
            return self._anchor_ms
        return self._anchor_ms + int((self._wall() - self._anchor_wall) * 1000 * self.speed)

    def hold_at(self, market_ms: int) -> None:
        """Go on from `market_ms`: the market fell behind, was stepped, or changes pace."""
        self._anchor_ms = market_ms
        self._anchor_wall = self._wall()

    def wait_s(self, next_ms: int) -> float:
        """Wall seconds until market time reaches `next_ms`."""
        return max(0.0, (next_ms - self.target_ms()) / 1000 / self.speed)
