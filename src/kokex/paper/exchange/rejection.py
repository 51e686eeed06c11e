"""A refusal with OKX's code and words."""

from __future__ import annotations

from kokex.domain.errors import KokexError


class RejectionError(KokexError):
    """A request that the exchange refuses. It never leaves `kokex.paper`: it becomes an answer on the wire.

    Attributes:
        code: OKX's error code.
        message: OKX-like words.
        sub_code: OKX's sub-code, mostly empty.
    """

    def __init__(self, code: str, message: str, *, sub_code: str = "") -> None:
        super().__init__(f"{code} {message}")
        self.code = code
        self.message = message
        self.sub_code = sub_code


def missing(name: str) -> RejectionError:
    """A required parameter is absent."""
    return RejectionError("50014", f"Parameter {name} can not be empty.")


def malformed(name: str) -> RejectionError:
    """A parameter has a value that cannot be."""
    return RejectionError("51000", f"Parameter {name} error")
