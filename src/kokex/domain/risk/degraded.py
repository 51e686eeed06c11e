"""Is the account in line with the exchange, and if not, does the order at least reduce what is held?"""

from __future__ import annotations

from kokex.domain.risk.codes import DenialCode, Finding
from kokex.domain.risk.question import Question
from kokex.domain.standing import Standing


def degraded(asked: Question) -> Finding | None:
    """Nothing goes out of a halted account, and nothing that could add to a holding out of one that may only reduce."""
    state = asked.state
    if state.account is Standing.HALTED:
        return DenialCode.ACCOUNT_HALTED, f"trading on this account is halted: {state.trouble}"
    if state.account is Standing.REDUCE_ONLY and not asked.reduces:
        return (
            DenialCode.REDUCE_ONLY,
            f"only orders that reduce the {state.quantity} held are let through now: {state.trouble}",
        )
    return None
