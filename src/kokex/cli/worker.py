"""`kokex worker`: forecasts and trains for the engine, in a process of its own."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs: `kokex --help` and wrong usage answer at once

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from kokex.cli.options import count_option, seconds_option
from kokex.cli.output import note
from kokex.cli.running import load_settings, run_async, stop_signals

if TYPE_CHECKING:
    from kokex.settings import Settings

app = typer.Typer()

LEASE_SECONDS = 15.0


@app.command()
def worker(
    threads: Annotated[
        int | None, count_option("--threads", help="CPU threads; all cores where not given.")
    ] = None,
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
    run_async(_serve(settings, threads, lease, with_parent=with_parent))


async def _serve(settings: Settings, threads: int | None, lease: float, *, with_parent: bool) -> None:
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
            note(f"Worker {built.name} is ready.")
            async with asyncio.TaskGroup() as tasks:
                watching = tasks.create_task(_until_input_closes(built.stop)) if with_parent else None
                await built.run()
                if watching is not None:
                    watching.cancel()
    note("worker stopped; what it had begun goes on with the next")


async def _until_input_closes(stop: asyncio.Event) -> None:
    """Set `stop` when the parent closes our standard input, or dies. Reads without a thread: none keeps the process."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.read(1024):
        continue
    stop.set()
