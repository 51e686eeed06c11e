"""Many plans on many accounts against few on one: the same number of frames at full blast, the engine on a fresh database each time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from rich.console import Console

from benchmarks.event_path import (
    BLAST,
    MARKET,
    RATE,
    THINKING_SECONDS,
    WARM_UP,
    Effort,
    Run,
    engine_run,
    playing_engine,
)
from benchmarks.figures import Figure
from benchmarks.journal_check import check_journal
from benchmarks.processes import child
from benchmarks.stage import Stage
from kokex.adapters.postgres import EmbeddedPostgres


@dataclass(frozen=True, slots=True)
class Crowd:
    """How many plans share how many accounts."""

    plans: int
    accounts: int

    def __str__(self) -> str:
        return f"{self.plans} plans on {self.accounts} account{'s' if self.accounts > 1 else ''}"


FEW, MANY = Crowd(20, 1), Crowd(200, 20)
_PART = "full blast, shared accounts"


async def measure(
    server: EmbeddedPostgres, folder: Path, effort: Effort, console: Console
) -> list[dict[Crowd, Run]]:
    """All rounds, in turn. Raises as `event_path.measure` does."""
    rounds = []
    for number in range(1, effort.rounds + 1):
        async with child("market_process", folder / "market_process.log", market=MARKET) as market:
            rounds.append(await _round(Stage(folder, server, market), effort))
        for crowd, run in rounds[-1].items():
            console.log(f"round {number}, {crowd}: {run.rate:,.0f} frames/s")
    return rounds


async def _round(stage: Stage, effort: Effort) -> dict[Crowd, Run]:
    pushes = ((WARM_UP, RATE, RATE), (BLAST, effort.sharing_frames, None))
    runs = {}
    for crowd in (FEW, MANY):
        async with playing_engine(stage, crowd.plans, crowd.accounts, pushes) as (engine, url, made):
            for push in made:
                runs[crowd] = engine_run(await stage.play(engine, push, thinks=THINKING_SECONDS))
        check_journal(url, sum(push.frames for push in made))
    return runs


def sharing_figures(rounds: Sequence[dict[Crowd, Run]]) -> list[Figure]:
    """Rates and processor time of both; the ratio is taken within a round."""
    figures = [
        Figure(
            _PART,
            f"KOKEX, {crowd}: durable events",
            f"{median(played[crowd].rate for played in rounds):,.0f}/s",
            note=f"engine + database: {_spent(rounds, crowd)} µs of processor time a frame",
        )
        for crowd in (FEW, MANY)
    ]
    ratio = median(played[MANY].rate / played[FEW].rate for played in rounds)
    figures.append(
        Figure(_PART, f"events/s, {MANY} / {FEW}", f"{ratio:.2f}", "1, within noise", ratio >= _SLOWER)
    )
    return figures


_SLOWER = 0.95


def _spent(rounds: Sequence[dict[Crowd, Run]], crowd: Crowd) -> str:
    parts = (
        median(played[crowd].cpu[name] / played[crowd].frames * 1e6 for played in rounds)
        for name in ("candidate", "database")
    )
    return " + ".join(f"{part:.0f}" for part in parts)
