"""HTTP as the REST client sees it: one request, then one answer or one of two faults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


class NotSentError(Exception):
    """No connection was made, so the request never left."""


class NoAnswerError(Exception):
    """The request may have arrived; no whole answer came back."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """Status and body."""

    status: int
    body: bytes


class HttpTransport(Protocol):
    """Sends requests to one host."""

    async def request(
        self, method: str, path: str, *, headers: Mapping[str, str], body: bytes | None, seconds: float
    ) -> HttpAnswer:
        """Send and await the whole answer, for `seconds` at most.

        Raises:
            NotSentError: nothing was sent.
            NoAnswerError: it was sent, or may have been.
        """
        ...

    async def close(self) -> None:
        """Release the connections."""
        ...
