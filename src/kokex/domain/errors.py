"""Everything that KOKEX raises on purpose.

    KokexError
    ├── ConfigurationError        a setting, key or argument that a person must mend
    ├── DataError                 a file or payload that cannot be what it claims to be
    ├── NotFoundError             a plan, account, order... that does not exist
    ├── StateError                the thing exists but cannot do this now
    ├── StoreError                the database
    │   ├── StoreUnavailableError     it cannot be reached (retry)
    │   └── StoreVersionError         its tables are newer than this program
    ├── ExchangeError             the exchange; carries its `code`
    │   ├── ExchangeRejectedError     it refused this request for good
    │   ├── ExchangeUnknownError      no evidence of what became of a command: reconcile
    │   ├── ExchangeUnavailableError  busy, rate limited or unreachable (retry)
    │   └── ExchangeStoppedError      keys, permissions or account: a person must act
    ├── ForecastError             a forecast that cannot be made from this input
    └── AgentError                the agent's model failed or broke its rules

Messages are one sentence that names the value that was wrong and what to do about it.
"""

from __future__ import annotations


class KokexError(Exception):
    """Root of the tree. `str(error)` is fit for a person to read."""


class ConfigurationError(KokexError):
    """A setting, key or argument that a person must mend."""


class DataError(KokexError):
    """A file or payload that cannot be what it claims to be."""


class NotFoundError(KokexError):
    """Something asked for by id or name does not exist."""


class StateError(KokexError):
    """The thing exists but cannot do this in its present state."""


class StoreError(KokexError):
    """The database refused or failed."""


class StoreUnavailableError(StoreError):
    """The database cannot be reached; the same call may succeed later."""


class StoreVersionError(StoreError):
    """The database's tables are newer than this program knows."""


class ExchangeError(KokexError):
    """The exchange answered with an error, or not at all.

    Attributes:
        code: the exchange's own code, or None where there was no answer.
    """

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code


class ExchangeRejectedError(ExchangeError):
    """The exchange refused this request; sending it again unchanged cannot help."""


class ExchangeUnknownError(ExchangeError):
    """No evidence of what became of a command: reconcile by client order id, never resend."""


class ExchangeUnavailableError(ExchangeError):
    """Busy, rate limited or unreachable; the request had no effect and may be repeated."""


class ExchangeStoppedError(ExchangeError):
    """Keys, permissions, environment or account status: stop until a person acts."""


class ForecastError(KokexError):
    """A forecast cannot be made from this input."""


class AgentError(KokexError):
    """The agent's model failed or broke its rules."""
