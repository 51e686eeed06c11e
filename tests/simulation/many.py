"""Many runs over many processes, each with a database server of its own; one run with all that is known of it."""

from __future__ import annotations

import json
import multiprocessing
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any

from kokex.adapters.postgres import EmbeddedPostgres, upgrade
from tests.fixtures_database import _SETTINGS
from tests.simulation.generate import from_seed
from tests.simulation.laboratory import LOG, Laboratory, laboratory
from tests.simulation.run import Outcome, run
from tests.simulation.scenario import as_code
from tests.simulation.shrink import shrink

_RUNS_A_PROCESS = 100
"""Then a fresh one takes over, with a server of its own: to start them costs as much as some runs."""
_TELL_S = 15.0


@dataclass
class Tally:
    """Everything that was found so far."""

    runs: int = 0
    failed: list[int] = field(default_factory=list)
    strikes: Counter[str] = field(default_factory=Counter)
    struck_runs: Counter[str] = field(default_factory=Counter)
    failed_runs: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    processor_s: float = 0.0

    def add(self, row: dict[str, Any]) -> None:
        """One run more."""
        self.runs += 1
        self.strikes.update(row["strikes"])
        self.struck_runs.update(row["strikes"].keys())
        self.counts.update(row["counts"])
        self.processor_s += row["processor_s"]
        if row["violations"]:
            self.failed.append(row["seed"])
            self.failed_runs.update(row["strikes"].keys())

    def table(self) -> str:
        """What struck how often, and in how many runs, of which how many failed."""
        lines = [f"{'fault':<24}{'strikes':>9}{'runs':>8}{'failed':>8}"]
        lines += [
            f"{kind:<24}{strikes:>9}{self.struck_runs[kind]:>8}{self.failed_runs[kind]:>8}"
            for kind, strikes in sorted(self.strikes.items())
        ]
        lines += ["", *(f"{what:<24}{count:>9}" for what, count in sorted(self.counts.items()))]
        lines.append(f"\n{self.runs} runs, {len(self.failed)} failed: {sorted(self.failed)}")
        return "\n".join(lines)


def work(seed: int) -> dict[str, Any]:
    """Run a seed in this process's own laboratory."""
    return _row(seed, _laboratory())


@cache
def _laboratory() -> Laboratory:
    """Opened with the first run, closed when the process ends."""
    stack = ExitStack()
    Finalize(None, stack.close, exitpriority=0)
    return stack.enter_context(own_laboratory())


def _row(seed: int, place: Laboratory) -> dict[str, Any]:
    LOG.clear()
    try:
        outcome = run(from_seed(seed), place)
    except Exception as error:  # noqa: BLE001 - a broken run is an outcome, and the others go on
        outcome = Outcome(
            (f"the run broke: {traceback.format_exception(error)}",), Counter(), Counter(), 0.0, 0.0
        )
    row = {
        "seed": seed,
        "violations": outcome.violations,
        "strikes": outcome.strikes,
        "counts": outcome.counts,
        "processor_s": round(outcome.processor_s, 3),
        "healing_s": round(outcome.healing_s, 1),
    }
    if outcome.violations:
        row["log"] = list(LOG)
    return row


@contextmanager
def own_laboratory() -> Iterator[Laboratory]:
    """A laboratory whose database server is nobody else's: it may crash."""
    with tempfile.TemporaryDirectory(prefix="kokex-simulation-") as folder:
        home = Path(folder)
        home.chmod(0o711)  # the server may run as another user
        with EmbeddedPostgres(home / "database", settings=_SETTINGS) as server:
            upgrade(server.url)
            with laboratory(server.url, home, server) as place:
                yield place


def one(seed: int, *, smaller: bool) -> int:
    """Run one seed and tell all about it."""
    with own_laboratory() as place:
        scenario = from_seed(seed)
        if smaller:
            scenario = shrink(scenario, lambda other: bool(run(other, place).violations))
        LOG.clear()
        outcome = run(scenario, place)
        print(*LOG, as_code(scenario), outcome, sep="\n")
    return 1 if outcome.violations else 0


def many(first: int, runs: int, jobs: int, path: Path) -> int:
    """Run seeds that are not in the file yet; 1 where any run failed."""
    tally, done = Tally(), set()
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            done.add(row["seed"])
            tally.add(row)
    wanted = [seed for seed in range(first, first + runs) if seed not in done]
    began, told, before = time.monotonic(), time.monotonic(), tally.runs
    with (
        path.open("a", encoding="utf-8") as file,
        multiprocessing.get_context("spawn").Pool(jobs, maxtasksperchild=_RUNS_A_PROCESS) as pool,
    ):
        for row in pool.imap_unordered(work, wanted):
            tally.add(row)
            file.write(json.dumps(row) + "\n")
            file.flush()
            if row["violations"]:
                print(as_code(from_seed(row["seed"])))
                print(f"seed {row['seed']} failed:", *row["violations"], sep="\n  ", flush=True)
            if time.monotonic() - told > _TELL_S:
                told = time.monotonic()
                pace = (tally.runs - before) / (told - began)
                print(
                    f"{tally.runs - before} of {len(wanted)} runs, {pace:.2f} a second, {len(tally.failed)} failed",
                    flush=True,
                )
        pool.close()
        pool.join()  # their servers stop
    print(tally.table())
    return 1 if tally.failed else 0
