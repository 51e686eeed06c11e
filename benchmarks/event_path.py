"""The event path against its floors and against ccxt.pro, each in turn, on the same frames from the same server.

    calm        frames at random moments, 200 a second on average; each event wakes a turn, which ends at once
    brisk       the same at 1,000 a second; a turn takes a second, as if a fast model were asked, and is told of all that
                happened since the last one began
    full blast  frames as fast as they are read; turns as above

A round plays every candidate once, one after another, each after a second of warming up that does not count. Figures are medians over rounds; ratios are taken within a round.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import numpy as np
from rich.console import Console

from benchmarks.figures import Spread, spread
from benchmarks.frames import STAGES, WINDOW
from benchmarks.journal_check import check_journal
from benchmarks.notes import Moments
from benchmarks.processes import Child, Words, child
from benchmarks.stage import Played, Push, Stage
from kokex.adapters.postgres import EmbeddedPostgres

RATE = 200.0
THINKING_SECONDS = 1.0
BRISK_RATE = 1_000.0
KOKEX, FLOOR, COMMITTING, CCXT = "KOKEX", "bare loop", "bare loop with commit", "ccxt.pro watch_orders"
SDK = "python-okx WebSocket"
CALM, BRISK, BLAST, WARM_UP = "calm", "brisk", "full blast", "warm-up"
_PARTS_OF_A_RUN = 5
_FRAMES_A_WINDOW = WINDOW * len(STAGES)
MARKET = {"speed": 1.0, "interval": "1H", "warmup_candles": 500, "client_buffer_frames": 100_000}


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to measure."""

    rounds: int = 3
    plans: int = 20
    calm_seconds: float = 10.0
    blast_frames: int = 120_000
    brisk_seconds: float = 10.0
    blast_frames_ccxt: int = 24_000
    sharing_frames: int = 60_000


QUICK = Effort(
    rounds=1,
    calm_seconds=3.0,
    brisk_seconds=3.0,
    blast_frames=24_000,
    blast_frames_ccxt=4_800,
    sharing_frames=12_000,
)


@dataclass(frozen=True, slots=True)
class Run:
    """What one candidate did with one push.

    Attributes:
        seconds: from the sending of the first frame to the handling of the last.
        seen: share of the updates that were told to whoever asked for them.
        latency: spreads by name: "received to committed", "received to turn", "sent to handled", "sent to turn".
        cpu: processor seconds of the candidate, the exchange and the database.
        detail: batch sizes, turns, memory.
    """

    candidate: str
    push: str
    frames: int
    seconds: float
    seen: float
    latency: dict[str, Spread]
    cpu: dict[str, float]
    detail: dict[str, float] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Frames a second."""
        return self.frames / self.seconds


async def measure(server: EmbeddedPostgres, folder: Path, effort: Effort, console: Console) -> list[Run]:
    """All rounds, in turn.

    Raises:
        ChildError: a candidate failed.
        JournalError: an event was lost, doubled or misplaced.
    """
    runs: list[Run] = []
    for number in range(1, effort.rounds + 1):
        async with child("market_process", folder / "market_process.log", market=MARKET) as market:
            played = await _round(Stage(folder, server, market), effort)
        for run in played:
            console.log(f"round {number}, {run.candidate}, {run.push}: {run.rate:,.0f} frames/s")
        runs += played
    return runs


async def _round(stage: Stage, effort: Effort) -> list[Run]:
    runs: list[Run] = []
    wanted = (
        (WARM_UP, RATE, RATE),
        (CALM, effort.calm_seconds * RATE, RATE),
        (BRISK, effort.brisk_seconds * BRISK_RATE, BRISK_RATE),
        (BLAST, effort.blast_frames, None),
    )
    async with playing_engine(stage, effort.plans, 1, wanted) as (engine, url, pushes):
        for push in pushes:
            thinks = 0.0 if push.rate == RATE else THINKING_SECONDS
            runs.append(engine_run(await stage.play(engine, push, thinks=thinks)))
    check_journal(url, sum(push.frames for push in pushes))
    for name, database in ((FLOOR, None), (COMMITTING, stage.new_database())):
        async with stage.candidate("bare_loop", database_url=database) as loop:
            for push in pushes:
                runs.append(loop_run(name, await stage.play(loop, push)))
    async with stage.candidate("okx_loop") as loop:
        for push in pushes:
            runs.append(loop_run(SDK, await stage.play(loop, push)))
    async with stage.candidate("ccxt_loop") as watcher:
        for push in pushes:
            frames = push.frames if push.rate else effort.blast_frames_ccxt
            part = Push(push.name, push.first, frames, push.rate)
            words = {"first": part.first, "last_order": part.last_order}
            runs.append(watcher_run(await stage.play(watcher, part, **words)))
    return [run for run in runs if run.push != WARM_UP]


@asynccontextmanager
async def playing_engine(
    stage: Stage, plans: int, accounts: int, wanted: Iterable[tuple[str, float, float | None]]
) -> AsyncIterator[tuple[Child, str, list[Push]]]:
    """An engine on a database of its own, and the frames of its plans (name, number, rate), ready at the exchange."""
    words: Words = {"database_url": stage.new_database(), "plans": plans, "accounts": accounts}
    home = stage.folder / "home" / uuid4().hex
    async with stage.candidate("engine_process", home=str(home), **words) as engine:
        pushes = []
        first = 0
        for name, frames, rate in wanted:
            windows = max(1, round(frames / _FRAMES_A_WINDOW))
            batch: Words = {"first": first, "windows": windows, "accounts": accounts, **_owner(engine.ready)}
            made = await stage.market.ask(do="make", name=name, **batch)
            pushes.append(Push(name, first, made["frames"], rate))
            first += windows * WINDOW
        yield engine, words["database_url"], pushes


def _owner(ready: Words) -> Words:
    return {"installation": ready["installation"], "plans": ready["plans"]}


def engine_run(played: Played) -> Run:
    """What the engine did."""
    notes = np.load(played.notes)
    turns = np.load(played.notes.with_name(f"turns-{played.notes.name}"))
    started = _by_number(notes["numbers"], turns["told"], turns["started"])
    received, committed, sent = notes["received"], notes["handled"], played.sent
    batches = notes["batches"]
    return Run(
        KOKEX,
        played.push.name,
        len(sent),
        float(committed[-1] - sent[0]),
        1.0,
        {
            "received to committed": spread(committed - received),
            "received to turn": spread(started - received),
            "sent to handled": spread(committed - sent),
            "sent to turn": spread(started - sent),
        },
        dict(played.cpu),
        {
            "mean_batch": float(batches.mean()),
            "largest_batch": float(batches.max()),
            "commits": float(len(batches)),
            "sustained": _slowest_part(sent[0], committed),
            "turns": played.answer["turns"],
            "seconds_to_last_turn": float(started.max() - sent[0]),
            "rss_mib": played.answer["rss_mib"],
            "uss_mib": played.answer["uss_mib"],
        },
    )


def loop_run(name: str, played: Played) -> Run:
    """What a bare loop did."""
    notes = np.load(played.notes)
    received, handled, sent = notes["received"], notes["handled"], played.sent
    detail = {}
    if len(notes["batches"]):
        detail = {
            "mean_batch": float(notes["batches"].mean()),
            "largest_batch": float(notes["batches"].max()),
        }
    latency = {"received to committed": spread(handled - received), "sent to handled": spread(handled - sent)}
    seconds = float(handled[-1] - sent[0])
    return Run(name, played.push.name, len(sent), seconds, 1.0, latency, dict(played.cpu), detail)


def watcher_run(played: Played) -> Run:
    """What ccxt.pro did. Its caller may never see an update that a later one of the same order overtook."""
    seen_at: Moments = np.load(played.notes)["seen"]
    seen = ~np.isnan(seen_at)
    latency = {"sent to handled": spread((seen_at - played.sent)[seen])}
    seconds = float(played.answer["done"] - played.sent[0])
    detail = {"calls": float(played.answer["calls"])}
    frames = len(played.sent)
    return Run(CCXT, played.push.name, frames, seconds, float(seen.mean()), latency, dict(played.cpu), detail)


def _slowest_part(began: float, committed: Moments) -> float:
    """Commits a second in the slowest fifth of a run."""
    ends = [float(part[-1]) for part in np.array_split(committed, _PARTS_OF_A_RUN)]
    lengths = np.diff([began, *ends])
    return float(len(committed) / _PARTS_OF_A_RUN / lengths.max())


def _by_number(numbers: Moments, told: Moments, started: Moments) -> Moments:
    """When the turn of each event began, in the order of the journal."""
    order = np.argsort(told, kind="stable")
    if not np.array_equal(told[order], numbers):
        raise RuntimeError(f"turns were told of {len(told)} events where {len(numbers)} were journalled anew")
    return started[order]
