"""From an order event received to the next order at the exchange, with the built-in policy; beside it the bare loop with commit.

The policy is given a forecast that argues for far more than one order may be worth, so each fill wakes a turn that buys again, through
the gate and with everything kept. The exchange holds its order events back for a moment, which keeps the pace under OKX's limit; the
time runs from their receipt. The bare loop does the same orders on the same exchange with nothing but a commit in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from rich.console import Console

from benchmarks.figures import Figure, Spread, middle, spread
from benchmarks.notes import Moments
from benchmarks.processes import Child, child
from benchmarks.stage import Stage
from kokex.adapters.postgres import EmbeddedPostgres
from kokex.domain.ids import order_origin

TARGET_MS = 50.0
_PART = "order event received to the next order (p50 / p99 / max)"


@dataclass(frozen=True, slots=True)
class Effort:
    """How many orders follow an event in each round, after how many that do not count."""

    rounds: int = 3
    turns: int = 200
    warm_up: int = 20


QUICK = Effort(rounds=1, turns=40, warm_up=10)


@dataclass(frozen=True, slots=True)
class Round:
    """Spreads of one round, all from the receipt of the event."""

    to_order: Spread
    to_record: Spread
    to_both: Spread
    floor: Spread


async def measure(
    server: EmbeddedPostgres, folder: Path, effort: Effort, console: Console
) -> tuple[list[Figure], dict[str, Any]]:
    """All rounds, engine and bare loop in turn.

    Raises:
        ChildError: a candidate failed.
    """
    rounds: list[Round] = []
    for number in range(1, effort.rounds + 1):
        async with child("order_market_process", folder / "order_market_process.log") as market:
            stage = Stage(folder, server, market)
            mine = await _engine(stage, effort)
            floor = await _bare_loop(stage, effort)
        rounds.append(Round(*mine, floor))
        console.log(f"round {number}: to order and record {mine[-1]}, bare loop {floor}")
    return _figures(rounds), {"rounds": [_plain(one) for one in rounds]}


async def _engine(stage: Stage, effort: Effort) -> tuple[Spread, Spread, Spread]:
    home, notes = stage.folder / "home" / uuid4().hex, stage.folder / "order.npz"
    words = {"database_url": stage.new_database(), "home": str(home)}
    async with stage.candidate("order_process", **words) as engine:
        if effort.warm_up:
            await engine.ask(do="until", turns=effort.warm_up, save=str(notes))
        await engine.ask(do="until", turns=effort.turns, save=str(notes))
        arrived = await _arrivals(stage.market, stage.folder)
    kept = np.load(notes)
    first: dict[int, float] = {}
    for name, at in arrived.items():
        origin = order_origin(name)
        if origin is not None:
            first.setdefault(origin.decision_id, at)
    rows = [
        (received, first[turn], closed)
        for turn, received, closed in zip(kept["turns"], kept["received"], kept["closed"], strict=True)
        if turn in first
    ]
    received, ordered, closed = (np.array(column) for column in zip(*rows, strict=True))
    both = np.maximum(ordered, closed)
    return spread(ordered - received), spread(closed - received), spread(both - received)


async def _bare_loop(stage: Stage, effort: Effort) -> Spread:
    notes = stage.folder / "bare.npz"
    async with stage.candidate("order_loop", database_url=stage.new_database()) as loop:
        await loop.ask(do="until", turns=effort.warm_up + effort.turns, save=str(notes))
        arrived = await _arrivals(stage.market, stage.folder)
    kept = np.load(notes)
    ordered: Moments = np.array([arrived[str(name)] for name in kept["names"]])
    return spread((ordered - kept["received"])[effort.warm_up :])


async def _arrivals(market: Child, folder: Path) -> dict[str, float]:
    """When each order came in at the exchange, by its name."""
    path = folder / "arrivals.npz"
    await market.ask(do="save", save=str(path))
    kept = np.load(path)
    return {str(name): float(at) for name, at in zip(kept["names"], kept["moments"], strict=True)}


def _figures(rounds: list[Round]) -> list[Figure]:
    both = middle([one.to_both for one in rounds])
    floor = middle([one.floor for one in rounds])
    ratios = sorted(one.to_order.p50 / one.floor.p50 for one in rounds)
    return [
        Figure(
            _PART,
            "KOKEX: received to next order at the exchange",
            str(middle([one.to_order for one in rounds])),
        ),
        Figure(_PART, "KOKEX: received to decision recorded", str(middle([one.to_record for one in rounds]))),
        Figure(
            _PART,
            "KOKEX: received to both",
            str(both),
            f"p99 < {TARGET_MS:g} ms",
            both.p99 < TARGET_MS,
            "built-in policy: seven tool calls, the gate, five commits",
        ),
        Figure(_PART, "bare loop with commit: received to next order at the exchange", str(floor)),
        Figure(_PART, "p50 to the next order, KOKEX / bare loop", f"{ratios[len(ratios) // 2]:.1f}"),
    ]


def _plain(one: Round) -> dict[str, dict[str, float]]:
    names = ("to_order", "to_record", "to_both", "floor")
    spreads = (one.to_order, one.to_record, one.to_both, one.floor)
    return {
        name: {"p50": made.p50, "p99": made.p99, "max": made.most}
        for name, made in zip(names, spreads, strict=True)
    }
