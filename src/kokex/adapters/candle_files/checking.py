"""A file's flaws, all of them, as the domain names them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kokex.adapters.candle_files.reading import (
    agree_on_interval,
    find_unsorted,
    guess_inst_id,
    read_raw_rows,
)
from kokex.adapters.candle_files.report import FlawCount, FlawCounter
from kokex.domain.candle import Interval
from kokex.domain.candle_flaws import CandleFlaw, FlawKind, consistent, find_flaws
from kokex.domain.candle_rows import CandleRows
from kokex.domain.errors import DataError


@dataclass(frozen=True, slots=True)
class FileFindings:
    """What is in a file.

    Attributes:
        inst_id: as given or guessed from the name; None where the name does not tell.
        rows: one candle for each open time on the grid, the first of several; impossible ones among them.
        clean: the same without the impossible ones.
        flaws: all findings, by time.
        unsorted: rows that are older than the row before them, which every reader sorts; None where there are none.
    """

    path: Path
    inst_id: str | None
    interval: Interval
    rows: CandleRows
    clean: CandleRows
    flaws: tuple[CandleFlaw, ...]
    unsorted: FlawCount | None = None


def check_candle_file(
    path: Path, *, inst_id: str | None = None, interval: Interval | None = None
) -> FileFindings:
    """Read a file and find every flaw in it.

    Raises:
        DataError: there is no such file, it is no candle file, or no row of it can be read.
        ConfigurationError: a library that its format needs is not installed.
    """
    raw, unreadable = read_raw_rows(path)
    if not len(raw):
        raise DataError(f"{path} holds no row that can be read")
    length = agree_on_interval(path, np.unique(raw.times), interval)
    flaws = [
        CandleFlaw(FlawKind.UNREADABLE, None, 1, f"line {example.line}: {example.value}")
        for count in unreadable.counted()
        for example in count.examples
    ]
    order = FlawCounter()
    find_unsorted(raw, order)
    flaws += find_flaws(raw.times, raw.values, length)
    on_grid = (raw.times % 1000 == 0) & length.on_grid(raw.times // 1000)
    times, first = np.unique(raw.times[on_grid] // 1000, return_index=True)
    rows = CandleRows(times, raw.values[on_grid][first])
    clean = rows[consistent(rows.values)]
    return FileFindings(
        path,
        inst_id or guess_inst_id(path),
        length,
        rows,
        clean,
        tuple(flaws),
        next(iter(order.counted()), None),
    )
