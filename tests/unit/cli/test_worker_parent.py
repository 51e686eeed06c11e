"""A worker ends with whoever started it, from its first moment on."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import pytest

from kokex.cli.worker import Parent

IMPORTING = "import time; from kokex.cli.worker import Parent; Parent().watch(); print('up', flush=True); time.sleep(60)"


def test_it_ends_at_once_while_libraries_are_imported() -> None:
    """Not a minute later, when they are."""
    child = subprocess.Popen(
        [sys.executable, "-c", IMPORTING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None and child.stdin is not None
    try:
        assert child.stdout.readline() == "up\n"
        child.stdin.close()
        assert child.wait(timeout=20) == 0
    finally:
        child.kill()
        child.stdout.close()


async def test_once_it_works_it_is_asked_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a training is saved."""
    reading, writing = os.pipe()
    with os.fdopen(reading) as given:
        monkeypatch.setattr(sys, "stdin", given)
        parent, stop = Parent(), asyncio.Event()
        parent.stops(stop)
        parent.watch()
        assert not stop.is_set()
        os.close(writing)
        async with asyncio.timeout(60):
            await stop.wait()
