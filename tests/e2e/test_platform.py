"""The platform through its command line: paper exchange, engine, account, plan, journal, doctor."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kokex.cli.app import run
from tests.builders import TRADES
from tests.e2e.terminal import KEYS, Running, Terminal, finish, read_line, until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    """A data folder for this module, with the paper exchange's keys in the environment."""
    home = tmp_path_factory.mktemp("home")
    home.chmod(0o700)
    return Terminal(home, KEYS)


@pytest.fixture(scope="module")
def paper(terminal: Terminal) -> Iterator[Running]:
    """A paper exchange at two hours a second."""
    with terminal.serving(
        "paper", "serve", "--port", "0", "--speed", "7200", "--seed", "7", "--json"
    ) as running:
        yield running


def asked(terminal: Terminal, capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """A command's JSON, asked in this process: what is asked again and again should not start a Python each time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KOKEX_HOME", str(terminal.home))
        patch.delenv("KOKEX_DATABASE_URL", raising=False)
        capsys.readouterr()
        assert run([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_plan_is_created_started_paused_and_stopped(
    terminal: Terminal, paper: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every step through the command line, every answer one JSON document; the engine follows."""
    added = terminal.run(
        "account", "add", "desk", "--environment", "paper", "--paper-url", paper.ready["rest_url"], "--json"
    )
    assert added.json["environment"] == "paper"
    assert not any(secret in added.out for secret in KEYS.values())
    wish = ("eth", "--account", "desk", "--inst-id", "ETH-USDT", "--max-order", "1500", "--trade")
    created = terminal.run("plan", "create", *wish, "--json")
    assert created.json == {
        "id": 1,
        "name": "eth",
        "status": "created",
        "inst_id": "ETH-USDT",
        "trading_tools": sorted(TRADES),
    }

    with terminal.serving("up", "--json") as up:
        assert up.ready["ready"] is True
        assert up.ready["plans"] == []
        second = terminal.run("up")
        assert second.code == 1
        assert f"another engine (process {up.ready['process']})" in second.err
        assert asked(terminal, capsys, "plan", "start", "eth")["status"] == "running"
        until(lambda: asked(terminal, capsys, "plan", "show", "eth")["events"], "an order event")
        assert asked(terminal, capsys, "plan", "show", "eth")["connected"] is True
        assert asked(terminal, capsys, "plan", "pause", "eth")["status"] == "paused"
        assert asked(terminal, capsys, "plan", "stop", "eth")["status"] == "stopped"
        until(lambda: not asked(terminal, capsys, "streams")[0]["active"], "the end of the subscription")
        stopped = asked(terminal, capsys, "plan", "show", "eth")
        assert stopped["pending_orders"] == []

    tail = terminal.run("events", "tail", "eth", "--json", "--last", "1000")
    assert len([json.loads(line) for line in tail.out.splitlines()]) == stopped["events"]


def test_the_doctor_finds_it_all_well(terminal: Terminal, paper: Running) -> None:
    """With an account that answers, keys that open it and a clock that agrees."""
    ended = terminal.run("doctor", "--json")
    assert ended.code == 0, ended.out + ended.err
    found = {finding["name"]: finding for finding in ended.json["findings"]}
    assert ended.json["ok"] is True
    assert "keys open it, stream stands" in found["account desk"]["detail"]


def test_an_interrupted_tail_ends_quietly(terminal: Terminal, paper: Running) -> None:
    """Ctrl-C is how following ends: 130, no traceback."""
    process = terminal.start("events", "tail", "--follow", "--json", "--last", "1")
    try:
        read_line(process, 30.0)
        ended = finish(process, signal.SIGINT)
    finally:
        process.kill()
        process.communicate()
    assert ended.code == 130
    assert ended.err == ""


def test_a_port_in_use_is_named(terminal: Terminal, paper: Running) -> None:
    """A second paper exchange cannot take the first one's port."""
    ended = terminal.run("paper", "serve", "--port", str(paper.ready["port"]))
    assert ended.code != 0
    assert ended.err.count("\n") == 1
    assert f"port {paper.ready['port']} on 127.0.0.1 is in use" in ended.err


def test_candles_come_from_the_exchange_and_from_files(
    terminal: Terminal, paper: Running, tmp_path: Path
) -> None:
    """Back-filled without gaps; imported strictly, or leniently with a report; shown."""
    synced = terminal.run(
        "data", "sync", "--account", "desk", "--inst-id", "ETH-USDT", "--candles", "300", "--json"
    )
    assert synced.json["market"] == "paper:1"
    good = "".join(f"2025-01-01T{hour:02d}:00:00Z,100,110,90,105,1,105\n" for hour in range(6))
    file = tmp_path / "okx_ETH-USDT_1H.csv"
    file.write_text(
        "ts,open,high,low,close,volume,amount\n" + good + "2025-01-01T08:00:00Z,100,110,90,105,1,105\n"
    )
    strict = terminal.run("data", "import", str(file))
    assert strict.code == 1
    assert "2 missing between" in strict.err
    assert "okx:live" not in terminal.run("data", "show", "--json").out
    lenient = terminal.run("data", "import", str(file), "--lenient", "--json")
    assert (lenient.json["kept"], lenient.json["missing"]) == (7, 2)
    kept = {(row["market"], row["inst_id"]): row for row in terminal.run("data", "show", "--json").json}
    assert kept[("okx:live", "ETH-USDT")]["missing"] == 2
    assert kept[("paper:1", "ETH-USDT")]["candles"] >= 300
    assert kept[("paper:1", "ETH-USDT")]["missing"] == 0
