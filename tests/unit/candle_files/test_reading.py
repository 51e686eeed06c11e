"""Reading candle files: good ones whole, bad ones with each flaw counted and named."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from kokex.adapters.candle_files import (
    CandleFile,
    RowFlaw,
    guess_exchange,
    guess_inst_id,
    read_candle_file,
    read_raw_rows,
)
from kokex.domain.candle import Candle, Interval
from kokex.domain.errors import DataError

HEADER = "ts,open,high,low,close,volume,amount"
HOURS = [f"2024-01-01T{hour:02}:00:00Z,10,12,9,11,{hour},100" for hour in range(6)]


@pytest.fixture
def written(tmp_path: Path):
    """Write lines to `ETH-USDT_1H.csv` and give its path."""

    def write(*lines: str, name: str = "ETH-USDT_1H.csv", end: str = "\n") -> Path:
        path = tmp_path / name
        path.write_text(end.join(lines) + end, "utf-8", newline="")
        return path

    return write


def flaws(file: CandleFile) -> dict[RowFlaw, list[tuple[int, str]]]:
    """Examples by kind."""
    return {flaw.kind: [(seen.line, seen.value) for seen in flaw.examples] for flaw in file.report.flaws}


def test_a_good_file_is_read_whole(written) -> None:
    """Every row becomes a candle; instrument and interval are told by the name and the rows."""
    file = read_candle_file(written(HEADER, *HOURS))
    assert (file.inst_id, file.interval, len(file)) == ("ETH-USDT", Interval("1H"), 6)
    assert file.report.is_clean
    assert (file.report.rows, file.report.kept, file.report.missing) == (6, 6, 0)
    assert next(file.candles()) == Candle(datetime(2024, 1, 1, tzinfo=UTC), 10, 12, 9, 11, 0.0, 100.0)
    [series] = file.segments()
    assert series.close_time == datetime(2024, 1, 1, 6, tzinfo=UTC)


def test_gzip_is_told_by_content_and_windows_ends_and_marks_are_read(written, tmp_path: Path) -> None:
    """A zipped file with a byte order mark and CRLF ends, its name without .gz."""
    plain = written("\ufeff" + HEADER, *HOURS, end="\r\n")
    zipped = tmp_path / "zipped.csv"
    zipped.write_bytes(gzip.compress(plain.read_bytes()))
    assert np.array_equal(read_candle_file(zipped).values, read_candle_file(plain).values)


@pytest.mark.parametrize(
    "times",
    [
        ["1704067200", "1704070800"],
        ["1704067200000", "1704070800000"],
        ["2024-01-01 00:00:00", "2024-01-01 01:00:00"],
        ["2024-01-01T08:00:00+08:00", "2024-01-01T09:00:00+08:00"],
        ['"2024-01-01T00:00:00.000Z"', '"2024-01-01T01:00:00.000Z"'],
    ],
)
@pytest.mark.parametrize("name", ["ts", "Timestamp", "date", "Open Time"])
def test_times_are_read_as_people_write_them(written, times: list[str], name: str) -> None:
    """ISO with or without a zone, epoch seconds, epoch milliseconds, quoted."""
    file = read_candle_file(written(f"{name},open,high,low,close", *(f"{time},1,2,1,2" for time in times)))
    assert file.open_times.tolist() == [1704067200, 1704070800]


def test_columns_stand_in_any_order_and_may_be_missing(written) -> None:
    """Unknown columns are ignored and said; volume without amount leaves the amount unknown."""
    rows = [f"x,{hour},9,10,12,11,2024-01-01T0{hour}:00:00Z" for hour in range(2)]
    file = read_candle_file(written("note,Volume,l,o,h,c,time", *rows))
    assert file.values[1, :5].tolist() == [10, 12, 9, 11, 1]
    assert np.isnan(file.values[:, 5]).all()
    assert [candle.amount for candle in file.candles()] == [None, None]
    assert file.report.ignored_columns == ("note",)


def test_a_blank_volume_is_unknown_not_zero(written) -> None:
    """Blank cells stay unknown."""
    file = read_candle_file(written(HEADER, *(row.rsplit(",", 2)[0] + ",," for row in HOURS)))
    assert [candle.volume for candle in file.candles()] == [None] * 6


BROKEN_ROWS = [
    ("2024-01-01T02:00:00Z,10,12,abc,11,1,1", RowFlaw.UNREADABLE, "'abc' is not a number"),
    ("2024-01-01T02:00:00Z,10,12,9,1_1,1,1", RowFlaw.UNREADABLE, "'1_1' is not a number"),
    ("2024-13-01T02:00:00Z,10,12,9,11,1,1", RowFlaw.UNREADABLE, "'2024-13-01T02:00:00Z' is not a time"),
    ("0,10,12,9,11,1,1", RowFlaw.UNREADABLE, "the time '0' is not between 2000 and 2099"),
    ("2024-01-01T02:00:00Z,10,12", RowFlaw.UNREADABLE, "has 3 cells, not 7"),
    ("2024-01-01T02:00:00Z,,12,9,11,1,1", RowFlaw.IMPOSSIBLE, "prices must be positive"),
    ("2024-01-01T02:00:00Z,inf,inf,9,11,1,1", RowFlaw.IMPOSSIBLE, "prices must be positive"),
    ("2024-01-01T02:00:00Z,10,12,0,11,1,1", RowFlaw.IMPOSSIBLE, "prices must be positive"),
    ("2024-01-01T02:00:00Z,10,10.5,9,11,1,1", RowFlaw.IMPOSSIBLE, "high 10.5 and low 9.0 do not enclose"),
    ("2024-01-01T02:00:00Z,10,12,9,11,-1,1", RowFlaw.IMPOSSIBLE, "volume -1.0 must not be negative"),
    ("2024-01-01T02:30:00Z,10,12,9,11,1,1", RowFlaw.OFF_GRID, "no 1H candle opens at 2024-01-01T02:30:00Z"),
]


@pytest.mark.parametrize(("row", "kind", "words"), BROKEN_ROWS)
def test_a_bad_row_is_named_and_the_good_ones_kept(written, row: str, kind: RowFlaw, words: str) -> None:
    """Strict: one sentence with file, line and value. Lenient: the row left out, counted, and its gap reported."""
    path = written(HEADER, *HOURS[:2], row, *HOURS[3:])
    with pytest.raises(DataError) as raised:
        read_candle_file(path)
    assert str(raised.value).startswith(f"{path} line 4: the row {kind.value}: ")
    assert words in str(raised.value)
    file = read_candle_file(path, strict=False)
    assert (file.report.rows, file.report.kept, file.report.missing) == (6, 5, 1)
    assert set(flaws(file)) == {kind, RowFlaw.GAP}
    assert [line for line, _ in flaws(file)[kind]] == [4]


def test_repeated_rows_are_dropped_and_contradictions_are_told_apart(written) -> None:
    """The first row of an open time stays; a repeat with other numbers is a conflict."""
    other = HOURS[1].replace(",11,", ",11.5,")
    path = written(HEADER, *HOURS[:2], HOURS[1], other, *HOURS[2:])
    file = read_candle_file(path, strict=False)
    assert flaws(file) == {
        RowFlaw.DUPLICATE: [(4, "2024-01-01T01:00:00Z")],
        RowFlaw.CONFLICT: [(5, "2024-01-01T01:00:00Z")],
    }
    assert len(file) == 6
    assert file.values[1, 3] == 11
    with pytest.raises(DataError, match=r"line 4: the row repeats an earlier row: 2024-01-01T01:00:00Z"):
        read_candle_file(path)


def test_rows_out_of_order_are_sorted_and_reported(written) -> None:
    """Newest first, as an exchange answers: every candle is kept."""
    file = read_candle_file(written(HEADER, *reversed(HOURS)), strict=False)
    assert file.values[:, 4].tolist() == [0, 1, 2, 3, 4, 5]
    assert file.report.count(RowFlaw.NOT_ASCENDING) == 5
    assert set(flaws(file)) == {RowFlaw.NOT_ASCENDING}
    assert [line for line, _ in flaws(file)[RowFlaw.NOT_ASCENDING]] == [3, 4, 5, 6, 7]
    assert read_candle_file(written(HEADER, *reversed(HOURS))).rows == file.rows


def test_gaps_are_counted_and_cut_the_series(written) -> None:
    """Each stretch between gaps is a series of its own; the report says how much is missing and where."""
    file = read_candle_file(written(HEADER, *HOURS[:3], *HOURS[5:]), strict=False)
    assert flaws(file) == {
        RowFlaw.GAP: [(5, "2 missing between 2024-01-01T02:00:00Z and 2024-01-01T05:00:00Z")]
    }
    assert (file.report.missing, file.report.kept) == (2, 4)
    assert [len(series) for series in file.segments()] == [3, 1]


def test_the_first_flaw_of_the_file_is_the_one_raised(written) -> None:
    """Whatever its kind."""
    path = written(HEADER, HOURS[0], HOURS[3], "rubbish", HOURS[4])
    with pytest.raises(DataError, match=r"line 3: the row comes after a gap"):
        read_candle_file(path)


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"  \n", "is empty"),
        (HEADER.encode(), "holds no candles, only a header"),
        (HOURS[0].encode(), "lacks ts, open, high, low, close"),
        (b"ts;open;high\n", "lacks ts, open"),
        (b"ts,open,high,low,volume\n1,1,1,1,1", "lacks close"),
        (b"ts,time,open,high,low,close\n", "'ts' and 'time' both mean ts"),
        (b"\x89PNG\r\n\x1a\n\xff", "is not a CSV file"),
        (gzip.compress(b"ts,open" * 100, mtime=0)[:-12], "is damaged or cut off"),
        (f"{HEADER}\nrubbish\nrubbish".encode(), "no row of it is good"),
        (f"{HEADER}\n{HOURS[0]}".encode(), "holds one candle"),
        (
            f"{HEADER}\n{HOURS[0]}\n{HOURS[0].replace('00:00:00Z', '00:07:00Z')}".encode(),
            "420 seconds apart, which is none of the intervals 1s, 1m, 3m",
        ),
    ],
)
def test_what_is_no_candle_file_is_refused(tmp_path: Path, content: bytes, words: str, strict: bool) -> None:
    """Strict or lenient: there is nothing to keep."""
    path = tmp_path / "candles.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=words):
        read_candle_file(path, strict=strict)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    """With the system's reason, not a traceback."""
    with pytest.raises(DataError, match=r"none\.csv cannot be read: No such file"):
        read_candle_file(tmp_path / "none.csv")
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        read_candle_file(tmp_path)


def test_an_interval_that_is_given_must_fit(written) -> None:
    """A sparse file may be of a shorter interval, never of a longer one."""
    path = written(HEADER, *HOURS[::2])
    assert read_candle_file(path, strict=False).interval == Interval("2H")
    assert read_candle_file(path, strict=False, interval=Interval("1H")).report.missing == 2
    with pytest.raises(DataError, match="7200 seconds apart, which are not of interval 4H"):
        read_candle_file(path, interval=Interval("4H"))


@pytest.mark.parametrize(
    ("name", "inst_id"),
    [
        ("okx_ETH-USDT_1H.csv.gz", "ETH-USDT"),
        ("okx_BTC-USDT-SWAP_1m.csv.gz", "BTC-USDT-SWAP"),
        ("binance_ETHUSDT_1H.csv.gz", "ETH-USDT"),
        ("1INCHUSDC-5m.csv", "1INCH-USDC"),
        ("ETH_USDT-1h.feather", "ETH-USDT"),
        ("BTC_USDT_USDT-15m-futures.feather", "BTC-USDT-SWAP"),
        ("candles.csv", None),
    ],
)
def test_the_instrument_is_guessed_from_the_name(name: str, inst_id: str | None) -> None:
    """Dashed or joined; None where the name does not tell."""
    assert guess_inst_id(Path(name)) == inst_id


@pytest.mark.parametrize(
    ("name", "exchange"),
    [("okx_ETH-USDT_1H.csv.gz", "okx"), ("binance_ETHUSDT_1H.csv", "binance"), ("ETH_USDT-1h.feather", None)],
)
def test_the_exchange_is_guessed_from_the_name(name: str, exchange: str | None) -> None:
    """Candles of several exchanges must not mix."""
    assert guess_exchange(Path(name)) == exchange


def test_days_tell_whose_they_are(written) -> None:
    """By the hour at which they open."""
    days = [f"2024-01-{day:02}T%s:00:00Z,10,12,9,11,1,1" for day in (1, 2, 3, 5)]
    assert read_candle_file(written(HEADER, *(d % "00" for d in days)), strict=False).interval.name == "1Dutc"
    assert read_candle_file(written(HEADER, *(d % "16" for d in days)), strict=False).interval.name == "1D"


def test_raw_rows_are_all_rows(written) -> None:
    """Doubles and impossible ones too; of those that cannot be read every one is told."""
    rubbish = [f"rubbish {number}" for number in range(9)]
    rows, flaws = read_raw_rows(
        written(HEADER, HOURS[1], HOURS[1], HOURS[0].replace(",12,", ",1,"), *rubbish)
    )
    assert rows.times.tolist() == [1704070800000, 1704070800000, 1704067200000]
    assert rows.lines.tolist() == [2, 3, 4]
    (found,) = flaws.counted()
    assert found.count == len(found.examples) == 9


def test_a_series_needs_an_instrument(written) -> None:
    """Neither given nor guessed is an error that says what to do."""
    file = read_candle_file(written(HEADER, *HOURS, name="candles.csv"))
    with pytest.raises(DataError, match="name one, for example ETH-USDT"):
        file.segments()
    assert file.segments("BTC-USDT")[0].inst_id == "BTC-USDT"
