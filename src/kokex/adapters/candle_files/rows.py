"""From a file's bytes to rows of numbers: unzipping, the header's names, times and numbers as people write them."""

from __future__ import annotations

import gzip
import zlib
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kokex.adapters.candle_files.plain import read_plain
from kokex.adapters.candle_files.report import FlawCounter, RowFlaw
from kokex.domain.errors import DataError

COLUMNS = ("ts", "open", "high", "low", "close", "volume", "amount")
_NEEDED = COLUMNS[:5]
_OTHER_NAMES = {
    "ts": ("timestamp", "time", "date", "datetime", "open_time", "opentime"),
    "open": ("o", "open_price"),
    "high": ("h", "high_price"),
    "low": ("l", "low_price"),
    "close": ("c", "close_price"),
    "volume": ("vol", "base_volume", "volume_base"),
    "amount": ("turnover", "quote_volume", "volume_quote", "quote_asset_volume"),
}
_MEANING = {name: column for column, names in _OTHER_NAMES.items() for name in (column, *names)}
_EARLIEST_MS = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp()) * 1000
_LATEST_MS = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp()) * 1000
_SHOWN = 80


@dataclass(slots=True)
class Rows:
    """Rows that can be read.

    Attributes:
        lines: (n,) int64, line in the file.
        times: (n,) int64, open time, milliseconds since the epoch.
        values: (n, 6) float64: open, high, low, close, volume, amount; nan where blank.
    """

    lines: NDArray[np.int64]
    times: NDArray[np.int64]
    values: NDArray[np.float64]

    def keep(self, good: NDArray[np.bool_] | NDArray[np.intp]) -> None:
        """Keep these rows only (a mask), or in this order (indices)."""
        self.lines, self.times, self.values = self.lines[good], self.times[good], self.values[good]

    def __len__(self) -> int:
        return len(self.times)


@dataclass(frozen=True, slots=True)
class Header:
    """Which column of the file means what.

    Attributes:
        at: our name -> the file's column, counted from 0.
        ignored: names of columns that mean nothing here.
    """

    at: Mapping[str, int]
    ignored: tuple[str, ...]


def read_lines(path: Path) -> list[str]:
    """The file's lines, unzipped where it is gzip (told by its content).

    Raises:
        DataError: there is no such file, or it is empty, damaged or no text.
    """
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not a CSV file: byte {error.start} is no text (UTF-8)") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is damaged or cut off: {error}") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    if not text.strip():
        raise DataError(f"{path} is empty; a candle file begins with {','.join(COLUMNS)}")
    return text.split("\n")


def read_header(path: Path, line: str) -> Header:
    """Find the columns in a CSV's first line. Raises as `find_columns`."""
    return find_columns(path, [_bare(name) for name in line.split(",")], f" line 1: the header {shown(line)}")


def find_columns(path: Path, names: Sequence[str], where: str = ": the file") -> Header:
    """Find the columns by the names that people give them.

    Raises:
        DataError: a column that is needed is missing, or two mean the same.
    """
    at: dict[str, int] = {}
    ignored = []
    for index, name in enumerate(names):
        column = _MEANING.get(name.lower().replace(" ", "_"))
        if column is None:
            ignored.append(name)
        elif column in at:
            raise DataError(f"{path} line 1: {names[at[column]]!r} and {name!r} both mean {column}; drop one")
        else:
            at[column] = index
    missing = [column for column in _NEEDED if column not in at]
    if missing:
        raise DataError(
            f"{path}{where} lacks {', '.join(missing)}; a candle file begins with {','.join(COLUMNS)}"
        )
    return Header(at, tuple(ignored))


def read_rows(lines: Sequence[str], header: Header, flaws: FlawCounter) -> tuple[int, Rows]:
    """Read the rows under the header; how many there were, and those that can be read."""
    plain = read_plain("\n".join(lines[1:]), header.at, COLUMNS)
    if plain is not None and _within_years(plain[0]):
        times, values = plain
        return len(times), Rows(np.arange(2, len(times) + 2, dtype=np.int64), times, values)
    return _read_carefully(lines, header, flaws)


def _within_years(times: NDArray[np.int64]) -> bool:
    return bool(((times >= _EARLIEST_MS) & (times < _LATEST_MS)).all())


def _read_carefully(lines: Sequence[str], header: Header, flaws: FlawCounter) -> tuple[int, Rows]:
    at_time = header.at["ts"]
    at_numbers = [header.at.get(column) for column in COLUMNS[1:]]
    width = max(header.at.values()) + 1
    numbers_of_lines, times, numbers = array("q"), array("q"), array("d")
    count = 0
    for line, text in enumerate(lines[1:], 2):
        if not text.strip():
            continue
        count += 1
        cells = text.split(",")
        if len(cells) < width:
            flaws.add(RowFlaw.UNREADABLE, line, f"{shown(text)} has {len(cells)} cells, not {width}")
            continue
        try:
            time = _open_time_ms(cells[at_time])
            row = [_number(cells[at]) if at is not None else np.nan for at in at_numbers]
        except ValueError as error:
            flaws.add(RowFlaw.UNREADABLE, line, str(error))
            continue
        numbers_of_lines.append(line)
        times.append(time)
        numbers.extend(row)
    return count, Rows(
        np.array(numbers_of_lines, dtype=np.int64),
        np.array(times, dtype=np.int64),
        np.array(numbers, dtype=np.float64).reshape(-1, 6),
    )


def time_text(time_ms: int) -> str:
    """A time as the files write it."""
    moment = datetime.fromtimestamp(time_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds" if time_ms % 1000 else "seconds").replace("+00:00", "Z")


def shown(text: str) -> str:
    """A value as messages quote it: whole if short, else its beginning."""
    bare = text.strip()
    return repr(bare if len(bare) <= _SHOWN else bare[:_SHOWN] + "…")


def _bare(cell: str) -> str:
    """A cell without the blanks and quotation marks around it."""
    return cell.strip().strip('"').strip()


def _number(cell: str) -> float:
    """A cell's number; nan where it is blank. Raises ValueError: it is neither."""
    try:
        if "_" not in cell:
            return float(cell)
    except ValueError:
        pass
    bare = _bare(cell)
    if not bare:
        return np.nan
    if "_" in bare or bare == cell.strip():
        raise ValueError(f"{shown(cell)} is not a number")
    return _number(bare)


def _open_time_ms(cell: str) -> int:
    """A cell's time. Raises ValueError: it is none, or lies outside 2000 to 2099."""
    text = _bare(cell)
    if text.isdecimal():
        time = int(text) * (1000 if len(text) <= 11 else 1)
    else:
        try:
            moment = datetime.fromisoformat(text)
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
            time = round(moment.timestamp() * 1000)
        except (ValueError, OverflowError):
            raise ValueError(f"{shown(cell)} is not a time") from None
    if not _EARLIEST_MS <= time < _LATEST_MS:
        raise ValueError(f"the time {shown(cell)} is not between 2000 and 2099")
    return time
