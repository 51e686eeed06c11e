"""The risk gate: pure, and the only maker of `Approved`.

`check` asks each rule in the order of `kokex.domain.risk.gate.RULES` and denies at the first that a request would break.
Orders that are open, in flight, unknown or waiting for approval count as if they had filled: what might happen is held against the limit.
"""

from kokex.domain.risk.codes import DenialCode
from kokex.domain.risk.drawing import Sketch, draw_grant, largest_holding
from kokex.domain.risk.gate import (
    Approved,
    ApprovedAmendment,
    Denied,
    check,
    check_amendment,
    check_flattening,
    check_protecting,
    check_reducing,
)
from kokex.domain.risk.state import RiskState

__all__ = [
    "Approved",
    "ApprovedAmendment",
    "DenialCode",
    "Denied",
    "RiskState",
    "Sketch",
    "check",
    "check_amendment",
    "check_flattening",
    "check_protecting",
    "check_reducing",
    "draw_grant",
    "largest_holding",
]
