"""Longer candles out of the shorter ones that are kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kokex.domain.candle import Interval
from kokex.domain.candle_building import Built, Difference, build, compare
from kokex.domain.candle_rows import CandleKey, CandleRows, moment
from kokex.domain.time_range import TimeRange
from kokex.ports.candles import CandleStore
from kokex.ports.exchange import Exchange


class LongerCandles:
    """Builds candles, and holds them against the exchange's own."""

    def __init__(self, candles: CandleStore) -> None:
        self._candles = candles

    async def build(self, key: CandleKey, target: Interval, window: TimeRange | None = None) -> Built:
        """Candles of `target` out of those kept under `key`, whole ones alone.

        Raises:
            ConfigurationError: candles of `target` are not made of whole candles of the key's interval.
        """
        start, end = (window.start, window.end) if window else (None, None)
        return build(await self._candles.read(key, start, end), key.interval, target)

    async def keep(self, key: CandleKey, target: Interval, built: CandleRows) -> int:
        """Keep what was built where nothing is known yet: the exchange's own candles stand. How many were kept."""
        longer = replace(key, interval=target)
        complete = (await self._candles.ledger(longer)).complete
        new = np.ones(len(built), dtype=np.bool_)
        for one in complete:
            new &= (built.open_times < one.start.timestamp()) | (built.open_times >= one.end.timestamp())
        return await self._candles.keep(longer, built[new])

    async def differences(
        self, exchange: Exchange, inst_id: str, target: Interval, built: CandleRows
    ) -> tuple[int, list[Difference]]:
        """Ask the exchange for its own candles of the same time: how many could be compared, and what differs.

        Raises:
            ExchangeError: it cannot be asked.
        """
        if not len(built):
            return 0, []
        first, last = moment(int(built.open_times[0])), moment(int(built.open_times[-1]))
        told = CandleRows.of(
            await exchange.candles(inst_id, target, start=first, end=target.close_time(last))
        )
        both = len(np.intersect1d(built.open_times, told.open_times))
        return both, compare(built, told)
