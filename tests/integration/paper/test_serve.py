"""`kokex paper serve`: ready line, clean stop, and errors as one sentence with exit code 2."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from kokex.cli.app import run

COMMAND = "import sys; from kokex.cli.app import run; sys.exit(run())"


async def test_it_says_when_it_is_ready_and_stops_on_a_signal(tmp_path: Path) -> None:
    """One JSON line with the addresses; SIGINT ends it with 0."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        COMMAND,
        *(
            "paper",
            "serve",
            "--port",
            "0",
            "--json",
            "--speed",
            "3600",
            "--account",
            "k:s:p",
            "--balance",
            "usdt=12.5",
        ),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert child.stdout is not None
    ready: dict[str, Any] = json.loads(await asyncio.wait_for(child.stdout.readline(), 60))
    assert (ready["event"], ready["api_keys"], ready["environment"]) == ("ready", ["k"], "demo")
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{ready['rest_url']}/paper/v1/books") as response,
    ):
        assert (await response.json())["balances"] == {"USDT": "12.5"}
    child.send_signal(signal.SIGINT)
    _, errors = await asyncio.wait_for(child.communicate(), 60)
    assert (child.returncode, errors) == (0, b"")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--host", "0.0.0.0"], "'0.0.0.0'"),
        (["--candles", "/no/such/file.csv"], "/no/such/file.csv"),
        (["--candles", "DOGE-USDT=x.csv"], "DOGE-USDT"),
        (["--balance", "USDT"], "'USDT'"),
        (["--balance", "USDT=much"], "'much'"),
        (["--balance", "USDT=-1"], "-1"),
        (["--account", "k:s"], "KEY:SECRET:PASSPHRASE"),
        (["--environment", "test"], "'test'"),
        (["--interval", "7m"], "'7m'"),
        (["--interval", "1D"], "'1D'"),
        (["--speed", "0"], "0"),
        (["--start", "tomorrow"], "'tomorrow'"),
        (["--start", "2026-01-01T00:00:00"], "time zone"),
        (["--instruments", "XRP-USDT"], "XRP-USDT"),
        (["--port", "99999"], "99999"),
    ],
)
def test_bad_options_are_one_sentence(
    options: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The wrong value is named; no traceback; exit code 2."""
    assert run(["paper", "serve", *options]) == 2
    said = capsys.readouterr()
    assert words in said.err
    assert said.err.count("\n") == 1
    assert "Traceback" not in said.err
    assert said.out == ""
