"""The quick way through a tidy CSV: all rows at once where every row is written alike, else nothing is decided here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

_TIDY_ISO: Final = re.compile(rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(Z|\+00:00)?")
_STAMP: Final = 19
"""Length of 2026-01-01T00:00:00."""
_DATE: Final = 10
"""Length of 2026-01-01."""
_LONGEST_NUMBER: Final = 15
_LONGEST_SECONDS: Final = 10**11


def read_plain(
    body: str, at: Mapping[str, int], columns: tuple[str, ...]
) -> tuple[NDArray[np.int64], NDArray[np.float64]] | None:
    """Open times in milliseconds and numbers of every row of `body`, the text under the header.

    Args:
        body: rows, one a line.
        at: our name of a column -> its place.
        columns: `ts` and the six numbers.

    Returns:
        None where a row is not plain (quotes, blank lines, times written in another way, a word for a number...): the careful
        way must read it.
    """
    text = body.replace("\r\n", "\n").strip("\n")
    if not text or '"' in text or "_" in text or "\n\n" in text or "\r" in text:
        return None
    text = f"{text}\n".replace(",,", ",nan,").replace(",,", ",nan,").replace(",\n", ",nan\n")
    places = sorted((place, name) for name, place in at.items())
    layout = [(name, "S26" if name == "ts" else "f8") for _, name in places]
    try:
        table = np.loadtxt(
            text.split("\n")[:-1],
            delimiter=",",
            dtype=np.dtype(layout),
            comments=None,
            usecols=[place for place, _ in places],
            ndmin=1,
        )
    except ValueError:
        return None
    times = _times(table["ts"])
    if times is None:
        return None
    unknown = np.full(len(table), np.nan)
    numbers = [table[name] if name in at else unknown for name in columns[1:]]
    return times, np.column_stack(numbers)


def _times(cells: NDArray[np.bytes_]) -> NDArray[np.int64] | None:
    """Milliseconds since the epoch; None unless all are ISO times of UTC to the second, or all whole numbers."""
    width = len(cells[0])
    if (np.char.str_len(cells) != width).any():
        return None
    if np.char.isdigit(cells).all() and width <= _LONGEST_NUMBER:
        numbers = cells.astype(np.int64)
        return np.asarray(np.where(numbers < _LONGEST_SECONDS, numbers * 1000, numbers))
    if _TIDY_ISO.fullmatch(cells[0]) is None or not _written_alike(cells):
        return None
    try:
        moments = np.char.decode(cells.astype(f"S{_STAMP}"), "ascii").astype("datetime64[s]")
    except ValueError:
        return None
    return np.asarray(moments.astype(np.int64) * 1000)


def _written_alike(cells: NDArray[np.bytes_]) -> bool:
    """Whether date and time are parted, and the zone is told, in all of `cells` as in the first."""
    letters = np.ascontiguousarray(cells).view(np.uint8).reshape(len(cells), -1)
    fixed = [_DATE, *range(_STAMP, letters.shape[1])]
    return bool((letters[:, fixed] == letters[0, fixed]).all())
