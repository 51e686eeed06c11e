"""What can be wrong with candles, and finding it. Pure: what is found is for others to repair or to report.

Outliers are told by a robust rule. A candle's *move* is the largest distance, as a logarithm, of its high or low from the close
before it (from its own open where none precedes it directly, or where the one before is an outlier itself). The *usual* move is
the median over the candle's block of 128 and the blocks on both sides. It is an outlier when its move is more than 15 times the
usual one and more than 5 %, or more than 30 % whatever is usual; both percentages hold for an hour and less, and grow with the
square root of longer intervals. Real crashes can be outliers: only the exchange can say, so it is asked (see `FlawState`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kokex.domain.candle_rows import AMOUNT, CLOSE, HIGH, LOW, OPEN, VOLUME, CandleRows, candle_of, moment
from kokex.domain.interval import Interval
from kokex.domain.time_range import RangeSet, TimeRange

_BLOCK: Final = 128
_TIMES_USUAL: Final = 15.0
_LEAST: Final = np.log(1.05)
_MOST: Final = np.log(1.30)
_HOUR: Final = 3600


class FlawKind(StrEnum):
    """What is wrong."""

    UNREADABLE = "unreadable"  # a file's row that is no candle at all
    MISSING = "missing"
    DUPLICATE = "duplicate"
    OFF_GRID = "off_grid"
    INCONSISTENT = "inconsistent"
    ZERO_VOLUME = "zero_volume"
    OUTLIER = "outlier"


class FlawState(StrEnum):
    """What is known of it: just found, repaired, or that the exchange itself says so (nothing more can be done)."""

    FOUND = "found"
    REPAIRED = "repaired"
    CONFIRMED = "confirmed"


@dataclass(frozen=True, slots=True)
class CandleFlaw:
    """One finding.

    Attributes:
        open_time: of the first candle concerned; None where the row has no readable time.
        count: how many candles in a row it concerns (missing and zero volume; 1 otherwise).
        detail: the finding as one phrase, with what was seen.
        values: open, high, low, close, volume, amount of the first candle; None where there is none.
    """

    kind: FlawKind
    open_time: datetime | None
    count: int
    detail: str
    values: tuple[float, ...] | None = None
    state: FlawState = FlawState.FOUND

    def range(self, interval: Interval) -> TimeRange | None:
        """The stretch of time that it concerns."""
        if self.open_time is None:
            return None
        opened = interval.floor(self.open_time)
        return TimeRange(opened, interval.shift(opened, self.count))


def find_flaws(
    times_ms: NDArray[np.int64], values: NDArray[np.float64], interval: Interval
) -> list[CandleFlaw]:
    """All flaws of candles, by time.

    Args:
        times_ms: (n,) open times as the source has them, in any order, perhaps twice; milliseconds since 1970 UTC.
        values: (n, 6) float64: open, high, low, close, volume, amount; nan where unknown.
        interval: what they are candles of.
    """
    on_grid = (times_ms % 1000 == 0) & interval.on_grid(times_ms // 1000)
    flaws = list(_off_grid(times_ms[~on_grid], values[~on_grid], interval))
    times, numbers = times_ms[on_grid] // 1000, values[on_grid]
    order = np.argsort(times, kind="stable")
    times, numbers = times[order], numbers[order]
    first = np.diff(times, prepend=-(2**62)) != 0
    flaws += _duplicates(times, numbers, first)
    rows = CandleRows(times[first], numbers[first])
    flaws += missing(rows.ranges(interval), interval)
    good = consistent(rows.values)
    flaws += [
        _flaw(FlawKind.INCONSISTENT, rows, at, candle_of(0, rows.values[at].tolist()).fault() or "impossible")
        for at in np.flatnonzero(~good).tolist()
    ]
    flaws += _zero_volume(rows, interval)
    flaws += _outliers(rows[good], interval)
    return sorted(flaws, key=lambda flaw: (flaw.open_time is None, flaw.open_time or moment(0), flaw.kind))


def missing(there: RangeSet, interval: Interval) -> list[CandleFlaw]:
    """The holes between the first and the last candle, one flaw a hole."""
    if not len(there):
        return []
    whole = RangeSet((TimeRange(there.ranges[0].start, there.ranges[-1].end),))
    return [missing_flaw(hole, interval) for hole in whole - there]


def missing_flaw(hole: TimeRange, interval: Interval) -> CandleFlaw:
    """The candles of `hole` are not there."""
    count = interval.count(hole.start, hole.end)
    return CandleFlaw(
        FlawKind.MISSING, hole.start, count, f"{count} absent up to {hole.end:%Y-%m-%d %H:%M:%S} UTC"
    )


def consistent(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(n,) whether the numbers can be a candle: the rule of `Candle.fault`, on all rows at once."""
    prices, sizes = values[:, :4], values[:, 4:]
    good = np.isfinite(prices).all(axis=1) & (prices > 0).all(axis=1)
    good &= (values[:, HIGH] >= prices.max(axis=1)) & (values[:, LOW] <= prices.min(axis=1))
    good &= (np.isnan(sizes) | (np.isfinite(sizes) & (sizes >= 0))).all(axis=1)
    return np.asarray(good)


def outliers(rows: CandleRows, interval: Interval) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """(n,) which are outliers by the rule above, and (n,) the moves. `rows` are consistent."""
    if not len(rows):
        return np.zeros(0, dtype=np.bool_), np.zeros(0)
    own_open = rows.values[:, OPEN]
    before = np.concatenate([own_open[:1], rows.values[:-1, CLOSE]])
    follows = np.diff(interval.ordinals(rows.open_times), prepend=-(2**62)) == 1
    from_open = _moves(rows.values, own_open)
    moves = np.where(follows, _moves(rows.values, before), from_open)
    usual = _usual(moves)
    scale = np.sqrt(max(1.0, interval.seconds / _HOUR))

    def strange(sizes: NDArray[np.float64]) -> NDArray[np.bool_]:
        unusual = (sizes > _TIMES_USUAL * usual) & (sizes > _LEAST * scale)
        return np.asarray(unusual | (sizes > _MOST * scale))

    found = strange(moves)
    after = np.concatenate([[False], found[:-1]])
    return found & (~after | strange(from_open)), moves


def _moves(values: NDArray[np.float64], anchors: NDArray[np.float64]) -> NDArray[np.float64]:
    up, down = np.abs(np.log(values[:, HIGH] / anchors)), np.abs(np.log(values[:, LOW] / anchors))
    return np.maximum(up, down)


def _usual(moves: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) median of each move's block and its neighbours."""
    blocks = -(-len(moves) // _BLOCK)
    padded = np.full(blocks * _BLOCK, np.nan)
    padded[: len(moves)] = moves
    table = padded.reshape(blocks, _BLOCK)
    empty = np.full((1, _BLOCK), np.nan)
    around = np.concatenate(
        [np.concatenate([empty, table[:-1]]), table, np.concatenate([table[1:], empty])], axis=1
    )
    return np.repeat(np.nanmedian(around, axis=1), _BLOCK)[: len(moves)]


def _off_grid(
    times_ms: NDArray[np.int64], values: NDArray[np.float64], interval: Interval
) -> Iterator[CandleFlaw]:
    for time_ms, numbers in zip(times_ms.tolist(), values.tolist(), strict=True):
        opened = moment(0) + timedelta(milliseconds=time_ms)
        yield CandleFlaw(FlawKind.OFF_GRID, opened, 1, f"no {interval} candle opens then", tuple(numbers))


def _duplicates(
    times: NDArray[np.int64], values: NDArray[np.float64], first: NDArray[np.bool_]
) -> Iterator[CandleFlaw]:
    kept = np.maximum.accumulate(np.where(first, np.arange(len(times)), 0))
    for at in np.flatnonzero(~first).tolist():
        same = np.array_equal(values[at], values[kept[at]], equal_nan=True)
        detail = "the same candle again" if same else "another candle with the same open time"
        yield CandleFlaw(FlawKind.DUPLICATE, moment(int(times[at])), 1, detail, tuple(values[at].tolist()))


def _zero_volume(rows: CandleRows, interval: Interval) -> Iterator[CandleFlaw]:
    volume, amount = rows.values[:, VOLUME], rows.values[:, AMOUNT]
    zero = rows[(volume == 0) | (np.isnan(volume) & (amount == 0))]
    for stretch in zero.ranges(interval):
        at = int(np.searchsorted(rows.open_times, int(stretch.start.timestamp())))
        yield _flaw(FlawKind.ZERO_VOLUME, rows, at, "no trades", interval.count(stretch.start, stretch.end))


def _outliers(rows: CandleRows, interval: Interval) -> Iterator[CandleFlaw]:
    found, moves = outliers(rows, interval)
    for at in np.flatnonzero(found).tolist():
        share = float(np.expm1(moves[at]))
        yield _flaw(FlawKind.OUTLIER, rows, at, f"moves {share:.1%} from the price before it")


def _flaw(kind: FlawKind, rows: CandleRows, at: int, detail: str, count: int = 1) -> CandleFlaw:
    values: Sequence[float] = rows.values[at].tolist()
    return CandleFlaw(kind, moment(int(rows.open_times[at])), count, detail, tuple(values))
