"""The demo, as a person runs it: real processes, both books equal to the last digit."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from tests.e2e.terminal import Ended, Terminal, finish

pytestmark = pytest.mark.slow

FIGURES = [
    "fills",
    "decisions",
    "denied",
    "events_exchange",
    "events_journal",
    "pnl_exchange",
    "pnl_journal",
    "equity",
    "forecaster",
    "model",
    "market_hours",
    "triggers",
    "acted",
    "held",
    "failed",
    "denials",
    "approvals",
    "tokens_in",
    "tokens_out",
    "cost_usd",
    "mishaps",
    "plans",
    "commands",
]


def assert_books_agree(ended: Ended) -> None:
    """The summary is there, whole, and both sides say the same."""
    assert ended.code == 0, ended.err
    figures = ended.last
    assert list(figures) == FIGURES
    assert figures["events_journal"] == figures["events_exchange"]
    assert figures["pnl_journal"] == figures["pnl_exchange"]
    assert isinstance(figures["pnl_journal"], str)
    assert isinstance(figures["equity"], str)
    assert "The two agree to the last digit." in ended.err
    assert "[info" not in ended.err, "the log belongs into its file"


def await_words(process: subprocess.Popen[str], words: str) -> None:
    """Read standard error until `words` come."""
    assert process.stderr is not None
    told = ""
    for line in process.stderr:
        told += line
        if words in line:
            return
    raise AssertionError(f"{words!r} never came; standard error was: {told}")


def test_a_day_of_both_plans(tmp_path: Path) -> None:
    """Every kind of trigger, denials, fills; a decision that bought is shown, run again, and explained with its own numbers."""
    terminal = Terminal(tmp_path)
    ended = terminal.run("demo", "--headless", "--json", "--duration", "30", "--no-train")
    assert_books_agree(ended)
    figures = ended.last
    assert figures["market_hours"] >= 24
    assert {"forecast", "candle", "order_event", "user"} <= set(figures["triggers"])
    assert figures["denials"].get("order_too_large", 0) > 0
    assert figures["fills"] > 0 and figures["acted"] > 0 and figures["held"] > 0
    assert figures["failed"] == 0
    asked = figures["approvals"]
    assert asked["approved"] > 0 and asked["refused"] > 0 and asked["sent"] > 0
    assert asked["waited"] >= asked["approved"] + asked["refused"] and asked["approved"] >= asked["sent"]
    assert "approves buy " in ended.err and "refuses buy " in ended.err
    assert figures["acted"] + figures["held"] == figures["decisions"]
    built_in, language = figures["plans"]
    assert (built_in["plan"], built_in["requests"]) == ("demo", 0)
    assert language["requests"] > 0 and float(language["cost_usd"]) > 0
    assert sum(plan["fills"] for plan in figures["plans"]) == figures["fills"]
    assert "an order far over the limit" in figures["mishaps"]
    assert "a script that speaks OpenAI's protocol" in ended.err

    show, replay, chat = figures["commands"]
    assert [one["exit_code"] for one in figures["commands"]] == [0, 0, 0]
    number = show["command"].split()[-1]
    assert replay["command"] == f"kokex decision replay {number}"
    assert "it comes out identical" in replay["output"]
    assert f"In decision {number} I bought" in chat["output"]
    assert chat["command"] == "kokex agent chat language 'Why did you buy?'"

    folder = str(tmp_path / "demo")
    kept = terminal.run("decision", "show", number, "--json", KOKEX_HOME=folder)
    assert kept.code == 0, kept.err
    (order,) = [one for one in kept.json["orders"] if one["status"] == "filled"]
    assert f"{order['filled_quantity']} ETH at {order['average_price']} USDT" in chat["output"]
    assert kept.json["model"] == "scripted-trader"
    again = terminal.run("decision", "replay", number, "--json", KOKEX_HOME=folder)
    assert again.code == 0 and again.json["identical"] is True, again.err


def test_a_plan_trades_and_the_books_agree(tmp_path: Path) -> None:
    """On a made-up market: fills, decisions, events, profit. Then the same demo goes on where it was."""
    terminal = Terminal(tmp_path)
    first = terminal.run("demo", "--headless", "--json", "--duration", "9", "--speed", "7200", "--no-train")
    assert_books_agree(first)
    assert len(first.out.splitlines()) == 1
    assert first.last["fills"] > 0
    assert first.last["decisions"] > 0
    assert first.last["forecaster"] == "block_bootstrap"
    assert first.last["model"]["state"] == "left out"
    again = terminal.run("demo", "--resume", "--headless", "--json", "--duration", "3", "--no-train")
    assert_books_agree(again)
    assert again.last["decisions"] > first.last["decisions"]
    assert again.last["events_journal"] >= first.last["events_journal"]
    assert "Going on in" in again.err


def test_on_real_candles_too(tmp_path: Path, shared_folder: Path) -> None:
    """ETH-USDT of 2023, an hour a candle."""
    file = shared_folder / "data" / "okx_ETH-USDT_1H.csv.gz"
    if not file.exists():
        pytest.skip(f"{file.name} is not in the folder 'shared' beside this checkout")
    ended = Terminal(tmp_path).run(
        "demo",
        "--candles",
        str(file),
        "--headless",
        "--json",
        "--duration",
        "13",
        "--speed",
        "10800",
        "--no-train",
    )
    assert_books_agree(ended)
    assert ended.last["fills"] > 0
    assert ended.last["decisions"] > 0


def test_ctrl_c_ends_it_with_the_summary(tmp_path: Path) -> None:
    """And a second demo on the same folder is refused meanwhile."""
    terminal = Terminal(tmp_path)
    process = terminal.start(
        "demo", "--headless", "--json", "--speed", "7200"
    )  # with its training, in the middle
    try:
        await_words(process, "candle")
        second = terminal.run("demo", "--headless", "--duration", "1")
        assert second.code == 1
        assert f"another engine (process {process.pid})" in second.err
        ended = finish(process, signal.SIGINT)
    finally:
        process.kill()
        process.communicate()
    assert_books_agree(ended)
