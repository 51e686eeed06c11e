"""`kokex up`: database, migrations, engine and worker, until told to stop."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs: `kokex --help` and wrong usage answer at once

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, Annotated

import typer

from kokex.cli.options import AsJson
from kokex.cli.output import note, say, say_json
from kokex.cli.running import load_settings, run_async, stop_signals
from kokex.domain.plan import PlanStatus

if TYPE_CHECKING:
    from kokex.adapters.worker_process import WorkerProcess
    from kokex.bootstrap import Engine
    from kokex.settings import Settings

app = typer.Typer()

BEGAN = time.monotonic()
_AT_WORK = frozenset({PlanStatus.RUNNING, PlanStatus.PAUSED})


@app.command()
def up(as_json: Annotated[bool, AsJson] = False) -> None:
    """Run the platform until Ctrl-C: the database, its migrations, the engine that trades the plans, and a worker.

    One line says when it is ready, and after how many seconds. One engine works on a data folder at a time.
    """
    from kokex.adapters.logs import configure_logs
    from kokex.bootstrap import sole_engine

    settings = load_settings()
    configure_logs(settings.log_level, as_json=settings.log_json)
    with sole_engine(settings.folder):
        run_async(_serve(settings, as_json=as_json))


async def _serve(settings: Settings, *, as_json: bool) -> None:
    from kokex.bootstrap import application, engine

    stop = asyncio.Event()
    with stop_signals(stop):
        async with application(settings) as opened:
            built = await engine(opened)
            ready = asyncio.Event()
            async with asyncio.TaskGroup() as tasks:
                running = tasks.create_task(built.run(ready))
                telling = tasks.create_task(_tell(built, ready, as_json=as_json))
                working = tasks.create_task(_worker(settings).run())
                await stop.wait()
                telling.cancel()
                working.cancel()
                running.cancel()
    note("stopped; plans keep their status and go on with the next `kokex up`")


def _worker(settings: Settings) -> WorkerProcess:
    from kokex.adapters.worker_process import WorkerProcess

    url = settings.database_url
    return WorkerProcess(settings.folder, database_url=None if url is None else url.get_secret_value())


async def _tell(built: Engine, ready: asyncio.Event, *, as_json: bool) -> None:
    """The ready line: every plan at work is reconciled, or named as waiting for its exchange."""
    from kokex.bootstrap import quiet_collector

    await ready.wait()
    quiet_collector()
    seconds = round(time.monotonic() - BEGAN, 3)
    working, waiting = [], [f"account {name}" for name in built.activity.waiting]
    elsewhere = built.activity.elsewhere
    for plan in await built.application.store.plans.list(_AT_WORK):
        if built.activity.works(plan.id):
            working.append(plan.name)
        elif plan.name not in elsewhere:
            waiting.append(f"plan {plan.name}")
    if as_json:
        say_json(
            {
                "ready": True,
                "seconds": seconds,
                "plans": working,
                "waiting": waiting,
                "elsewhere": elsewhere,
                "home": built.application.settings.folder,
                "process": os.getpid(),
            }
        )
        return
    names = ", ".join(working) or "none yet"
    say(f"KOKEX is ready after {seconds:.1f} s; plans at work: {names}. Stop with Ctrl-C.")
    if elsewhere:
        note(f"At work in another engine: {', '.join(elsewhere)}; this one takes over when that one ends.")
    if waiting:
        note(
            f"Waiting for the exchange: {', '.join(waiting)}; they are tried on. `kokex doctor` tells what is wrong."
        )
