"""Repairing candles that are in no store, such as a file's: ask an exchange for what is missing or strange in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from kokex.domain.candle import Interval
from kokex.domain.candle_flaws import CandleFlaw, FlawState
from kokex.domain.candle_rows import CLOSE, CandleRows
from kokex.domain.errors import DataError
from kokex.domain.time_range import NO_TIME, RangeSet, TimeRange
from kokex.ports.candles import CandleLedger
from kokex.ports.exchange import Exchange
from kokex.services.market_data.repair import OnStep, judged, settled, together

_NEIGHBOURS: Final = 3
"""Candles on both sides of a flaw that are asked for too, to see whether they are of the same market."""
_SAME: Final = 0.001
"""Closes of one market differ by less than this share."""


@dataclass(frozen=True, slots=True)
class MendedRows:
    """Candles as they are now, and the findings of before with what became of each."""

    rows: CandleRows
    flaws: tuple[CandleFlaw, ...]


async def mend_rows(
    exchange: Exchange,
    inst_id: str,
    interval: Interval,
    rows: CandleRows,
    flaws: Sequence[CandleFlaw],
    on_step: OnStep | None = None,
) -> MendedRows:
    """Ask `exchange` for the candles that `flaws` concern, and put them in.

    Raises:
        ExchangeError: it cannot be asked.
        DataError: its candles beside the flaws are not those of `rows`: it is another market.
    """
    stretches = together((flaw.range(interval) for flaw in flaws if flaw.state is FlawState.FOUND), interval)
    answered = NO_TIME
    mended = rows
    for done, stretch in enumerate(stretches):
        if on_step is not None:
            on_step(done, len(stretches))
        wide = TimeRange(
            interval.shift(stretch.start, -_NEIGHBOURS), interval.shift(stretch.end, _NEIGHBOURS)
        )
        told, known = await _ask(exchange, inst_id, interval, wide)
        _check_market(rows, told, stretch, inst_id)
        mended = mended.joined(told.between(stretch.start, stretch.end))
        answered |= known & RangeSet((stretch,))
    if on_step is not None:
        on_step(len(stretches), len(stretches))
    ledger = CandleLedger(complete=answered, confirmed=answered)
    return MendedRows(mended, tuple(settled(flaws, judged(mended, interval, ledger), interval)))


async def _ask(
    exchange: Exchange, inst_id: str, interval: Interval, window: TimeRange
) -> tuple[CandleRows, RangeSet]:
    told, answered = CandleRows.empty(), NO_TIME
    async for page in exchange.candle_pages(inst_id, interval, start=window.start, end=window.end):
        told = told.joined(CandleRows.of(page.candles))
        answered |= page.answered
    return told, answered


def _check_market(rows: CandleRows, told: CandleRows, stretch: TimeRange, inst_id: str) -> None:
    """Compare the candles beside the flaw that both have."""
    outside = (told.open_times < stretch.start.timestamp()) | (told.open_times >= stretch.end.timestamp())
    _, mine, theirs = np.intersect1d(rows.open_times, told.open_times[outside], return_indices=True)
    if not len(mine):
        return
    apart = float(np.median(np.abs(rows.values[mine, CLOSE] / told[outside].values[theirs, CLOSE] - 1)))
    if apart > _SAME:
        raise DataError(
            f"the exchange's candles of {inst_id} beside {stretch.start:%Y-%m-%d %H:%M} close {apart:.2%} away from these: "
            "they are of another market, and candles of several markets do not mix"
        )
