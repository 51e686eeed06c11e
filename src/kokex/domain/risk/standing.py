"""May the plan trade at all, and this instrument?"""

from __future__ import annotations

from kokex.domain.plan import PlanStatus
from kokex.domain.risk.codes import DenialCode, Finding
from kokex.domain.risk.question import Question
from kokex.domain.standing import Standing


def standing(asked: Question) -> Finding | None:
    """The plan is running, and what `reachable` asks."""
    status = asked.state.plan_status
    if status is not PlanStatus.RUNNING:
        return DenialCode.PLAN_NOT_RUNNING, f"the plan is {status.value}, not running"
    return reachable(asked)


def reachable(asked: Question) -> Finding | None:
    """The account is reconciled (or degraded: see `degraded`), the instrument the plan's own."""
    request, state = asked.request, asked.state
    if not state.reconciled and state.account is Standing.TRADING:
        return (
            DenialCode.NOT_RECONCILED,
            "the account is not reconciled with the exchange yet; try again shortly",
        )
    if request.inst_id != state.instrument.inst_id:
        return (
            DenialCode.WRONG_INSTRUMENT,
            f"this plan trades {state.instrument.inst_id}, not {request.inst_id}",
        )
    return None
