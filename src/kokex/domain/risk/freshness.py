"""Are the plan's candles and its forecast fresh enough to decide on?"""

from __future__ import annotations

from kokex.domain.risk.codes import DenialCode, Finding
from kokex.domain.risk.question import Question


def freshness(asked: Question) -> Finding | None:
    """On stale ones nothing goes out that could add to the holding. What only reduces it needs a fresh price, nothing else."""
    state = asked.state
    if asked.reduces:
        return None
    if state.stale_candles is not None:
        return DenialCode.STALE_CANDLES, state.stale_candles
    return None if state.stale_forecast is None else (DenialCode.STALE_FORECAST, state.stale_forecast)
