"""Errors of the gateway: answered before the request means anything, without `data`."""

from __future__ import annotations

from kokex.domain.errors import KokexError


class RefusalError(KokexError):
    """A request that the gateway turns away.

    Attributes:
        code: OKX's error code.
        message: OKX-like words.
        status: HTTP status.
    """

    def __init__(self, code: str, message: str, status: int = 401) -> None:
        super().__init__(f"{code} {message}")
        self.code = code
        self.message = message
        self.status = status
