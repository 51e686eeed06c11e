"""`kokex up` as a user runs it: how long until it is ready, and how much memory it takes once it has traded a while."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil
from rich.console import Console

from benchmarks.desk import start_plan
from benchmarks.figures import Figure
from benchmarks.processes import ChildError, child
from kokex.bootstrap import Application, application
from kokex.domain.decision import TurnStatus
from kokex.domain.plan import ForecastSettings
from kokex.settings import Settings

START_TARGET_SECONDS = 6.0
MEMORY_TARGET_MB = 200
_READY_SECONDS = 120.0
_TRADING_MARKET = {"speed": 600.0, "interval": "1m", "warmup_candles": 1000}
"""A candle every tenth of a second."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to measure."""

    starts: int = 5
    trading_seconds: float = 30.0


QUICK = Effort(starts=2, trading_seconds=8.0)


@dataclass(frozen=True, slots=True)
class Memory:
    """What the engine's process takes, in MB (10^6 bytes) as the target is set."""

    resident: float
    unshared: float
    torch_mapped: bool
    turns: int
    events: int


async def measure(folder: Path, effort: Effort, console: Console) -> tuple[list[Figure], dict[str, object]]:
    """Start several times on the same data folder, then trade for a while."""
    home = folder / "up"
    async with child("market_process", folder / "market_process.log", market=_TRADING_MARKET) as market:
        async with application(Settings(home=home)) as app:
            forecast = ForecastSettings(context=400, horizon=24, paths=256)
            await start_plan(app, "bench", market.ready["rest_url"], forecast)
        seconds = []
        for number in range(effort.starts + 1):  # the first fills the system's file cache and does not count
            async with _kokex_up(home, folder) as (_, took):
                seconds.append(took)
            console.log(f"start {number}: {took:.2f} s")
        async with _kokex_up(home, folder) as (process, _):
            await asyncio.sleep(effort.trading_seconds)
            memory = await _memory(home, process)
    return _figures(seconds[1:], memory, effort), {"start_seconds": seconds, "memory": _record(memory)}


@asynccontextmanager
async def _kokex_up(home: Path, folder: Path) -> AsyncIterator[tuple[psutil.Process, float]]:
    """`kokex up`, ready; its process, and the seconds from its creation to its ready line. Stopped as Ctrl-C does."""
    command = Path(sys.executable).with_name("kokex")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KOKEX_")}
    with (folder / "up.log").open("ab") as log:
        began = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            str(command),
            "up",
            "--json",
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            env={**environment, "KOKEX_HOME": str(home)},
            start_new_session=True,
        )
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), _READY_SECONDS)
        took = time.monotonic() - began
        said = json.loads(line) if line else {}
        if said.get("plans") != ["bench"]:
            raise ChildError(f"kokex up did not get its plan to work: {said}; see {folder / 'up.log'}")
        yield psutil.Process(process.pid), took
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
            await asyncio.wait_for(process.wait(), _READY_SECONDS)


async def _memory(home: Path, process: psutil.Process) -> Memory:
    known = process.memory_full_info()
    mapped = any("libtorch" in part.path for part in process.memory_maps())
    async with application(Settings(home=home)) as app:
        turns, events = await _activity(app)
    return Memory(known.rss / 1e6, known.uss / 1e6, mapped, turns, events)


async def _activity(app: Application) -> tuple[int, int]:
    (plan,) = await app.store.plans.list()
    recent = await app.store.turns.recent(plan.id, limit=100_000)
    return sum(turn.status is TurnStatus.DONE for turn in recent), await app.store.journal.count(plan.id)


def _figures(seconds: list[float], memory: Memory, effort: Effort) -> list[Figure]:
    middle = median(seconds)
    part = "kokex up"
    return [
        Figure(
            part,
            "process start to ready, warm",
            f"{middle:.2f} s",
            f"< {START_TARGET_SECONDS:g} s",
            middle < START_TARGET_SECONDS,
            f"median of {len(seconds)}, {min(seconds):.2f} to {max(seconds):.2f} s; starts the embedded database too",
        ),
        Figure(
            part,
            "resident memory of the engine",
            f"{memory.resident:.0f} MB",
            f"< {MEMORY_TARGET_MB} MB",
            memory.resident < MEMORY_TARGET_MB,
            f"{memory.unshared:.0f} MB of it unshared; after {effort.trading_seconds:g} s, {memory.turns} turns, "
            f"{memory.events} order events",
        ),
        Figure(
            part,
            "torch in the engine's process",
            "yes" if memory.torch_mapped else "no",
            "no",
            not memory.torch_mapped,
        ),
    ]


def _record(memory: Memory) -> dict[str, object]:
    return {
        "resident_mb": memory.resident,
        "unshared_mb": memory.unshared,
        "torch_mapped": memory.torch_mapped,
        "turns": memory.turns,
        "events": memory.events,
    }
