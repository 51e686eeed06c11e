"""Is the order within what the turn was given?"""

from __future__ import annotations

from kokex.domain.risk.codes import DenialCode, Finding
from kokex.domain.risk.question import Question


def granted(asked: Question) -> Finding | None:
    """The turn has an order left, may add exposure in this direction, and this much of it."""
    request, state = asked.request, asked.state
    grant = state.grant
    if grant is None:
        return None
    if grant.orders < 1:
        return DenialCode.GRANT_USED, "this turn has asked for as many orders as it may"
    added = asked.added
    if not added:
        return None
    quote = state.instrument.quote_currency
    if request.side not in grant.sides:
        return DenialCode.GRANT_USED, f"this turn may not add exposure by a {request.side.value}"
    if added > grant.notional:
        return (
            DenialCode.GRANT_USED,
            f"the order may add {added:.2f} {quote} of exposure; this turn has {max(grant.notional, 0):.2f} {quote} left",
        )
    return None
