"""Candle files are read exactly or refused with one sentence that names the line and the value."""

from __future__ import annotations

import gzip
from decimal import Decimal
from pathlib import Path

import pytest

from kokex.domain.errors import ConfigurationError, DataError
from kokex.paper.market.candle_file import CandleFile, read_candle_file

HOUR = 3_600_000
HEADER = "ts,open,high,low,close,volume,amount"
FIRST = "2024-01-01T00:00:00Z,10,12,9.5,11,100.25,1050"


def read(tmp_path: Path, *lines: str, accept_gaps: bool = False) -> CandleFile:
    path = tmp_path / "candles.csv"
    path.write_text("\n".join(lines) + "\n")
    return read_candle_file(path, interval_ms=HOUR, accept_gaps=accept_gaps)


def test_iso_and_epoch_times_and_blank_cells(tmp_path: Path) -> None:
    """Both spellings of a time are read; blank volume and amount stay unknown."""
    file = read(tmp_path, HEADER, FIRST, f"{1_704_067_200_000 + HOUR},11,11.125,10,10.5,,")
    assert [row.start_ms for row in file.rows] == [1_704_067_200_000, 1_704_067_200_000 + HOUR]
    assert file.rows[0].volume == Decimal("100.25")
    assert (file.rows[1].volume, file.rows[1].amount) == (None, None)
    assert (file.price_decimals, file.volume_decimals) == (3, 2)


def test_gzip_is_recognised_by_content(tmp_path: Path) -> None:
    """A compressed file needs no special name."""
    path = tmp_path / "candles.csv"
    path.write_bytes(gzip.compress(f"{HEADER}\n{FIRST}\n".encode()))
    assert len(read_candle_file(path, interval_ms=HOUR, accept_gaps=False).rows) == 1


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["time,open", FIRST], ["line 1", "time,open"]),
        ([HEADER], ["no rows"]),
        ([HEADER, FIRST, FIRST], ["line 3", "twice", "2024-01-01T00:00:00Z"]),
        ([HEADER, FIRST, "2023-12-31T23:00:00Z,1,1,1,1,,"], ["line 3", "earlier"]),
        ([HEADER, FIRST, "2024-01-01T04:00:00Z,1,1,1,1,,"], ["line 3", "3 candle(s) are missing"]),
        ([HEADER, "2024-01-01T00:30:00Z,1,1,1,1,,"], ["line 2", "boundary"]),
        ([HEADER, "yesterday,1,1,1,1,,"], ["line 2", "'yesterday'"]),
        ([HEADER, "2024-01-01T00:00:00Z,1,x,1,1,,"], ["line 2", "high 'x'"]),
        ([HEADER, "2024-01-01T00:00:00Z,1,2,1,nan,,"], ["line 2", "close 'nan'"]),
        ([HEADER, "2024-01-01T00:00:00Z,0,2,1,1,,"], ["line 2", "open '0'"]),
        ([HEADER, "2024-01-01T00:00:00Z,3,2,1,1,,"], ["line 2", "enclose open 3"]),
        ([HEADER, "2024-01-01T00:00:00Z,1,1,1,1,-4,"], ["line 2", "volume '-4'"]),
        ([HEADER, "2024-01-01T00:00:00Z,1,1,1,1"], ["line 2", "5 cells"]),
        ([HEADER, "2024-01-01T00:00:00Z,1.123456789,2,1,1,,"], ["line 2", "8 decimals"]),
    ],
)
def test_a_bad_file_is_refused_with_its_line_and_value(
    tmp_path: Path, lines: list[str], words: list[str]
) -> None:
    """Each flaw gives one error."""
    with pytest.raises(DataError) as caught:
        read(tmp_path, *lines)
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert "\n" not in str(caught.value)


def test_gaps_are_filled_flat_where_accepted(tmp_path: Path) -> None:
    """A missing hour repeats the last close without volume."""
    file = read(tmp_path, HEADER, FIRST, "2024-01-01T02:00:00Z,11,12,10,12,5,", accept_gaps=True)
    filled = file.rows[1]
    assert (filled.start_ms, filled.open, filled.high, filled.close) == (
        1_704_067_200_000 + HOUR,
        Decimal(11),
        Decimal(11),
        Decimal(11),
    )
    assert filled.volume == 0


def test_a_missing_file_is_a_setting_to_mend(tmp_path: Path) -> None:
    """The message names the file."""
    with pytest.raises(ConfigurationError, match=r"nothere\.csv"):
        read_candle_file(tmp_path / "nothere.csv", interval_ms=HOUR, accept_gaps=False)


def test_binary_rubbish_is_not_text(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 are refused in a sentence."""
    path = tmp_path / "candles.csv"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="UTF-8"):
        read_candle_file(path, interval_ms=HOUR, accept_gaps=False)
