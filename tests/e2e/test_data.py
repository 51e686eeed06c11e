"""`kokex data` as a person types it: files and the database, the paper exchange as the one that has the candles."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kokex.adapters.candle_files import read_candle_file, write_candle_file
from kokex.cli.app import run
from kokex.domain.candle_rows import CandleRows
from tests.e2e.terminal import Running, Terminal

COUNT = 2400
FIRST = 1_767_225_600
"""2026-01-01."""


def minutes() -> CandleRows:
    """Two days short of eight hours, in the steps that the exchange trades in."""
    random = np.random.default_rng(11)
    close = np.round(2000 + np.cumsum(random.normal(0, 0.5, COUNT)), 2)
    opened = np.concatenate([[2000.0], close[:-1]])
    top, bottom = np.round(np.maximum(opened, close) + 0.05, 2), np.round(np.minimum(opened, close) - 0.05, 2)
    volume, amount = np.round(1 + random.random(COUNT), 4), np.round(2000 + random.random(COUNT), 4)
    values = np.column_stack([opened, top, bottom, close, volume, amount])
    return CandleRows(FIRST + 60 * np.arange(COUNT), values)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of all candles."""
    path = tmp_path_factory.mktemp("candles") / "okx_ETH-USDT_1m.csv"
    made = minutes()
    write_candle_file(path, made.open_times, made.values)
    return path


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory, whole: Path) -> Iterator[Running]:
    """A paper exchange whose past is that file."""
    terminal = Terminal(tmp_path_factory.mktemp("home"))
    market = ("--interval", "1m", "--instruments", "ETH-USDT", "--candles", str(whole), "--as-history")
    with terminal.serving("paper", "serve", "--port", "0", "--json", *market) as running:
        yield running


@pytest.fixture
def desk(home: Path, paper: Running, capsys: pytest.CaptureFixture[str]) -> str:
    """An account of the paper exchange."""
    url = paper.ready["rest_url"]
    assert run(["account", "add", "desk", "--environment", "paper", "--paper-url", url]) == 0
    capsys.readouterr()
    return "desk"


@pytest.fixture
def flawed(tmp_path: Path) -> Path:
    """The same candles with holes, a double, a stray and an impossible one."""
    made = minutes()
    made.values[700, 1] = 1.0
    keep = np.r_[0:300, 320:1000, 1100:COUNT]
    times, values = made.open_times[keep], made.values[keep]
    times = np.concatenate([times, times[5:6], [times[9] + 7]])
    path = tmp_path / "okx_ETH-USDT_1m.csv.gz"
    write_candle_file(path, times, np.concatenate([values, values[5:6], values[9:10]]))
    return path


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """The JSON that a command answers with."""
    capsys.readouterr()
    assert run([*arguments, "--json"]) == 0, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one sentence that a command ends with."""
    capsys.readouterr()
    assert run(arguments) == 1
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.startswith("Error: ")
    return captured.err


def found(document: Any) -> dict[str, dict[str, int]]:
    """Counts by kind, of those that there are."""
    return {kind: counts for kind, counts in document["counts"].items() if any(counts.values())}


def state(name: str, count: int) -> dict[str, int]:
    return {"found": 0, "repaired": 0, "confirmed": 0, name: count}


def test_a_file_is_checked(flawed: Path, capsys) -> None:
    """Every flaw with its time; the table tells the same."""
    told = answer(capsys, "data", "check", str(flawed))
    assert found(told) == {
        "missing": state("found", 2),
        "duplicate": state("found", 1),
        "off_grid": state("found", 1),
        "inconsistent": state("found", 1),
    }
    assert told["open"] == 5
    hole = next(flaw for flaw in told["flaws"] if flaw["kind"] == "missing")
    assert (hole["open_time"], hole["count"]) == ("2026-01-01T05:00:00.000Z", 20)
    assert run(["data", "check", str(flawed), "--every"]) == 0
    shown = capsys.readouterr().out
    assert "2026-01-01 05:00:00" in shown and "off grid" in shown


def test_a_file_is_repaired_from_an_exchange(
    desk: str, flawed: Path, whole: Path, tmp_path: Path, capsys
) -> None:
    """All of it: the new file is the whole one, and the old one is as it was."""
    before, output = flawed.read_bytes(), tmp_path / "mended.csv"
    told = answer(capsys, "data", "repair", str(flawed), "--account", desk, "--output", str(output))
    assert told["open"] == 0
    assert all(flaw["state"] == "repaired" for flaw in told["flaws"]) and len(told["flaws"]) == 5
    assert read_candle_file(output).rows == read_candle_file(whole).rows
    assert flawed.read_bytes() == before


def test_without_an_exchange_a_file_is_only_tidied(flawed: Path, tmp_path: Path, capsys) -> None:
    """Holes stay, and are told."""
    output = tmp_path / "tidy.parquet"
    told = answer(capsys, "data", "repair", str(flawed), "--output", str(output))
    assert found(told)["missing"] == state("found", 2)
    assert found(told)["duplicate"] == state("repaired", 1)
    file = read_candle_file(output, strict=False, inst_id="ETH-USDT")
    assert len(file) == COUNT - 121 and file.report.missing == 121


def test_a_file_is_not_written_over_itself_nor_in_a_format_that_it_does_not_name(
    flawed: Path, tmp_path: Path, monkeypatch, capsys
) -> None:
    """Both are refused before anything is written."""
    monkeypatch.chdir(tmp_path)
    before = flawed.read_bytes()
    assert "left alone" in refused(capsys, "data", "repair", str(flawed), "--output", str(flawed))
    assert flawed.read_bytes() == before
    for command in (("export", str(flawed), "x.xlsx"), ("repair", str(flawed), "--output", "x.xlsx")):
        assert "x.xlsx ends as no candle file does" in refused(capsys, "data", *command)
    assert not (tmp_path / "x.xlsx").exists()


def test_candles_of_another_market_are_refused(desk: str, flawed: Path, tmp_path: Path, capsys) -> None:
    """Prices beside the hole tell."""
    file = read_candle_file(flawed, strict=False)
    other = tmp_path / "ETH-USDT_1m.csv"
    write_candle_file(other, file.open_times, file.values * 1.01)
    sentence = refused(
        capsys, "data", "repair", str(other), "--account", desk, "--output", str(tmp_path / "x.csv")
    )
    assert "do not mix" in sentence
    assert not (tmp_path / "x.csv").exists()


def test_kept_candles_are_listed_checked_repaired_and_exported(
    desk: str, flawed: Path, whole: Path, tmp_path: Path, capsys
) -> None:
    """From a flawed import to a file that equals the exchange's own."""
    told = answer(capsys, "data", "import", str(flawed), "--account", desk, "--lenient")
    assert told["kept"] == COUNT - 121
    (row,) = answer(capsys, "data", "list")
    assert (row["candles"], row["missing"], row["gaps"]) == (COUNT - 121, 121, 3)
    ledger = answer(capsys, "data", "ranges", "ETH-USDT")
    assert len(ledger["complete"]) == 4 and len(ledger["gaps"]) == 3
    assert found(answer(capsys, "data", "check", "eth-usdt")) == {"missing": state("found", 3)}
    told = answer(capsys, "data", "repair", "ETH-USDT", "--account", desk)
    assert found(told) == {"missing": state("repaired", 3)}
    assert answer(capsys, "data", "ranges", "ETH-USDT")["gaps"] == []
    for name in ("x.csv", "x.parquet"):
        told = answer(capsys, "data", "export", "ETH-USDT", str(tmp_path / name))
        assert (told["candles"], told["missing"]) == (COUNT, 0)
        assert read_candle_file(tmp_path / name).rows == read_candle_file(whole).rows
    told = answer(capsys, "data", "export", "ETH-USDT", str(tmp_path), "--from", "2026-01-01T10:00")
    assert told["file"].endswith("ETH_USDT-1m.feather") and told["candles"] == COUNT - 600


def test_an_export_replaces_no_file_unless_it_is_told_to(
    home: Path, whole: Path, tmp_path: Path, capsys
) -> None:
    """By name, and in a folder where the name is freqtrade's."""
    output = tmp_path / "mine.csv"
    output.write_text("precious")
    words = "mine.csv is there already and was left as it is; replace it with --overwrite"
    assert words in refused(capsys, "data", "export", str(whole), str(output))
    assert output.read_text() == "precious"
    assert answer(capsys, "data", "export", str(whole), str(output), "--overwrite")["candles"] == COUNT
    assert read_candle_file(output).rows == read_candle_file(whole).rows
    folder = tmp_path / "freqtrade"
    folder.mkdir()
    answer(capsys, "data", "export", str(whole), str(folder))
    assert "is there already" in refused(capsys, "data", "export", str(whole), str(folder))


def test_newest_first_is_said_by_check_and_sorted_by_import(
    home: Path, whole: Path, tmp_path: Path, capsys
) -> None:
    """In the same words."""
    newest_first = tmp_path / "okx_ETH-USDT_1m.csv"
    file = read_candle_file(whole)
    write_candle_file(newest_first, file.open_times[::-1], file.values[::-1])
    words = f"{COUNT - 1} × the row is older than the row before it (first in line 3: "
    assert run(["data", "check", str(newest_first)]) == 0
    told = " ".join(capsys.readouterr().err.split())
    assert words in told and "; an import sorts them." in told
    assert answer(capsys, "data", "check", str(newest_first))["out_of_order"] == COUNT - 1
    assert run(["data", "import", str(newest_first)]) == 0
    assert words in " ".join(capsys.readouterr().err.split())
    assert answer(capsys, "data", "export", "ETH-USDT", str(tmp_path / "x.csv"))["candles"] == COUNT
    assert read_candle_file(tmp_path / "x.csv").rows == file.rows


def test_back_fill_to_the_listing_and_build(desk: str, capsys) -> None:
    """To the first candle there is; hours out of minutes are the exchange's own."""
    wish = ("data", "sync", "--account", desk, "--inst-id", "ETH-USDT", "--interval", "1m", "--all")
    told = answer(capsys, *wish)
    assert told["begins_at"] == "2026-01-01T00:00:00.000Z" and told["changed"] >= COUNT
    assert told["absent"] == told["left"] == 0
    built = answer(capsys, "data", "build", "ETH-USDT", "--interval", "1H", "--account", desk, "--keep")
    assert built["built"] == built["compared"] == built["kept"] == 40
    assert built["differences"] == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("check", "nothing.csv"), "No such file"),
        (("check", "ETH-USDT"), "no candles of ETH-USDT are kept"),
        (("check", "ETH-USDT", "--interval", "1d"), "interval '1d' is unknown"),
        (("check", "ETH-USDT", "--market", "Mars"), "market 'Mars' is unknown"),
        (("check", "ETH-USDT", "--market", "okx:live", "--account", "a"), "not both"),
        (("repair", "ETH-USDT"), "--account NAME"),
        (("repair", "ETH-USDT", "--output", "x.csv"), "--output is for files"),
        (("repair", "x.csv"), "--output FILE"),
        (("export", "ETH-USDT", "x.csv"), "no candles of ETH-USDT are kept"),
        (
            ("export", "ETH-USDT", "x.csv", "--from", "2026-01-02", "--to", "2026-01-01"),
            "nothing lies between",
        ),
        (("ranges", "ETH-USDT"), "no candles of ETH-USDT are kept"),
        (("build", "ETH-USDT", "--interval", "7H"), "interval '7H' is unknown"),
    ],
)
def test_wrong_wishes(
    home: Path, tmp_path: Path, monkeypatch, capsys, arguments: tuple[str, ...], words: str
) -> None:
    """One sentence that helps."""
    monkeypatch.chdir(tmp_path)
    assert words in refused(capsys, "data", *arguments)


def test_candles_of_two_exchanges_stand_apart(home: Path, whole: Path, tmp_path: Path, capsys) -> None:
    """By the exchange that the file's name tells; what is meant must then be said."""
    other = tmp_path / "binance_ETHUSDT_1m.csv"
    other.write_bytes(whole.read_bytes())
    assert answer(capsys, "data", "import", str(whole))["market"] == "okx:live"
    assert answer(capsys, "data", "import", str(other))["market"] == "binance:live"
    assert len(answer(capsys, "data", "list")) == 2
    assert "say which with --interval and --market" in refused(capsys, "data", "check", "ETH-USDT")
    assert answer(capsys, "data", "check", "ETH-USDT", "--market", "binance:live")["candles"] == COUNT


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("okx_BTC-USDT_1m_2022q1_gaps.csv.gz", {"missing": 93, "zero_volume": 2}),
        ("binance_BTCUSDT_1H_2017-2021_flaws.csv.gz", {"missing": 8, "zero_volume": 23, "outlier": 24}),
        ("okx_ETH-USDT_1H.csv.gz", {"outlier": 12}),
    ],
)
def test_real_files(shared_folder: Path, tmp_path: Path, capsys, name: str, expected: dict[str, int]) -> None:
    """Checked and exported; what they say of themselves is found."""
    path = str(shared_folder / "data" / name)
    told = answer(capsys, "data", "check", path)
    assert {kind: counts["found"] for kind, counts in found(told).items()} == expected
    exported = answer(capsys, "data", "export", path, str(tmp_path / "x.parquet"))
    assert exported["candles"] == told["candles"]
