"""Records that the exchange refuses to show: of one instrument, while the others of the account can be read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kokex.domain.errors import ExchangeRejectedError


class RecordRefusedError(ExchangeRejectedError):
    """The exchange refuses to tell of one instrument: it is delisted, say."""

    def __init__(self, inst_id: str, refusal: ExchangeRejectedError) -> None:
        super().__init__(str(refusal), code=refusal.code)
        self.inst_id = inst_id

    @property
    def sentence(self) -> str:
        """For the plan's user: why it stands still, and what to do."""
        return f"{self.inst_id} alone cannot be reconciled ({self}); where it is no longer listed, end its plan: kokex plan stop"


@contextmanager
def record_of(inst_id: str) -> Iterator[None]:
    """Whatever the exchange refuses meanwhile is about this instrument. Raises `RecordRefusedError`."""
    try:
        yield
    except ExchangeRejectedError as error:
        raise RecordRefusedError(inst_id, error) from error
