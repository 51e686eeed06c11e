"""Candle files that models learn and forecast from: every row good, gaps allowed, something to learn in them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kokex.adapters.candle_files import CandleFile, RowFlaw, read_candle_file
from kokex.domain.errors import DataError

_PRICES: Final = slice(0, 4)
_VOLUME: Final = 4
LENIENT: Final = "leave such rows out: `kokex data import` and `kokex forecast` do with --lenient"


def read_model_candles(path: Path, *, inst_id: str | None = None, lenient: bool = False) -> CandleFile:
    """Read a file. A gap is no flaw: no window crosses one.

    Args:
        path: CSV, plain or gzip, or Parquet or feather.
        inst_id: the instrument; guessed from the file's name if not given.
        lenient: leave flawed rows out, and take a volume of nothing for an unknown one.

    Raises:
        DataError: there is no such file, a row of it is flawed (NaN, infinite, out of order, repeated, off the interval), its
            prices never move, or its volume is zero throughout.
    """
    file = read_candle_file(path, strict=False, inst_id=inst_id)
    flaws = [flaw for flaw in file.report.flaws if flaw.kind is not RowFlaw.GAP]
    if flaws and not lenient:
        first = min(flaws, key=lambda flaw: flaw.examples[0].line)
        example = first.examples[0]
        raise DataError(
            f"{path} line {example.line}: the row {first.kind.value}: {example.value}; mend it, or {LENIENT}"
        )
    check_movement(str(path), file.values)
    if not lenient and np.isfinite(file.values[:, _VOLUME]).all() and not file.values[:, _VOLUME].any():
        raise DataError(f"{path}: the volume is zero throughout; leave the column out where it is unknown")
    return file


def check_movement(name: str, values: NDArray[np.float64]) -> None:
    """values (n, 6). Raise `DataError` where no price ever moves."""
    prices = values[:, _PRICES]
    if len(prices) > 1 and prices.min() == prices.max():
        raise DataError(
            f"{name}: the price is {prices[0, 0]:g} in all of its {len(prices)} candles; there is nothing to learn in it"
        )
