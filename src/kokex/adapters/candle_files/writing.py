"""Writing candles as `read_candle_file` reads them."""

from __future__ import annotations

import gzip
from math import isnan
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kokex.adapters.candle_files.columnar import SUFFIXES, write_columnar
from kokex.adapters.candle_files.rows import COLUMNS
from kokex.domain.candle_rows import CandleRows
from kokex.domain.errors import DataError


def write_candle_file(path: Path, open_times: NDArray[np.int64], values: NDArray[np.float64]) -> None:
    """Write a candle file; the whole of it or nothing.

    The name's ending tells the format: `.parquet`, `.feather` (freqtrade's layout, which has no amount), else CSV, gzip where it
    is `.gz`. Reading it back gives the same numbers, bit for bit; the same candles give the same bytes.

    Args:
        path: the file; its folder exists.
        open_times: (n,) int64, seconds since the epoch, UTC.
        values: (n, 6) float64: open, high, low, close, volume, amount; nan where unknown.

    Raises:
        DataError: the file cannot be written.
        ConfigurationError: a library that the format needs is not installed.
    """
    try:
        if path.suffix in SUFFIXES:
            write_columnar(path, CandleRows(open_times, values))
        else:
            _write_csv(path, open_times, values)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror or error}") from error


def _write_csv(path: Path, open_times: NDArray[np.int64], values: NDArray[np.float64]) -> None:
    stamps = np.datetime_as_string(open_times.astype("datetime64[s]"), unit="s").tolist()
    lines = [",".join(COLUMNS)]
    for stamp, row in zip(stamps, values.tolist(), strict=True):
        lines.append(f"{stamp}Z,{','.join('' if isnan(number) else repr(number) for number in row)}")
    content = ("\n".join(lines) + "\n").encode()
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
    fresh.replace(path)
