"""The worker as a child: started again when it dies, ended with its parent, left out where it cannot run."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from kokex.adapters import worker_process
from kokex.adapters.worker_process import WorkerProcess
from tests.world import eventually

DIES = "import os, sys; open(sys.argv[1], 'a').write(f'{os.getpid()} '); sys.exit(3)"
LIVES = (
    "import os, sys; open(sys.argv[1], 'a').write(os.environ['KOKEX_HOME']); "
    "sys.stdin.read(); open(sys.argv[1], 'a').write(' ended')"
)


def child(code: str, file: Path, home: Path) -> WorkerProcess:
    return WorkerProcess(home, command=(sys.executable, "-c", code, str(file)))


def words(file: Path) -> list[str]:
    return file.read_text().split() if file.exists() else []


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_process, "missing_libraries", list)
    monkeypatch.setattr(worker_process, "_SHORTEST_WAIT", 0.01)


async def test_a_worker_that_dies_is_started_again(tmp_path: Path) -> None:
    """Again and again, each a process of its own."""
    file = tmp_path / "births"
    task = asyncio.create_task(child(DIES, file, tmp_path).run())
    await eventually(lambda: len(words(file)) >= 3, "three births")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert len(set(words(file))) == len(words(file))


async def test_a_worker_ends_in_order_with_its_parent(tmp_path: Path) -> None:
    """Its standard input closes, and it is waited for."""
    file = tmp_path / "life"
    task = asyncio.create_task(child(LIVES, file, tmp_path).run())
    await eventually(lambda: words(file) == [str(tmp_path)], "a start in the data folder")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert words(file) == [str(tmp_path), "ended"]


async def test_without_the_libraries_there_is_no_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing fails."""
    monkeypatch.setattr(worker_process, "missing_libraries", lambda: ["torch"])
    file = tmp_path / "births"
    await child(DIES, file, tmp_path).run()
    assert words(file) == []
