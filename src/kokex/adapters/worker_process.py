"""A worker as a child process: started where models can be used, started again where it dies, ended with its parent."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import Final

import structlog

from kokex.adapters.model_libraries import missing_libraries

log = structlog.get_logger(__name__)

_DATABASE: Final = "KOKEX_DATABASE_URL"
_SHORTEST_WAIT: Final = 1.0
_LONGEST_WAIT: Final = 60.0
_STEADY_SECONDS: Final = 60.0
"""A worker that lived this long begins anew with the shortest wait."""
_STOP_SECONDS: Final = 20.0
"""How long a worker may take to save its training and end."""


class WorkerProcess:
    """Keeps one worker alive on a data folder.

    Args:
        home: the data folder, handed on as `KOKEX_HOME`.
        database_url: the database, handed on; None: the one in the data folder. All else comes with the environment.
        log_file: where the worker's own log goes; None: with this process's.
        threads: CPU threads; None: all cores.
        niceness: how much it stands back for other processes, 0 to 19.
        command: another than `kokex worker` (tests).
    """

    def __init__(
        self,
        home: Path,
        *,
        database_url: str | None = None,
        log_file: Path | None = None,
        threads: int | None = None,
        niceness: int = 0,
        command: tuple[str, ...] = (),
    ) -> None:
        self._environment = {name: value for name, value in os.environ.items() if name != _DATABASE}
        self._environment["KOKEX_HOME"] = str(home)
        if database_url is not None:
            self._environment[_DATABASE] = database_url
        self._log_file = log_file
        self._command = command or _command(threads, niceness)

    async def run(self) -> None:
        """Until cancelled. Returns at once, with a word in the log, where the libraries of models are not installed."""
        missing = missing_libraries()
        if missing:
            log.info(
                "no worker: the baseline forecasts",
                missing=", ".join(missing),
                advice="`make up` installs it",
            )
            return
        wait = _SHORTEST_WAIT
        while True:
            began = time.monotonic()
            code = await self._one()
            if time.monotonic() - began > _STEADY_SECONDS:
                wait = _SHORTEST_WAIT
            log.warning(
                "the worker ended; the baseline forecasts meanwhile", exit_code=code, again_in_seconds=wait
            )
            await asyncio.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT)

    async def _one(self) -> int:
        """Run one worker to its end; its exit code. Cancelled, it is asked to end and waited for."""
        sink = None if self._log_file is None else self._log_file.open("ab")
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=sink,
                stderr=sink,
                env=self._environment,
                start_new_session=True,  # Ctrl-C is for the parent, which ends it in order
            )
        finally:
            if sink is not None:
                sink.close()
        log.info("a worker is started", process=process.pid)
        try:
            return await process.wait()
        finally:
            await _end(process)


def _command(threads: int | None, niceness: int) -> tuple[str, ...]:
    words = [sys.executable, "-m", "kokex", "worker", "--with-parent", "--nice", str(niceness)]
    return (*words, "--threads", str(threads)) if threads else tuple(words)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Close its standard input, which it takes as the word to stop; kill it where it does not."""
    if process.returncode is not None:
        return
    assert process.stdin is not None
    process.stdin.close()
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
