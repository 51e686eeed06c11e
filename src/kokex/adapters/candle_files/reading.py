"""Reading a candle file: every row is checked, every flaw counted, and nothing is lost in silence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kokex.adapters.candle_files.columnar import SUFFIXES, read_columnar
from kokex.adapters.candle_files.report import CandleReport, FlawCounter, RowFlaw
from kokex.adapters.candle_files.rows import Rows, read_header, read_lines, read_rows, time_text
from kokex.domain.candle import Candle, CandleSeries, Interval
from kokex.domain.candle_flaws import consistent
from kokex.domain.candle_rows import CandleRows, candle_of
from kokex.domain.errors import DataError
from kokex.domain.interval import INTERVAL_NAMES, interval_of


@dataclass(frozen=True, slots=True)
class CandleFile:
    """What a candle file holds: closed candles, oldest first, unique, on the interval's grid; there may be gaps.

    Attributes:
        inst_id: the instrument, as given or guessed from the file's name; None where the name does not tell.
        open_times: (n,) int64, seconds since the epoch, UTC.
        values: (n, 6) float64: open, high, low, close, volume, amount; nan where unknown.
    """

    path: Path
    inst_id: str | None
    interval: Interval
    open_times: NDArray[np.int64]
    values: NDArray[np.float64]
    report: CandleReport

    def __len__(self) -> int:
        return len(self.open_times)

    @property
    def rows(self) -> CandleRows:
        """The candles as arrays."""
        return CandleRows(self.open_times, self.values)

    def candles(self) -> Iterator[Candle]:
        """The candles one by one, oldest first."""
        for seconds, numbers in zip(self.open_times.tolist(), self.values.tolist(), strict=True):
            yield candle_of(seconds, numbers)

    def segments(self, inst_id: str | None = None) -> list[CandleSeries]:
        """The contiguous stretches between gaps, oldest first.

        Raises:
            DataError: the instrument is neither given nor guessed.
        """
        name = inst_id or self.inst_id
        if name is None:
            raise DataError(f"{self.path} does not tell its instrument; name one, for example ETH-USDT")
        cuts = np.flatnonzero(np.diff(self.interval.ordinals(self.open_times)) != 1) + 1
        parts = zip(np.split(self.open_times, cuts), np.split(self.values, cuts), strict=True)
        return [CandleSeries(name, self.interval, times, values) for times, values in parts]


def read_candle_file(
    path: Path, *, strict: bool = True, inst_id: str | None = None, interval: Interval | None = None
) -> CandleFile:
    """Read a candle file.

    Args:
        path: CSV, plain or gzip (told by its content), Parquet or feather (told by its name).
        strict: raise on the first flaw that sorting does not mend; otherwise keep the good rows and report the rest.
        inst_id: the instrument; guessed from the file's name if not given.
        interval: the candles' length; the most common step between rows if not given.

    Raises:
        DataError: there is no such file, it is no candle file, no row of it is good, or (strict) one is not.
    """
    flaws = FlawCounter()
    count, rows, ignored = _read_any(path, flaws)
    _drop_impossible(rows, flaws)
    _sort_and_drop_repeated(rows, flaws)
    missing = 0
    if len(rows):
        interval = agree_on_interval(path, rows.times, interval)
        _drop_off_grid(rows, interval, flaws)
        missing = _find_gaps(rows, interval, flaws)
    report = CandleReport(count, len(rows), missing, ignored, flaws.counted())
    if strict or interval is None or not len(rows):
        _raise_first_flaw(path, report)
    assert interval is not None
    return CandleFile(path, inst_id or guess_inst_id(path), interval, rows.times // 1000, rows.values, report)


def read_raw_rows(path: Path) -> tuple[Rows, FlawCounter]:
    """Every row that can be read, as it stands in the file, wrong ones and all; those that cannot are counted as flaws.

    Raises:
        DataError: there is no such file, it is no candle file, or it holds no rows.
    """
    flaws = FlawCounter(most=None)
    _, rows, _ = _read_any(path, flaws)
    return rows, flaws


def guess_inst_id(path: Path) -> str | None:
    """Instrument that a file's name tells (`okx_ETH-USDT-SWAP_1H.csv.gz`, `ETHUSDT-1h.csv`, freqtrade's
    `ETH_USDT-1h.feather` and `ETH_USDT_USDT-1h-futures.feather`), or None.
    """
    freqtrade = re.match(r"([A-Z0-9]+)_(USDT|USDC|USD|EUR|BTC|ETH)(_[A-Z]+)?-\d+[smhdwM]", path.name)
    if freqtrade:
        base, quote, settled = freqtrade.groups()
        return f"{base}-{quote}-SWAP" if settled else f"{base}-{quote}"
    dashed = re.search(r"(?<![A-Z0-9])[A-Z0-9]+-(USDT|USDC|USD|EUR|BTC|ETH)(-SWAP)?(?![A-Z0-9])", path.name)
    if dashed:
        return dashed.group()
    joined = re.search(r"(?<![A-Z0-9])([A-Z0-9]{2,}?)(USDT|USDC|USD|EUR)(?![A-Z0-9])", path.name)
    return "-".join(joined.groups()) if joined else None


def guess_exchange(path: Path) -> str | None:
    """Exchange that a file's name begins with (`binance_ETHUSDT_1H.csv.gz`), or None."""
    found = re.match(r"([a-z][a-z0-9]{1,19})[_-](?=[A-Z0-9])", path.name)
    return found.group(1) if found else None


def _read_any(path: Path, flaws: FlawCounter) -> tuple[int, Rows, tuple[str, ...]]:
    """How many rows there are, those that can be read, and columns that mean nothing here."""
    if path.suffix in SUFFIXES:
        rows, ignored = read_columnar(path)
        count = len(rows)
    else:
        lines = read_lines(path)
        header = read_header(path, lines[0])
        count, rows = read_rows(lines, header, flaws)
        ignored = header.ignored
    if not count:
        raise DataError(f"{path} holds no candles, only a header")
    return count, rows, ignored


def _drop_impossible(rows: Rows, flaws: FlawCounter) -> None:
    """Drop rows whose numbers cannot be a candle: the rule of `Candle.fault`, on all rows at once."""
    good = consistent(rows.values)

    def describe(row: int) -> str:
        candle = candle_of(int(rows.times[row]) // 1000, rows.values[row].tolist())
        return candle.fault() or "its numbers contradict each other"

    flaws.add_rows(RowFlaw.IMPOSSIBLE, rows.lines, np.flatnonzero(~good), describe)
    rows.keep(good)


def find_unsorted(rows: Rows, flaws: FlawCounter) -> None:
    """Count rows that are older than the row before them."""

    def describe(row: int) -> str:
        return time_text(int(rows.times[row]))

    back = np.flatnonzero(np.diff(rows.times) < 0) + 1
    flaws.add_rows(RowFlaw.NOT_ASCENDING, rows.lines, back, describe)


def _sort_and_drop_repeated(rows: Rows, flaws: FlawCounter) -> None:
    """Sort by time; of rows with one open time, keep the one that comes first in the file."""

    def describe(row: int) -> str:
        return time_text(int(rows.times[row]))

    find_unsorted(rows, flaws)
    rows.keep(np.argsort(rows.times, kind="stable"))
    fresh = np.diff(rows.times, prepend=-1) > 0
    earlier = rows.values[np.maximum.accumulate(np.where(fresh, np.arange(len(rows)), 0))]
    same = ((rows.values == earlier) | (np.isnan(rows.values) & np.isnan(earlier))).all(axis=1)
    flaws.add_rows(RowFlaw.DUPLICATE, rows.lines, np.flatnonzero(~fresh & same), describe)
    flaws.add_rows(RowFlaw.CONFLICT, rows.lines, np.flatnonzero(~fresh & ~same), describe)
    rows.keep(fresh)


def agree_on_interval(path: Path, times: NDArray[np.int64], given: Interval | None) -> Interval:
    """The interval given, if the rows can be of it, else the most common step between them."""
    if len(times) < 2:
        if given is None:
            raise DataError(
                f"{path} holds one candle, which does not tell its interval; name it, for example 1H"
            )
        return given
    steps, counts = np.unique(np.diff(times), return_counts=True)
    step = int(steps[np.argmax(counts)])
    if given is not None:
        if given.fixed and step % (given.seconds * 1000):
            raise DataError(
                f"{path} has candles {step / 1000:g} seconds apart, which are not of interval {given}"
            )
        return given
    found = interval_of(times // 1000) if step % 1000 == 0 else None
    if found is None:
        raise DataError(
            f"{path} has candles {step / 1000:g} seconds apart, which is none of the intervals {', '.join(INTERVAL_NAMES)}"
        )
    return found


def _drop_off_grid(rows: Rows, interval: Interval, flaws: FlawCounter) -> None:
    """Drop rows that do not open where candles of this interval open."""
    good = (rows.times % 1000 == 0) & interval.on_grid(rows.times // 1000)

    def describe(row: int) -> str:
        return f"no {interval} candle opens at {time_text(int(rows.times[row]))}"

    flaws.add_rows(RowFlaw.OFF_GRID, rows.lines, np.flatnonzero(~good), describe)
    rows.keep(good)


def _find_gaps(rows: Rows, interval: Interval, flaws: FlawCounter) -> int:
    """Report each gap at the row after it; how many candles are missing in all."""
    absent = np.diff(interval.ordinals(rows.times // 1000)) - 1

    def describe(row: int) -> str:
        before, here = (time_text(int(rows.times[at])) for at in (row - 1, row))
        return f"{int(absent[row - 1])} missing between {before} and {here}"

    flaws.add_rows(RowFlaw.GAP, rows.lines, np.flatnonzero(absent) + 1, describe)
    return int(absent.sum())


def _raise_first_flaw(path: Path, report: CandleReport) -> None:
    """Raise on the flaw that comes first in the file, if there is one."""
    if report.first is None:
        return
    kind, example = report.first
    remedy = (
        "mend it, or read the file leniently to keep the good rows" if report.kept else "no row of it is good"
    )
    raise DataError(f"{path} line {example.line}: the row {kind.value}: {example.value}; {remedy}")
