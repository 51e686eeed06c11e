"""`kokex worker`: forecasts and trains for the engine, in a process of its own."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs: `kokex --help` and wrong usage answer at once

from __future__ import annotations

import asyncio
import os
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from kokex.cli.options import count_option, seconds_option
from kokex.cli.output import note
from kokex.cli.running import load_settings, run_async, stop_signals

if TYPE_CHECKING:
    from collections.abc import Callable

    from kokex.settings import Settings

app = typer.Typer()

LEASE_SECONDS = 15.0


@app.command()
def worker(
    threads: Annotated[
        int | None, count_option("--threads", help="CPU threads; all cores where not given.")
    ] = None,
    niceness: Annotated[
        int, count_option("--nice", help="Stand back for other processes, 0 to 19: they come first.")
    ] = 0,
    lease: Annotated[
        float,
        seconds_option(
            "--lease", help="Without a sign of life for this long, another worker takes its work over."
        ),
    ] = LEASE_SECONDS,
    with_parent: Annotated[
        bool, typer.Option("--with-parent", hidden=True, help="End when standard input closes.")
    ] = False,
) -> None:
    """Forecast with trained models and train them, until Ctrl-C. `kokex up` starts one by itself.

    As many as you like may work on one database, on machines that share KOKEX_HOME. A training that is stopped, or whose worker
    dies, goes on with another.
    """
    from kokex.adapters.logs import configure_logs

    settings = load_settings()
    configure_logs(settings.log_level, as_json=settings.log_json)
    os.nice(niceness)
    parent = Parent()
    if with_parent:
        parent.watch()
    run_async(_serve(settings, threads, lease, parent))


async def _serve(settings: Settings, threads: int | None, lease: float, parent: Parent) -> None:
    from kokex.bootstrap import application, trainer
    from kokex.bootstrap import worker as make_worker
    from kokex.services.working import Lease

    made = trainer()  # before anything is opened: it may not be installed
    if threads:
        import torch

        torch.set_num_threads(threads)
    async with application(settings) as opened:
        built = make_worker(opened, Lease(lease), made)
        with stop_signals(built.stop):
            parent.stops(built.stop)
            note(f"Worker {built.name} is ready.")
            await built.run()
    note("worker stopped; what it had begun goes on with the next")


class Parent:
    """Whoever started this process and holds the other end of its standard input."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._gone = False
        self._stop: Callable[[], object] | None = None

    def watch(self) -> None:
        """From now on its end is this process's: at once while nothing is begun, in order after that."""
        threading.Thread(target=self._wait, daemon=True).start()

    def stops(self, stop: asyncio.Event) -> None:
        """Work begins: set `stop` instead."""
        loop = asyncio.get_running_loop()
        with self._lock:
            self._stop = lambda: loop.call_soon_threadsafe(stop.set)
        if self._gone:
            stop.set()

    def _wait(self) -> None:
        while os.read(sys.stdin.fileno(), 1024):
            continue
        with self._lock:
            self._gone = True
            stop = self._stop
        if stop is None:
            os._exit(0)  # libraries are being imported, which takes seconds and is worth nothing any more
        with suppress(RuntimeError):  # the loop is closed: the worker has ended by itself
            stop()
