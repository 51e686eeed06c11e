"""What went wrong with a request to a model, whichever client says it: the sentence, and whether asking again may help.

Clients of OpenAI, Anthropic, Google and Ollama have exceptions of the same shape (`status_code` or `code`, `response.headers`), so they
are told apart by shape, and none of them is imported here.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from kokex.adapters.langchain.settings import ModelSettings

_OF_THE_REQUEST = frozenset({400, 413, 422})
"""Answers that blame this request, not the provider."""
_AGAIN = frozenset({408, 409, 425, 429})
_CONNECTION = frozenset(
    {"APIConnectionError", "ConnectError", "ConnectionError", "NetworkError", "RemoteProtocolError"}
)
_TIMEOUT = frozenset({"APITimeoutError", "TimeoutError", "TimeoutException"})
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed request.

    Attributes:
        again: the same request may succeed soon.
        down: it says something of the provider, so that others need not try; False where this request is to blame.
        wait: seconds that the provider asked for, None where it did not.
        late: there was no answer within the time limit.
    """

    sentence: str
    again: bool = False
    down: bool = True
    wait: float | None = None
    late: bool = False


def failure_of(error: Exception, settings: ModelSettings, seconds: float, now: datetime) -> Failure:
    """What `error` means, after a request with a limit of `seconds`. The sentence is without the key."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    model = f"model {settings.model} at {settings.place}"
    status = _status(error)
    if kinds & _TIMEOUT:
        failure = Failure(f"{model} did not answer within {seconds:g} s", late=True)
    elif status is not None:
        failure = Failure(
            f"{model} answered with HTTP {status} ({_words(error)})",
            again=status in _AGAIN or status >= 500,
            down=status not in _OF_THE_REQUEST,
            wait=_asked_wait(error, now),
        )
    elif kinds & _CONNECTION:
        failure = Failure(
            f"{model} cannot be reached ({str(error.__cause__ or error)[:_LONGEST]})", again=True
        )
    else:
        words = f"{type(error).__name__}: {' '.join(str(error).split())[:_LONGEST]}"
        failure = Failure(f"{model} sent what cannot be understood ({words})", down=False)
    return replace(failure, sentence=settings.hide_key(failure.sentence))


def _status(error: Exception) -> int | None:
    for name in ("status_code", "code"):
        status = getattr(error, name, None)
        if isinstance(status, int) and 300 <= status <= 599:
            return status
    return None


def _words(error: Exception) -> str:
    return str(getattr(error, "message", None) or error)[:_LONGEST]


def _asked_wait(error: Exception, now: datetime) -> float | None:
    """`retry-after-ms`, or `retry-after` in seconds or as a date (RFC 9110 10.2.3); None where neither can be read."""
    headers: Any = getattr(getattr(error, "response", None), "headers", None)
    if not isinstance(headers, Mapping):
        return None
    with suppress(ValueError, TypeError, OverflowError):
        if "retry-after-ms" in headers:
            return _seconds(float(headers["retry-after-ms"]) / 1000)
    text = str(headers.get("retry-after", ""))
    with suppress(ValueError, TypeError, OverflowError):
        return _seconds(float(text))
    with suppress(ValueError, TypeError, OverflowError):
        at = parsedate_to_datetime(text)
        return _seconds((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - now.timestamp())
    return None


def _seconds(wait: float) -> float | None:
    return wait if 0 <= wait < float("inf") else None
