"""Has a person, or a protection, ended trading?"""

from __future__ import annotations

from kokex.domain.halt import HaltLevel
from kokex.domain.limits import RiskLimits
from kokex.domain.order import OrderRequest
from kokex.domain.risk.codes import DenialCode, Finding
from kokex.domain.risk.state import RiskState, reduces


def halted(request: OrderRequest, limits: RiskLimits, state: RiskState) -> Finding | None:
    """No kill switch of the plan, its account or the platform is on; `reduce_only` lets through what reduces."""
    for halt in state.halts:
        if halt.level is HaltLevel.HALTED or not reduces(request, state):
            still = " (orders that reduce the holding pass)" if halt.level is HaltLevel.REDUCE_ONLY else ""
            return DenialCode.HALTED, f"{halt.where} is halted by {halt.by}{still}: {halt.reason}"
    return None
