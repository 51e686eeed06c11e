"""Candles to and from PostgreSQL as blocks of bytes, built and read as arrays without a Python value for each number.

A file of binary COPY is a signature, then rows: the number of fields, then each field behind its own length; numbers are
big-endian, a timestamp counts microseconds from 2000-01-01 UTC. (Documented in the server's manual under COPY.)
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

from kokex.domain.candle_rows import AMOUNT, COLUMNS, VOLUME, CandleKey, CandleRows
from kokex.domain.time_range import TimeRange

STAGING: Final = "candle_staging"
_ROWS_AT_ONCE: Final = 50_000
_SIGNATURE: Final = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_TRAILER: Final = b"\xff\xff"
_EPOCH_SECONDS: Final = 946_684_800
"""2000-01-01 UTC."""
_MICROSECONDS: Final = 1_000_000
_NUMBER: Final = 8
_NULL: Final = -1

_CREATE: Final = sql.SQL("CREATE TEMP TABLE {} (open_time timestamptz, {}) ON COMMIT DROP").format(
    sql.Identifier(STAGING), sql.SQL(", ").join(sql.SQL(f"{name} float8") for name in COLUMNS)
)
_SENT: Final = np.dtype([("time", ">i8"), *((name, ">f8") for name in COLUMNS)])
_READ: Final = (
    # One value for all rows: a message for each would cost more than reading them. Unknown is NaN.
    b"SELECT string_agg(timestamptz_send(open_time) || float8send(open) || float8send(high) || float8send(low)"
    b" || float8send(close) || float8send(coalesce(volume, 'NaN')) || float8send(coalesce(amount, 'NaN')), '')"
    b" FROM candles WHERE market = %(market)s AND inst_id = %(inst_id)s AND interval = %(interval)s"
    b" AND open_time >= %(start)s AND open_time < %(end)s"
)
CANDLES_AT_ONCE: Final = 4_000_000
"""As many as fit into one value of the database (1 GB) several times over."""


def goes_straight(rows: CandleRows) -> bool:
    """Whether `rows` can be copied into `candles` itself: volume and amount each known everywhere or nowhere."""
    unknown = np.isnan(rows.values[:, [VOLUME, AMOUNT]]).mean(axis=0)
    return bool(np.isin(unknown, (0.0, 1.0)).all())


async def copy_straight(connection: psycopg.AsyncConnection[Any], key: CandleKey, rows: CandleRows) -> None:
    """Put `rows`, for which `goes_straight`, into `candles`; none of them is there yet."""
    names = (key.market.encode(), key.inst_id.encode(), key.interval.name.encode())
    columns = [name for column, name in enumerate(COLUMNS) if not np.isnan(rows.values[:, column]).all()]
    await _copy(connection, "candles", rows, names, columns)


async def copy_to_staging(connection: psycopg.AsyncConnection[Any], rows: CandleRows) -> None:
    """Put `rows` into a table `candle_staging` that lives as long as the transaction; unknown is NaN there."""
    await connection.execute(_CREATE)
    await _copy(connection, STAGING, rows, (), list(COLUMNS))


async def read_rows(
    connection: psycopg.AsyncConnection[Any], key: CandleKey, window: TimeRange
) -> CandleRows:
    """The candles that open in `window`, in order of time; there may be at most `CANDLES_AT_ONCE`."""
    names = {"market": key.market, "inst_id": key.inst_id, "interval": key.interval.name}
    async with connection.cursor(binary=True) as cursor:
        await cursor.execute(_READ, {**names, "start": window.start, "end": window.end})
        row = await cursor.fetchone()
    content: bytes = row[0] or b"" if row else b""
    table = np.frombuffer(content, dtype=_SENT)
    times = table["time"].astype(np.int64) // _MICROSECONDS + _EPOCH_SECONDS
    values = np.empty((len(table), len(COLUMNS)))
    for column, name in enumerate(COLUMNS):
        values[:, column] = table[name]
    if (np.diff(times) > 0).all():
        return CandleRows(times, values)
    return CandleRows(times, values)[np.argsort(times)]


async def _copy(
    connection: psycopg.AsyncConnection[Any],
    table: str,
    rows: CandleRows,
    names: tuple[bytes, ...],
    known: list[str],
) -> None:
    statement = sql.SQL("COPY {} FROM STDIN (FORMAT BINARY)").format(sql.Identifier(table))
    async with connection.cursor() as cursor, cursor.copy(statement) as copy:
        await copy.write(_SIGNATURE)
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            await copy.write(_encoded(rows[start : start + _ROWS_AT_ONCE], names, known).tobytes())
        await copy.write(_TRAILER)


def _encoded(rows: CandleRows, names: tuple[bytes, ...], known: list[str]) -> NDArray[Any]:
    """Rows of `names`, open time and the six numbers; columns that are not `known` are NULL."""
    texts = [(f"name{at}", f"S{len(name)}") for at, name in enumerate(names)]
    fields = [*texts, ("time", ">i8"), *((name, ">f8" if name in known else "V0") for name in COLUMNS)]
    layout = [("fields", ">i2")]
    for name, kind in fields:
        layout += [(f"{name}_length", ">i4")] + ([(name, kind)] if kind != "V0" else [])
    table = np.empty(len(rows), dtype=layout)
    table["fields"] = len(fields)
    for at, text in enumerate(names):
        table[f"name{at}_length"], table[f"name{at}"] = len(text), text
    table["time_length"], table["time"] = _NUMBER, (rows.open_times - _EPOCH_SECONDS) * _MICROSECONDS
    for column, name in enumerate(COLUMNS):
        table[f"{name}_length"] = _NUMBER if name in known else _NULL
        if name in known:
            table[name] = rows.values[:, column]
    return table
