"""Are the plan's candles fresh enough to decide on?"""

from __future__ import annotations

from kokex.domain.risk.codes import DenialCode, Finding
from kokex.domain.risk.question import Question


def freshness(asked: Question) -> Finding | None:
    """On stale candles nothing goes out that could add to the holding. What only reduces it needs a fresh price, no candles."""
    stale = asked.state.stale_candles
    return None if stale is None or asked.reduces else (DenialCode.STALE_CANDLES, stale)
