"""Candles as the services keep them: the candles themselves, and a ledger of what is known to be complete."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from kokex.domain.candle import Candle, CandleSeries, Interval
from kokex.domain.candle_rows import CandleKey, CandleRows
from kokex.domain.time_range import NO_TIME, RangeSet, TimeRange


@dataclass(frozen=True, slots=True)
class CandleLedger:
    """What is known of one market, instrument and interval.

    Attributes:
        complete: all candles that the source has of this time are kept.
        confirmed: the exchange, asked once more, gave the candles of this time as they are kept.
        begins_at: the exchange has nothing that opened before; None while that is not known.
    """

    complete: RangeSet = NO_TIME
    confirmed: RangeSet = NO_TIME
    begins_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CandleSummary:
    """How much of one market, instrument and interval is kept.

    Attributes:
        missing: candles absent between first and last.
        gaps: stretches between first and last that the ledger does not know to be complete.
    """

    market: str
    inst_id: str
    interval: Interval
    candles: int
    first: datetime
    last: datetime
    missing: int
    gaps: int = 0


class CandleStore(Protocol):
    """Closed candles by market (`okx:live`, `okx:demo`, `paper:3`), instrument and interval, and their ledger."""

    async def upsert(self, market: str, inst_id: str, interval: Interval, candles: Sequence[Candle]) -> int:
        """`keep` for single candles, in any order."""
        ...

    async def keep(self, key: CandleKey, rows: CandleRows, known: CandleLedger | None = None) -> int:
        """Keep closed candles, replacing those with the same open time, and enter them in the ledger; one transaction.

        Args:
            key: whose candles.
            rows: the candles.
            known: what else is to be entered: time without candles that is complete all the same, what was confirmed, where
                the exchange's candles begin. What was confirmed earlier of the time of `rows` is forgotten.

        Returns:
            How many rows were new or changed.

        Raises:
            DataError: no candle of this interval opens at one of the times.
        """
        ...

    async def read(
        self, key: CandleKey, start: datetime | None = None, end: datetime | None = None
    ) -> CandleRows:
        """The candles that open in [start, end); all of them where neither is given."""
        ...

    async def latest(self, market: str, inst_id: str, interval: Interval, limit: int) -> CandleSeries:
        """The newest contiguous run of at most `limit` candles (may be empty)."""
        ...

    async def last_open_time(self, market: str, inst_id: str, interval: Interval) -> datetime | None:
        """Open time of the newest candle; None where there is none."""
        ...

    async def ledger(self, key: CandleKey) -> CandleLedger:
        """What is known; nothing, of a key that was never kept."""
        ...

    async def gaps(self, key: CandleKey, window: TimeRange | None = None) -> RangeSet:
        """The time of `window` (None: between the first and the last known) that is not known to be complete.

        Time before the exchange's first candle is no gap.
        """
        ...

    async def summary(self) -> list[CandleSummary]:
        """What is kept, one row per market, instrument and interval."""
        ...
