"""Candles in Parquet, and in freqtrade's feather files, through polars: the only module that knows it.

Parquet has the columns of the CSV, `ts` being a UTC timestamp in milliseconds. Freqtrade's layout (a file for each pair and
timeframe, such as `ETH_USDT-1h.feather`) is `date, open, high, low, close, volume` with a UTC timestamp in milliseconds: it has no
place for the amount.
"""

# ruff: noqa: PLC0415 - polars is optional and takes long to import

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from kokex.adapters.candle_files.rows import COLUMNS, Rows, find_columns
from kokex.adapters.model_libraries import missing_libraries
from kokex.domain.candle_rows import AMOUNT, CandleRows
from kokex.domain.errors import ConfigurationError, DataError

if TYPE_CHECKING:
    import polars

PARQUET: Final = ".parquet"
FEATHER: Final = ".feather"
SUFFIXES: Final = (PARQUET, FEATHER)


def read_columnar(path: Path) -> tuple[Rows, tuple[str, ...]]:
    """All rows of a Parquet or feather file, and the columns that mean nothing here.

    Raises:
        DataError: there is no such file, it is damaged, or has not the columns of candles.
        ConfigurationError: polars is not installed.
    """
    _require_polars()
    import polars

    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    try:
        table = polars.read_parquet(content) if path.suffix == PARQUET else polars.read_ipc(content)
    except (polars.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{path} is no {path.suffix[1:]} file, or damaged: {error}") from error
    header = find_columns(path, table.columns)
    try:
        times = _milliseconds(table[table.columns[header.at["ts"]]])
        values = np.full((len(table), len(COLUMNS) - 1), np.nan)
        for column, name in enumerate(COLUMNS[1:]):
            if name in header.at:
                numbers = table[table.columns[header.at[name]]].cast(polars.Float64)
                values[:, column] = numbers.fill_null(np.nan).to_numpy()
    except polars.exceptions.PolarsError as error:
        raise DataError(f"{path} has a column that does not hold numbers or times: {error}") from error
    return Rows(np.arange(1, len(table) + 1, dtype=np.int64), times, values), header.ignored


def write_columnar(path: Path, rows: CandleRows) -> None:
    """Write `rows` as Parquet or in freqtrade's layout, by the name's ending; the whole file or nothing.

    Raises:
        ConfigurationError: polars is not installed.
    """
    _require_polars()
    import polars

    stamp = polars.Series(rows.open_times * 1000).cast(polars.Datetime("ms", "UTC"))
    feather = path.suffix == FEATHER
    columns: dict[str, object] = {"date" if feather else "ts": stamp}
    for column, name in enumerate(COLUMNS[1:]):
        if not (feather and column == AMOUNT):
            numbers = polars.Series(np.ascontiguousarray(rows.values[:, column]))
            columns[name] = numbers if feather else numbers.fill_nan(None)
    table = polars.DataFrame(columns)
    fresh = path.with_name(f".{path.name}.new")
    if feather:
        table.write_ipc(fresh, compression="lz4")
    else:
        table.write_parquet(fresh)
    fresh.replace(path)


def _milliseconds(stamps: polars.Series) -> NDArray[np.int64]:
    import polars

    if stamps.dtype == polars.String:
        stamps = stamps.str.to_datetime(time_unit="ms", time_zone="UTC", strict=True)
    if stamps.dtype.is_temporal():
        stamps = stamps.cast(polars.Datetime("ms")).to_physical()
    elif stamps.dtype.is_integer() and len(stamps) and int(stamps.max()) < 10**11:
        stamps = stamps.cast(polars.Int64) * 1000
    return np.asarray(stamps.cast(polars.Int64).to_numpy(), dtype=np.int64)


def _require_polars() -> None:
    if missing_libraries(("polars",)):
        raise ConfigurationError(
            "Parquet and feather files need polars, which this installation does not have; `make up` (or `make test`) in the "
            "checkout sets it up, or install kokex with its extra: kokex[model]. CSV needs nothing more"
        )
