"""Market data: candles kept whole, prices kept fresh.

`MarketDataService` serves the plans at work; `CandleBackfill`, `CandleRepair` and `LongerCandles` are for commands too.
"""

from kokex.services.market_data.backfill import Backfilled, BackfillProgress, CandleBackfill
from kokex.services.market_data.building import LongerCandles
from kokex.services.market_data.feed import CandleSink
from kokex.services.market_data.mending import MendedRows, mend_rows
from kokex.services.market_data.repair import CandleCheck, CandleRepair, check_of
from kokex.services.market_data.service import MarketDataService
from kokex.services.market_data.watching import FRESH_SECONDS

__all__ = [
    "FRESH_SECONDS",
    "BackfillProgress",
    "Backfilled",
    "CandleBackfill",
    "CandleCheck",
    "CandleRepair",
    "CandleSink",
    "LongerCandles",
    "MarketDataService",
    "MendedRows",
    "check_of",
    "mend_rows",
]
