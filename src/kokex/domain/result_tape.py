"""Results of fills that may be told a little late: the exchange's order, not the order of hearing, decides what an order closed."""

from __future__ import annotations

from bisect import insort_right
from collections.abc import Iterable
from datetime import datetime

from kokex.domain.instrument import Instrument
from kokex.domain.order import Fill
from kokex.domain.results import TradeResults

_OPEN = 500
"""Latest fills among which one that is told late still finds its place."""


class ResultTape:
    """A plan's fills on their way into its results, worked out when they are asked for. Memory is bounded."""

    def __init__(self, instrument: Instrument, fills: Iterable[Fill] = ()) -> None:
        """`fills`: all so far, in the exchange's order."""
        self._settled = TradeResults(instrument)
        self._settled_until: datetime | None = None
        self._recent: list[Fill] = []
        self._latest = self._settled
        self._applied = 0
        for fill in fills:
            self.add(fill)

    def add(self, fill: Fill) -> bool:
        """Put a fill in its place. False: its place is before what is settled, and all has to be told anew."""
        if self._settled_until is not None and fill.occurred_at < self._settled_until:
            return False
        if not self._recent or fill.occurred_at >= self._recent[-1].occurred_at:
            self._recent.append(fill)
        else:
            insort_right(self._recent, fill, key=_moment)
            self._latest, self._applied = self._settled, 0
        if len(self._recent) > 2 * _OPEN:
            self._settle()
        return True

    def use(self, instrument: Instrument) -> None:
        """Count from now on by the instrument's present steps."""
        self._settled = self._settled.by(instrument)
        self._latest = self._latest.by(instrument)

    @property
    def results(self) -> TradeResults:
        """What all fills so far came to."""
        self._latest = self._latest.apply_all(self._recent[self._applied :])
        self._applied = len(self._recent)
        return self._latest

    def _settle(self) -> None:
        settling, self._recent = self._recent[:_OPEN], self._recent[_OPEN:]
        self._settled = self._settled.apply_all(settling)
        self._settled_until = settling[-1].occurred_at
        self._latest, self._applied = self._settled, 0


def _moment(fill: Fill) -> datetime:
    return fill.occurred_at
