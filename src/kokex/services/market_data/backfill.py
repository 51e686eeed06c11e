"""Back-fill: bring what the ledger does not know, page by page, each page kept with what it proves in one transaction.

It can be stopped at any moment, `kill -9` included: what was committed stays, and the ledger tells the next run what is left.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from kokex.domain.candle import Interval
from kokex.domain.candle_rows import CandleKey, CandleRows
from kokex.domain.time_range import RangeSet, TimeRange
from kokex.ports.candles import CandleLedger, CandleStore
from kokex.ports.exchange import CandlePage, Exchange


@dataclass(frozen=True, slots=True)
class BackfillProgress:
    """How far it is: candles answered for, of those that were not known; where it is reading."""

    answered: int
    wanted: int
    at: datetime


OnPage: TypeAlias = Callable[[BackfillProgress], None]


@dataclass(frozen=True, slots=True)
class Backfilled:
    """What was done.

    Attributes:
        changed: candles that are new or differ from before.
        requested: candles that were not known.
        absent: of those, how many the exchange does not have.
        begins_at: the exchange has nothing that opened before; None where that was not reached.
        left: what is not known still: too young to be believed missing.
    """

    changed: int
    requested: int
    absent: int
    begins_at: datetime | None
    left: RangeSet


class CandleBackfill:
    """Reads candles from exchanges into the store."""

    def __init__(self, candles: CandleStore) -> None:
        self._candles = candles

    async def fill(
        self, exchange: Exchange, key: CandleKey, window: TimeRange, on_page: OnPage | None = None
    ) -> Backfilled:
        """Bring what is not known of `window`, newest first.

        Raises:
            ExchangeError: a page cannot be had; those before it are kept.
        """
        interval = key.interval
        gaps = await self._candles.gaps(key, window)
        wanted = sum(_candles(one, interval) for one in gaps)
        changed = answered = absent = 0
        begins_at: datetime | None = None
        for gap in reversed(gaps.ranges):
            if begins_at is not None:
                break
            async for page in exchange.candle_pages(key.inst_id, interval, start=gap.start, end=gap.end):
                changed += await self._keep(key, page)
                absent += sum(_candles(one, interval) for one in page.absent)
                answered += sum(_candles(one, interval) for one in page.answered)
                begins_at = page.begins_at
                if on_page is not None:
                    reached = min((one.start for one in page.answered), default=gap.start)
                    on_page(BackfillProgress(wanted if begins_at else answered, wanted, reached))
        left = await self._candles.gaps(key, window) if wanted else gaps
        return Backfilled(changed, wanted, absent, begins_at, left)

    async def _keep(self, key: CandleKey, page: CandlePage) -> int:
        known = CandleLedger(complete=page.answered, begins_at=page.begins_at)
        return await self._candles.keep(key, CandleRows.of(page.candles), known)


def _candles(one: TimeRange, interval: Interval) -> int:
    return interval.count(one.start, one.end)
