"""Files that models learn and forecast from: each kind of flaw is refused in a sentence of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kokex.adapters.model_candles import read_model_candles
from kokex.domain.errors import DataError

Row = list[object]
Spoil = Callable[[list[Row]], list[Row]]


def rows() -> list[Row]:
    """Thirty hours."""
    return [
        [1_735_689_600 + 3600 * hour, 100 + hour, 103 + hour, 99 + hour, 101 + hour, 5, 500]
        for hour in range(30)
    ]


def write(path: Path, table: list[Row]) -> Path:
    """As a file."""
    lines = [",".join(str(cell) for cell in row) for row in table]
    path.write_text("\n".join(["ts,open,high,low,close,volume,amount", *lines]) + "\n")
    return path


def cell(row: int, column: int, value: object) -> Spoil:
    """One value replaced."""

    def spoil(table: list[Row]) -> list[Row]:
        table[row][column] = value
        return table

    return spoil


def constant(table: list[Row]) -> list[Row]:
    """No price moves."""
    return [[row[0], 50, 50, 50, 50, 5, 250] for row in table]


def silent(table: list[Row]) -> list[Row]:
    """Nothing is traded."""
    return [[*row[:5], 0, 0] for row in table]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (cell(10, 4, "nan"), "line 12: the row cannot be a candle"),
        (cell(29, 4, "nan"), "line 31: the row cannot be a candle"),
        (cell(10, 2, "inf"), "line 12: the row cannot be a candle"),
        (cell(10, 1, "-5"), "line 12: the row cannot be a candle"),
        (lambda table: [*table[:10], table[11], table[10], *table[12:]], "line 13: the row is older"),
        (lambda table: [*table[:10], table[9], *table[10:]], "line 12: the row repeats an earlier row"),
        (
            cell(10, 0, 1_735_689_600 + 3600 * 10 + 900),
            "line 12: the row does not open on the interval's grid",
        ),
        (constant, "the price is 50 in all of its 30 candles"),
        (silent, "the volume is zero throughout"),
    ],
)
def test_a_flaw_is_named_with_its_line(tmp_path: Path, spoil: Spoil, words: str) -> None:
    """Even the last row's, which the forecast would stand on."""
    with pytest.raises(DataError, match=words):
        read_model_candles(write(tmp_path / "a.csv", spoil(rows())))


def test_leniently_good_rows_are_kept(tmp_path: Path) -> None:
    """Where a person says so; constant prices stay useless."""
    file = write(tmp_path / "a.csv", silent(cell(10, 4, "nan")(rows())))
    assert len(read_model_candles(file, lenient=True)) == 29
    with pytest.raises(DataError, match="the price is 50"):
        read_model_candles(write(tmp_path / "b.csv", constant(rows())), lenient=True)


def test_a_gap_is_no_flaw(tmp_path: Path) -> None:
    """No window crosses it."""
    file = read_model_candles(write(tmp_path / "a.csv", [*rows()[:10], *rows()[15:]]))
    assert [len(stretch) for stretch in file.segments("ETH-USDT")] == [10, 15]
