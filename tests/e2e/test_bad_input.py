"""Bad input: one clear sentence that names the value, exit code 1 or 2, nothing lost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from kokex.adapters.system_clock import SystemClock
from kokex.bootstrap import sole_engine
from kokex.cli.app import run
from tests.e2e.asking import add_account, checked, keep_plan, refused
from tests.e2e.terminal import Running, Terminal

HEADER = "ts,open,high,low,close,volume,amount\n"


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A paper exchange whose keys are those of the demo environment."""
    terminal = Terminal(tmp_path_factory.mktemp("home"))
    with terminal.serving("paper", "serve", "--port", "0", "--json") as running:
        yield running


def test_wrong_keys(home: Path, paper: Running, capsys, monkeypatch) -> None:
    """The exchange's own word for it, by code."""
    monkeypatch.setenv("KOKEX_API_SECRET", "not-the-secret")
    add_account(capsys, paper, "mistyped")
    assert "50113" in checked(capsys, "mistyped")
    monkeypatch.setenv("KOKEX_API_KEY", "nobody")
    add_account(capsys, paper, "stranger")
    assert "OKX knows no such key here" in checked(capsys, "stranger")


def test_wrong_passphrase(home: Path, paper: Running, capsys, monkeypatch) -> None:
    """Told apart from a wrong key."""
    monkeypatch.setenv("KOKEX_API_PASSPHRASE", "forgotten")
    add_account(capsys, paper)
    assert "passphrase" in checked(capsys, "desk").lower()


def test_wrong_environment(home: Path, capsys, tmp_path: Path) -> None:
    """Keys of a live account under an account of another environment."""
    with Terminal(tmp_path).serving(
        "paper", "serve", "--port", "0", "--environment", "live", "--json"
    ) as live:
        add_account(capsys, live)
        assert "environment" in checked(capsys, "desk")


def test_clock_skew(home: Path, paper: Running, capsys, monkeypatch) -> None:
    """A clock that is a minute slow still logs in, and is named."""
    add_account(capsys, paper)
    monkeypatch.setattr(SystemClock, "now", lambda _: datetime.now(UTC) - timedelta(seconds=60))
    assert "this computer's clock is -60.0 s from the exchange's" in checked(capsys, "desk")


def test_an_exchange_that_is_not_there(home: Path, capsys) -> None:
    """The address that does not answer is named."""
    assert run(["account", "add", "gone", "--environment", "paper", "--paper-url", "http://127.0.0.1:9"]) == 0
    capsys.readouterr()
    assert "127.0.0.1:9" in checked(capsys, "gone")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--environment", "paper", "--paper-url", "http://192.0.2.7:8000"), "must stay on this computer"),
        (("--environment", "paper", "--paper-url", "127.0.0.1:8000"), "must begin with http:// or https://"),
        (("--environment", "paper"), "needs the paper exchange's URL"),
        (("--environment", "demo", "--paper-url", "http://127.0.0.1:8000"), "belongs to --environment paper"),
        (("--environment", "moon"), "environment 'moon' is unknown; use one of live, demo, paper"),
        (("--environment", "demo", "--region", "mars"), "region 'mars' is unknown"),
    ],
)
def test_accounts_that_cannot_be(home: Path, capsys, arguments: tuple[str, ...], words: str) -> None:
    """Refused before anything is kept."""
    assert words in refused(capsys, "account", "add", "desk", *arguments)
    assert run(["account", "list", "--json"]) == 0
    assert capsys.readouterr().out == "[]\n"


def test_a_plan_is_not_named_like_a_number(home: Path, paper: Running, capsys) -> None:
    """Plans are found by name or by number."""
    add_account(capsys, paper)
    sentence = refused(capsys, "plan", "create", "12", "--account", "desk", "--inst-id", "ETH-USDT")
    assert "name 12 is digits alone, which would be taken for a plan's number" in sentence


def test_the_paper_exchange_names_the_intervals_that_it_takes(capsys) -> None:
    """Whether the one given is none at all, or none for a market's base."""
    for name in ("7m", "1W", "6H"):
        sentence = refused(capsys, "paper", "serve", "--interval", name, code=2)
        assert f"interval '{name}' cannot be the base; use one of 1s, 1m, 3m" in sentence
        named = sentence.rpartition("use one of ")[2].split(", ")
        assert "1W" not in named and "1M" not in named and "6H" not in named and "6Hutc" in named


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--inst-id", "FOO-USDT"), 1, "FOO-USDT"),
        (("--inst-id", "ETH-USDT", "--interval", "7m"), 1, "interval '7m' is unknown; use one of 1s, 1m, 3m"),
        (("--inst-id", "ETH-USDT", "--max-order", "-5"), 1, "max order -5 must be more than zero"),
        (("--inst-id", "ETH-USDT", "--cash-reserve", "-1"), 1, "cash reserve -1 must not be negative"),
        (("--inst-id", "ETH-USDT", "--price-collar", "5"), 1, "price collar 5 must be between 0 and 1"),
        (("--inst-id", "ETH-USDT", "--max-orders-per-minute", "0"), 1, "max orders per minute 0 must be"),
        (
            ("--inst-id", "ETH-USDT", "--sizing", "martingale"),
            1,
            "sizing: 'martingale' is unknown; use one of edge",
        ),
        (("--inst-id", "ETH-USDT", "--sizing", "fixed"), 1, "sizing fixed needs fixed_notional"),
        (("--inst-id", "ETH-USDT", "--capital", "trailing_stop=5"), 1, "trailing_stop 5 must be a share"),
        (("--inst-id", "ETH-USDT", "--allow-short"), 1, "ETH-USDT is spot and cannot be sold short"),
        (("--inst-id", "ETH-USDT", "--max-position", "much"), 2, "'--max-position': 'much' is not a number"),
        (("--inst-id", "ETH-USDT", "--horizon", "-3"), 2, "'--horizon': '-3' must not be negative"),
        (("--inst-id", "ETH-USDT", "--schedule", "0 9 * * *"), 1, "schedule '0 9 * * *' cannot be read"),
        (("--inst-id", "ETH-USDT", "--schedule", "7h"), 1, "schedule '7h' does not divide a day"),
        (("--inst-id", "ETH-USDT", "--trigger", "schedule"), 1, "add --schedule 15m"),
        (("--inst-id", "ETH-USDT", "--quiet-hours", "22:00"), 1, "quiet hours '22:00' cannot be read"),
        (("--inst-id", "ETH-USDT", "--debounce", "2h"), 2, "'2h' is not a number"),
        (("--inst-id", "ETH-USDT", "--debounce", "90000"), 1, "debounce 90000 s is more than 3600 s"),
        (("--inst-id", "ETH-USDT", "--turn-seconds", "0"), 2, "must be more than 0"),
    ],
)
def test_plans_that_cannot_be(
    home: Path, paper: Running, capsys, arguments: tuple[str, ...], code: int, words: str
) -> None:
    """The setting and its value are named; no plan is kept."""
    add_account(capsys, paper)
    sentence = refused(capsys, "plan", "create", "eth", "--account", "desk", *arguments, code=code)
    assert words in sentence
    assert run(["plan", "list", "--json"]) == 0
    assert capsys.readouterr().out == "[]\n"


def test_names_and_moves_that_do_not_exist(home: Path, capsys) -> None:
    """Unknown plan and account list those there are; an illegal move names both states; a taken name is refused."""
    asyncio.run(keep_plan(home))
    assert "there is no plan 'btc'; the plans are: eth" in refused(capsys, "plan", "show", "btc")
    assert "there is no plan 'btc'" in refused(capsys, "events", "tail", "btc")
    assert "'nobody'" in refused(capsys, "account", "check", "nobody")
    assert "'nobody'" in refused(
        capsys, "plan", "create", "x", "--account", "nobody", "--inst-id", "ETH-USDT"
    )
    assert "is created and cannot become paused" in refused(capsys, "plan", "pause", "eth")
    assert "'desk' exists already" in refused(
        capsys, "account", "add", "desk", "--environment", "paper", "--paper-url", "http://127.0.0.1:9"
    )


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("2025-01-01T00:00Z,1,2,1,1,1,1\n2025-01-01T01:00Z,1,2,1,1,1,1\n2025-01-01T04:00Z,1,2,1,1,1,1\n", "after a gap"),
        ("2025-01-01T00:00Z,1,2,1,1,1,1\n2025-01-01T00:00Z,1,2,1,1,1,1\n2025-01-01T01:00Z,1,2,1,1,1,1\n", "repeats"),
        ("2025-01-01T00:00Z,1,2,1,1,1,1\n2025-01-01T01:00Z,1,0.5,1,1,1,1\n", "cannot be a candle"),
        ("2025-01-01T00:00Z,1,2,1,1,1,1\n2025-01-01T01:00Z,1,x,1,1,1,1\n", "cannot be read"),
    ],
)  # fmt: skip
def test_flawed_candle_files(home: Path, tmp_path: Path, capsys, rows: str, words: str) -> None:
    """The line is named, and nothing of the file is kept."""
    file = tmp_path / "ETH-USDT.csv"
    file.write_text(HEADER + rows)
    sentence = refused(capsys, "data", "import", str(file), "--interval", "1H")
    assert words in sentence
    assert " line " in sentence
    assert run(["data", "show", "--json"]) == 0
    assert capsys.readouterr().out == "[]\n"


def test_a_wrong_header(home: Path, tmp_path: Path, capsys) -> None:
    """It is quoted, and the right one told."""
    file = tmp_path / "ETH-USDT.csv"
    file.write_text("when,price\n1,2\n")
    sentence = refused(capsys, "data", "import", str(file))
    assert "'when,price' lacks ts, open, high, low, close" in sentence


def test_a_market_that_does_not_exist(home: Path, tmp_path: Path, capsys) -> None:
    """And a file that is not there."""
    file = tmp_path / "ETH-USDT.csv"
    file.write_text(HEADER + "2025-01-01T00:00Z,1,2,1,1,1,1\n2025-01-01T01:00Z,1,2,1,1,1,1\n")
    assert "market 'mars' is unknown" in refused(capsys, "data", "import", str(file), "--market", "mars")
    assert "No such file" in refused(capsys, "data", "import", str(tmp_path / "absent.csv"))


def test_a_database_that_is_down(home: Path, capsys, monkeypatch) -> None:
    """Its address is told, its password is not."""
    monkeypatch.setenv("KOKEX_DATABASE_URL", "postgresql://kokex:hidden@127.0.0.1:9/kokex")
    sentence = refused(capsys, "plan", "list")
    assert "on 127.0.0.1 cannot be reached" in sentence
    assert "hidden" not in sentence
    assert "cannot be reached" in refused(capsys, "up")


def test_a_database_of_a_newer_version(home: Path, database_url: str, capsys) -> None:
    """Nobody writes to it; the doctor says the same."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    assert "has revision 9999, newer than" in refused(capsys, "plan", "list")
    assert "has revision 9999, newer than" in refused(capsys, "db", "upgrade")
    assert run(["doctor", "--json"]) == 1
    findings = {finding["name"]: finding for finding in json.loads(capsys.readouterr().out)["findings"]}
    assert "9999" in findings["database"]["detail"]
    assert findings["database"]["advice"].startswith("install the KOKEX that made it")


def test_a_second_engine_on_the_same_folder(home: Path, capsys) -> None:
    """The first one's process is named."""
    with sole_engine(home):
        assert "another engine (process" in refused(capsys, "up")


def test_a_folder_that_cannot_be_made(home: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    """The setting that names it is named."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KOKEX_HOME", str(tmp_path / "file" / "home"))
    assert "cannot be made" in refused(capsys, "plan", "list")
