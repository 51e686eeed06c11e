"""`kokex paper serve --faults FILE --fault-record FILE`."""

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


async def test_a_file_of_faults_is_armed_and_what_struck_is_written_down(tmp_path: Path) -> None:
    """The ready line counts them; the record holds what was armed and what struck."""
    plan, record = tmp_path / "day.toml", tmp_path / "record.jsonl"
    plan.write_text('seed = 3\n[[faults]]\nkind = "server_error"\npath = "public/time"\n')
    options = [
        "paper",
        "serve",
        "--port",
        "0",
        "--json",
        "--faults",
        str(plan),
        "--fault-record",
        str(record),
    ]
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        COMMAND,
        *options,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert child.stdout is not None
    ready: dict[str, Any] = json.loads(await asyncio.wait_for(child.stdout.readline(), 60))
    assert ready["faults"] == 1
    async with aiohttp.ClientSession() as session:
        for status in (503, 200):
            async with session.get(f"{ready['rest_url']}/api/v5/public/time") as response:
                assert response.status == status
    child.send_signal(signal.SIGINT)
    _, errors = await asyncio.wait_for(child.communicate(), 60)
    assert (child.returncode, errors) == (0, b"")
    armed, struck = [json.loads(line) for line in record.read_text().splitlines()]
    assert (armed["kind"], armed["seed"]) == ("server_error", 3)
    assert (struck["struck"], struck["kind"], struck["path"]) == (1, "server_error", "GET public/time")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[[faults]]\nkind = "hail"\n', ["line 2: fault 1", "'hail'", "drop_frame"]),
        ('[[faults]]\nkind = "stall"\nprobability = 2\n', ["line 3: fault 1", "probability 2"]),
        ("[[faults]\n", ["not TOML", "line 1"]),
        (None, ["day.toml"]),
    ],
)
def test_a_bad_file_is_one_sentence(
    tmp_path: Path, text: str | None, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, no traceback; the line, the value and the choice."""
    if text is not None:
        (tmp_path / "day.toml").write_text(text)
    assert run(["paper", "serve", "--port", "0", "--faults", str(tmp_path / "day.toml")]) == 2
    said = capsys.readouterr()
    for word in words:
        assert word in said.err
    assert "Traceback" not in said.err
    assert said.out == ""
