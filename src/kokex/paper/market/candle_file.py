"""Reading candles from CSV, strictly: a bad file gives one error that names its line and value.

Header `ts,open,high,low,close,volume,amount`; `ts` is the open time, ISO 8601 in UTC or epoch milliseconds;
prices in quote currency, volume in base currency, amount in quote currency; volume and amount may be blank.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import IO

from kokex.domain.errors import ConfigurationError, DataError
from kokex.paper.decimals import decimals_of

HEADER = ("ts", "open", "high", "low", "close", "volume", "amount")
MAX_DECIMALS = 8


@dataclass(frozen=True, slots=True)
class FileCandle:
    """One row; None where the cell is blank."""

    start_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal | None
    amount: Decimal | None


@dataclass(frozen=True, slots=True)
class CandleFile:
    """A whole file: ascending, evenly spaced rows and the finest digits they use."""

    rows: tuple[FileCandle, ...]
    price_decimals: int
    volume_decimals: int


def read_candle_file(path: Path, *, interval_ms: int, accept_gaps: bool) -> CandleFile:
    """Read and check a candle file; gaps, where accepted, become flat candles without volume.

    Raises:
        ConfigurationError: the file cannot be opened.
        DataError: its content is not a clean run of candles of `interval_ms`.
    """
    try:
        with _open(path) as handle:
            rows = list(_rows(path, handle, interval_ms, accept_gaps))
    except OSError as error:
        raise ConfigurationError(f"cannot read candle file {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"candle file {path} is not UTF-8 text: {error.reason} at byte {error.start}"
        ) from error
    if not rows:
        raise DataError(f"candle file {path} has a header but no rows")
    price_decimals = max(_digits(value) for row in rows for value in (row.open, row.high, row.low, row.close))
    volume_decimals = max(_digits(row.volume) for row in rows)
    return CandleFile(tuple(rows), price_decimals, min(volume_decimals, MAX_DECIMALS))


def _open(path: Path) -> IO[str]:
    with path.open("rb") as probe:
        zipped = probe.read(2) == b"\x1f\x8b"
    if zipped:
        return io.TextIOWrapper(gzip.open(path, "rb"), encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")


def _rows(path: Path, handle: IO[str], interval_ms: int, accept_gaps: bool) -> Iterator[FileCandle]:
    reader = csv.reader(handle)
    header = next(reader, None)
    if header is None or tuple(cell.strip() for cell in header) != HEADER:
        found = "nothing" if header is None else ",".join(header)
        raise DataError(
            f"candle file {path}, line 1: the header must be {','.join(HEADER)!r}, found {found!r}"
        )
    previous: FileCandle | None = None
    for cells in reader:
        if not cells:
            continue
        where = f"candle file {path}, line {reader.line_num}"
        row = _parse(where, cells)
        if row.start_ms % interval_ms:
            raise DataError(
                f"{where}: ts {cells[0]!r} is not on a boundary of the interval ({interval_ms} ms)"
            )
        if previous is not None:
            yield from _fill(where, cells[0], previous, row, interval_ms, accept_gaps)
        yield row
        previous = row


def _fill(
    where: str, ts: str, previous: FileCandle, row: FileCandle, interval_ms: int, accept_gaps: bool
) -> Iterator[FileCandle]:
    step = row.start_ms - previous.start_ms
    if step == 0:
        raise DataError(f"{where}: ts {ts!r} appears twice; remove the duplicate")
    if step < 0:
        raise DataError(f"{where}: ts {ts!r} is earlier than the row before; sort the file by ts")
    missing = step // interval_ms - 1
    if missing and not accept_gaps:
        raise DataError(
            f"{where}: {missing} candle(s) are missing before ts {ts!r}; repair the file or accept gaps explicitly"
        )
    last = previous.close
    for index in range(1, missing + 1):
        start_ms = previous.start_ms + index * interval_ms
        yield FileCandle(start_ms, last, last, last, last, Decimal(0), Decimal(0))


def _parse(where: str, cells: list[str]) -> FileCandle:
    if len(cells) != len(HEADER):
        raise DataError(f"{where}: {len(cells)} cells where {len(HEADER)} are expected: {','.join(cells)!r}")
    start_ms = _timestamp(where, cells[0].strip())
    prices = [_price(where, name, cell) for name, cell in zip(HEADER[1:5], cells[1:5], strict=True)]
    open_, high, low, close = prices
    if high < max(open_, close) or low > min(open_, close):
        raise DataError(f"{where}: high {high} and low {low} do not enclose open {open_} and close {close}")
    volume = _quantity(where, "volume", cells[5])
    amount = _quantity(where, "amount", cells[6])
    return FileCandle(start_ms, open_, high, low, close, volume, amount)


def _timestamp(where: str, cell: str) -> int:
    if cell.isdigit():
        return int(cell)
    try:
        moment = datetime.fromisoformat(cell)
    except ValueError as error:
        raise DataError(f"{where}: ts {cell!r} is neither ISO 8601 nor epoch milliseconds") from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)


def _number(where: str, name: str, cell: str) -> Decimal:
    try:
        value = Decimal(cell.strip())
    except InvalidOperation as error:
        raise DataError(f"{where}: {name} {cell!r} is not a number") from error
    if not value.is_finite():
        raise DataError(f"{where}: {name} {cell!r} is not a finite number")
    return value


def _price(where: str, name: str, cell: str) -> Decimal:
    value = _number(where, name, cell)
    if value <= 0:
        raise DataError(f"{where}: {name} {cell!r} must be above 0")
    if _digits(value) > MAX_DECIMALS:
        raise DataError(f"{where}: {name} {cell!r} has more than {MAX_DECIMALS} decimals")
    return value


def _quantity(where: str, name: str, cell: str) -> Decimal | None:
    if not cell.strip():
        return None
    value = _number(where, name, cell)
    if value < 0:
        raise DataError(f"{where}: {name} {cell!r} must not be negative")
    return value


def _digits(value: Decimal | None) -> int:
    return 0 if value is None or not value else decimals_of(value)
