"""What holds for every candle file: writing and reading agree, and no row vanishes uncounted."""

from __future__ import annotations

from datetime import UTC, datetime
from math import isnan
from pathlib import Path
from time import process_time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokex.adapters.candle_files import RowFlaw, read_candle_file, write_candle_file
from kokex.domain.candle import Candle
from kokex.domain.errors import DataError

DROPPED = (
    RowFlaw.UNREADABLE,
    RowFlaw.IMPOSSIBLE,
    RowFlaw.DUPLICATE,
    RowFlaw.CONFLICT,
    RowFlaw.OFF_GRID,
)

cells = st.sampled_from(["1", "2", "3.5", "-1", "", "x", "nan", "inf", "1e3"])
times = st.integers(0, 12).map(lambda hour: str(1704067200 + hour * 1800))
lines = st.lists(
    st.one_of(
        st.builds(lambda *row: ",".join(row), times, *[cells] * 6),
        times.map(lambda time: f"{time},2,3,1,2,5,10"),
        st.just("rubbish"),
    ),
    min_size=1,
    max_size=30,
)


@given(lines)
def test_no_row_vanishes_uncounted(tmp_path: Path, rows: list[str]) -> None:
    """Rows read = candles kept + rows reported as left out; what is kept is sorted, unique and possible."""
    path = tmp_path / "candles.csv"
    path.write_text("ts,open,high,low,close,volume,amount\n" + "\n".join(rows), "utf-8")
    try:
        file = read_candle_file(path, strict=False)
    except DataError:
        return
    report = file.report
    assert report.rows == len(rows)
    assert report.kept == len(file) == report.rows - sum(report.count(kind) for kind in DROPPED)
    assert (np.diff(file.open_times) > 0).all()
    assert not any(candle.fault() for candle in file.candles())
    span = (file.open_times[-1] - file.open_times[0]) // file.interval.seconds + 1
    assert span == report.kept + report.missing


prices = st.floats(1e-9, 1e9)


@given(st.lists(st.tuples(prices, prices, st.none() | prices, st.none() | prices), min_size=2, max_size=20))
def test_what_is_written_is_read_back_bit_for_bit(tmp_path: Path, rows: list[tuple]) -> None:
    """Plain and zipped; unknown stays unknown."""
    values = np.array(
        [
            [a, max(a, b), min(a, b), b, np.nan if v is None else v, np.nan if m is None else m]
            for a, b, v, m in rows
        ]
    )
    open_times = 1704067200 + 60 * np.arange(len(rows), dtype=np.int64)
    for name in ("ETH-USDT_1m.csv", "ETH-USDT_1m.csv.gz"):
        write_candle_file(tmp_path / name, open_times, values)
        file = read_candle_file(tmp_path / name)
        np.testing.assert_array_equal(file.values, values)
        np.testing.assert_array_equal(file.open_times, open_times)
    assert not list(tmp_path.glob(".*"))


def test_a_rule_of_the_domain_is_the_rule_here(tmp_path: Path) -> None:
    """Whatever `Candle.fault` refuses is refused here, and nothing else."""
    numbers = ("1", "2", "0", "-1", "nan", "inf")
    rows = [
        f"{o},{h},{low},{c},{v}"
        for o in numbers
        for h in numbers
        for low in numbers
        for c in "12"
        for v in numbers
    ]
    stamped = [f"{1704067200 + 60 * minute},{row}" for minute, row in enumerate(rows)]
    path = tmp_path / "candles.csv"
    path.write_text("ts,open,high,low,close,volume\n" + "\n".join(stamped), "utf-8")
    file = read_candle_file(path, strict=False)
    moment = datetime(2024, 1, 1, tzinfo=UTC)
    good = []
    for minute, row in enumerate(rows):
        *four, volume = map(float, row.split(","))
        if Candle(moment, *four, None if isnan(volume) else volume, None).fault() is None:
            good.append(1704067200 + 60 * minute)
    assert file.open_times.tolist() == good
    assert 0 < len(good) < len(rows)


def test_two_hundred_thousand_rows_are_read_in_seconds(tmp_path: Path) -> None:
    """A fifth of a million rows in under four seconds of processor time, so a million in under twenty."""
    count = 200_000
    values = np.tile(np.array([100.25, 101.5, 99.75, 100.5, 12.5, 1256.25]), (count, 1))
    path = tmp_path / "BTC-USDT_1m.csv"
    write_candle_file(path, 1704067200 + 60 * np.arange(count, dtype=np.int64), values)
    began = process_time()
    assert len(read_candle_file(path)) == count
    assert process_time() - began < 4


@pytest.mark.parametrize(
    ("name", "inst_id", "interval", "rows", "gaps"),
    [
        ("okx_ETH-USDT_1H.csv.gz", "ETH-USDT", "1H", 21_553, 0),
        ("okx_BTC-USDT-SWAP_1H.csv.gz", "BTC-USDT-SWAP", "1H", 17_652, 0),
        ("okx_BTC-USDT-SWAP_1m.csv.gz", "BTC-USDT-SWAP", "1m", 22_078, 0),
        ("okx_BTC-USDT_1m_2022q1_gaps.csv.gz", "BTC-USDT", "1m", 52_859, 93),
        ("binance_ETHUSDT_1H.csv.gz", "ETH-USDT", "1H", 14_336, 0),
        ("binance_BTCUSDT_1H_2017-2021_flaws.csv.gz", "BTC-USDT", "1H", 33_413, 8),
    ],
)
def test_real_files_are_read_as_their_makers_describe_them(
    shared_folder: Path, name: str, inst_id: str, interval: str, rows: int, gaps: int
) -> None:
    """Rows and gaps as the folder's own description counts them, and nothing else wrong."""
    file = read_candle_file(shared_folder / "data" / name, strict=False)
    assert (file.inst_id, file.interval.name, len(file)) == (inst_id, interval, rows)
    assert file.report.count(RowFlaw.GAP) == gaps
    assert {flaw.kind for flaw in file.report.flaws} <= {RowFlaw.GAP}
    assert len(file.segments()) == gaps + 1
