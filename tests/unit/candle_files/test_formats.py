"""Formats besides the plain CSV, and the quick way through a CSV."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokex.adapters.candle_files import columnar, plain, read_candle_file, rows, write_candle_file
from kokex.adapters.candle_files.report import FlawCounter
from kokex.domain.candle_rows import CandleRows
from kokex.domain.errors import ConfigurationError, DataError

polars = pytest.importorskip("polars")

HEADER = "ts,open,high,low,close,volume,amount"


def walk(count: int) -> CandleRows:
    random = np.random.default_rng(5)
    close = 2000 + np.cumsum(random.normal(0, 3, count))
    values = np.column_stack([close, close + 1 / 3, close - 0.1, close, random.random(count), close])
    values[::7, 4] = np.nan
    values[:, 5] = np.nan
    return CandleRows(1_700_006_400 + 3600 * np.arange(count), values)


@pytest.mark.parametrize("name", ["x.csv", "x.csv.gz", "x.parquet"])
def test_every_format_gives_back_every_bit(tmp_path: Path, name: str) -> None:
    """Unknown stays unknown."""
    made = walk(500)
    write_candle_file(tmp_path / name, made.open_times, made.values)
    assert read_candle_file(tmp_path / name).rows == made
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_freqtrades_layout(tmp_path: Path) -> None:
    """`date` in UTC milliseconds and five numbers, nothing else; all of them come back."""
    made = walk(100)
    made.values[:, 5] = 7.0
    path = tmp_path / "ETH_USDT-1h.feather"
    write_candle_file(path, made.open_times, made.values)
    table = polars.read_ipc(path.read_bytes())
    assert table.columns == ["date", "open", "high", "low", "close", "volume"]
    assert table.schema["date"] == polars.Datetime("ms", "UTC")
    assert set(table.dtypes[1:]) == {polars.Float64}
    file = read_candle_file(path)
    assert (file.inst_id, file.interval.name) == ("ETH-USDT", "1H")
    assert np.array_equal(file.values[:, :5], made.values[:, :5], equal_nan=True)
    assert np.isnan(file.values[:, 5]).all()


@pytest.mark.parametrize("kind", ["text", "seconds", "ns", "naive"])
def test_times_of_other_makers(tmp_path: Path, kind: str) -> None:
    """Timestamps of any unit, whole numbers, ISO text."""
    made = walk(10)
    moments = {
        "text": polars.Series([f"{np.datetime64(int(one), 's')}Z" for one in made.open_times]),
        "seconds": polars.Series(made.open_times),
        "ns": polars.Series(made.open_times * 10**9).cast(polars.Datetime("ns", "UTC")),
        "naive": polars.Series(made.open_times * 10**6).cast(polars.Datetime("us")),
    }[kind]
    columns = {name: made.values[:, at] for at, name in enumerate(("open", "high", "low", "close"))}
    polars.DataFrame({"time": moments, **columns, "trades": made.open_times}).write_parquet(
        tmp_path / "x.parquet"
    )
    file = read_candle_file(tmp_path / "x.parquet")
    assert np.array_equal(file.open_times, made.open_times)
    assert file.report.ignored_columns == ("trades",)


@pytest.mark.parametrize("suffix", [".parquet", ".feather"])
def test_what_is_no_such_file_is_refused(tmp_path: Path, suffix: str) -> None:
    """With the path and the reason."""
    path = tmp_path / f"x{suffix}"
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_candle_file(path)
    path.write_bytes(b"ts,open,high,low,close\n")
    with pytest.raises(DataError, match=f"is no {suffix[1:]} file, or damaged"):
        read_candle_file(path)
    table = polars.DataFrame({"ts": [1], "open": ["x"], "high": [1.0], "low": [1.0], "close": [1.0]})
    (table.write_parquet if suffix == ".parquet" else table.write_ipc)(path)
    with pytest.raises(DataError, match="does not hold numbers"):
        read_candle_file(path)
    (table.drop("low").write_parquet if suffix == ".parquet" else table.drop("low").write_ipc)(path)
    with pytest.raises(DataError, match="lacks low"):
        read_candle_file(path)


def test_without_the_library_the_sentence_helps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CSV goes on working."""
    monkeypatch.setattr(columnar, "missing_libraries", lambda names: ["polars"])
    made = walk(5)
    with pytest.raises(ConfigurationError, match=r"need polars.*kokex\[model\]"):
        write_candle_file(tmp_path / "x.parquet", made.open_times, made.values)
    write_candle_file(tmp_path / "x.csv", made.open_times, made.values)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """No traceback."""
    made = walk(5)
    for name in ("x.csv", "x.parquet"):
        with pytest.raises(DataError, match="cannot be written: No such file"):
            write_candle_file(tmp_path / "none" / name, made.open_times, made.values)


cells = st.sampled_from(["1", "2.50", "1e3", "", "nan", "inf", "x", '"1"', "1_0", " 3", "-0.1"])
stamps = st.sampled_from(
    [
        "2024-01-01T00:00:00Z",
        "2024-01-01 01:00:00Z",
        "2024-01-01T02:00:00+00:00",
        "2024-01-01T02:00:00",
        "2024-01-01T02:00:00+02:00",
        "2024-13-01T00:00:00Z",
        "1704067200",
        "1704067200000",
        "1999-01-01T00:00:00Z",
        "",
    ]
)
one_kind = stamps.flatmap(lambda stamp: st.lists(st.just(stamp), min_size=1, max_size=4))


@given(st.one_of(one_kind, st.lists(stamps, min_size=1, max_size=4)), st.data())
def test_the_quick_way_is_the_careful_way(times: list[str], data: st.DataObject) -> None:
    """Where it decides at all, it decides the same, bit for bit."""
    tidy = data.draw(st.booleans())
    numbers = st.sampled_from(["1", "2.50", "", "1e-7", "0.1"]) if tidy else cells
    lines = [",".join([time, *data.draw(st.lists(numbers, min_size=6, max_size=6))]) for time in times]
    header = rows.read_header(Path("x.csv"), HEADER)
    flaws = FlawCounter()
    count, careful = rows._read_carefully([HEADER, *lines], header, flaws)
    quick = plain.read_plain("\n".join(lines), header.at, rows.COLUMNS)
    if quick is None:
        return
    if rows._within_years(quick[0]):
        assert not flaws.counted() and count == len(quick[0])
        assert np.array_equal(quick[0], careful.times)
        assert np.array_equal(quick[1], careful.values, equal_nan=True)


def test_tidy_files_go_the_quick_way() -> None:
    """Blank amounts, all the usual times, Windows ends."""
    for stamp in ("2024-01-01T00:00:00Z", "2024-01-01 00:00:00", "1704067200", "1704067200000"):
        header = rows.read_header(Path("x.csv"), HEADER)
        found = plain.read_plain(
            f"{stamp},1,2,0.5,1.5,,\r\n{stamp},1,2,0.5,1.5,3,\r\n", header.at, rows.COLUMNS
        )
        assert found is not None
        assert found[0].tolist() == [1704067200000] * 2
        assert found[1][1, :5].tolist() == [1, 2, 0.5, 1.5, 3] and np.isnan(found[1][0, 4:]).all()
