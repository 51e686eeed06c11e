"""Has a person, or a protection, ended trading?"""

from __future__ import annotations

from kokex.domain.halt import HaltLevel
from kokex.domain.risk.codes import DenialCode, Finding
from kokex.domain.risk.question import Question


def halted(asked: Question) -> Finding | None:
    """No kill switch of the plan, its account or the platform is on; `reduce_only` lets through what reduces."""
    state = asked.state
    for halt in state.halts:
        if halt.level is HaltLevel.HALTED or not asked.reduces:
            still = " (orders that reduce the holding pass)" if halt.level is HaltLevel.REDUCE_ONLY else ""
            return DenialCode.HALTED, f"{halt.where} is halted by {halt.by}{still}: {halt.reason}"
    return None
