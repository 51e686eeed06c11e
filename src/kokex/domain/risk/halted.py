"""Has a person, or a protection, ended trading?"""

from __future__ import annotations

from kokex.domain.halt import HaltLevel
from kokex.domain.risk.codes import DenialCode, Finding
from kokex.domain.risk.question import Question


def reducing(asked: Question) -> Finding | None:
    """The order can at most close the holding: all that a halt sends itself."""
    if asked.reduces:
        return None
    return DenialCode.REDUCE_ONLY, f"only orders that reduce the {asked.state.quantity} held end a holding"


def halted(asked: Question) -> Finding | None:
    """No kill switch of the plan, its account or the platform is on; `reduce_only` lets through what reduces."""
    state = asked.state
    for halt in state.halts:
        if halt.level is HaltLevel.HALTED or not asked.reduces:
            still = " (orders that reduce the holding pass)" if halt.level is HaltLevel.REDUCE_ONLY else ""
            return DenialCode.HALTED, f"{halt.where} is halted by {halt.by}{still}: {halt.reason}"
    return None
