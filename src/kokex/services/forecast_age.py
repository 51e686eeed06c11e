"""How old the plans' newest forecasts are: on old ones nothing is added."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from kokex.domain.plan import Plan
from kokex.ports.clock import Clock

LATE_SECONDS: Final = 60.0
"""Of ours, that the next forecast is waited for. (Of ours too, because a paper market may run thousands of times faster.)"""
INTERVALS: Final = 2
"""Of the market's time, that a forecast is good for after its origin."""


@dataclass(frozen=True, slots=True)
class _Seen:
    origin_time: datetime
    at: float


class ForecastAges:
    """Knows when each plan's newest forecast was made and seen."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._newest: dict[int, _Seen] = {}

    def knows(self, plan_id: int) -> bool:
        """Whether a forecast of the plan was seen."""
        return plan_id in self._newest

    def seen(self, plan_id: int, origin_time: datetime) -> None:
        """A forecast of the plan is there, just made or found kept."""
        known = self._newest.get(plan_id)
        if known is None or known.origin_time < origin_time:
            self._newest[plan_id] = _Seen(origin_time, self._clock.monotonic())

    def staleness(self, plan: Plan, market_time: datetime | None) -> str | None:
        """Why the plan's forecast is too old to add risk on; None while it is not, and where the plan never had one.

        Too old: the market (its own time) is more than two intervals beyond the origin, and nothing newer came within 60 s of ours.
        """
        known = self._newest.get(plan.id)
        if known is None or market_time is None:
            return None
        if market_time - known.origin_time <= INTERVALS * plan.interval.duration:
            return None
        if self._clock.monotonic() - known.at <= LATE_SECONDS:
            return None
        return (
            f"the newest forecast of plan {plan.name} is of {known.origin_time:%Y-%m-%d %H:%M:%S} UTC, more than {INTERVALS} "
            "intervals ago; wait until a new one is made"
        )
