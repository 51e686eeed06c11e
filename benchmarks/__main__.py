"""`python -m benchmarks`: measure, print a table, write JSON. See docs/benchmarks.md."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import candles, event_path, kronos, machine, order, recovery, risk, sharing, start_up
from benchmarks.event_figures import event_figures
from benchmarks.figures import Figure, markdown, print_table
from benchmarks.journal_check import JournalError
from benchmarks.processes import ROOT, ChildError
from kokex.adapters.postgres import EmbeddedPostgres

EVENT, SHARING, START, RECOVERY, CANDLES = "event", "sharing", "start", "recovery", "candles"
RISK, ORDER = "risk", "order"
_WIDTH = 150
"""Columns where there is no terminal."""
_IN_MEMORY = {"tmpfs", "ramfs"}


@dataclass
class Results:
    """What was measured so far."""

    machine: dict[str, Any]
    figures: list[Figure] = field(default_factory=list)
    record: dict[str, Any] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """All of it, for JSON."""
        figures = [asdict(figure) for figure in self.figures]
        return {"machine": self.machine, "figures": figures, **self.record}


def options_from(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = [EVENT, SHARING, START, RECOVERY, CANDLES, RISK, ORDER, *kronos.programs()]
    parser.add_argument(
        "--only", default="", metavar="NAMES", help=f"comma-separated, of: {', '.join(names)}"
    )
    parser.add_argument("--all", action="store_true", help="the model's benchmarks too (minutes)")
    parser.add_argument("--json", type=Path, default=ROOT / "bench-results.json", help="where the figures go")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown too")
    parser.add_argument(
        "--rounds", type=int, default=3, help="rounds of the event path, of which medians are taken"
    )
    parser.add_argument("--quick", action="store_true", help="one short round: whether it runs, not figures")
    parser.add_argument(
        "--folder",
        type=Path,
        default=ROOT / "build",
        help="where the database's folder is made for the while",
    )
    options = parser.parse_args(arguments)
    chosen = [name for name in options.only.split(",") if name]
    if unknown := [name for name in chosen if name not in names]:
        parser.error(f"{', '.join(unknown)}: no such benchmark; there are {', '.join(names)}")
    options.chosen = chosen or (
        names if options.all else [EVENT, SHARING, START, RECOVERY, CANDLES, RISK, ORDER]
    )
    return options


def measure(options: argparse.Namespace, folder: Path, results: Results, console: Console) -> None:
    """Everything that was chosen."""
    effort = event_path.QUICK if options.quick else event_path.Effort(rounds=options.rounds)
    if EVENT in options.chosen:
        console.log("event path: KOKEX, bare loops, python-okx, ccxt.pro, in turn")
        with EmbeddedPostgres(folder / "home" / "database") as server:
            runs = asyncio.run(event_path.measure(server, folder, effort, console))
        results.figures += event_figures(runs)
        results.record["event"] = [asdict(run) for run in runs]
    if SHARING in options.chosen:
        console.log("event path: few plans on one account, many on many")
        with EmbeddedPostgres(folder / "home" / "database") as server:
            rounds = asyncio.run(sharing.measure(server, folder, effort, console))
        results.figures += sharing.sharing_figures(rounds)
        results.record["sharing"] = [
            {str(crowd): asdict(run) for crowd, run in played.items()} for played in rounds
        ]
    if START in options.chosen:
        console.log("kokex up: starting and trading")
        effort_up = start_up.QUICK if options.quick else start_up.Effort()
        figures, record = asyncio.run(start_up.measure(folder, effort_up, console))
        results.figures += figures
        results.record["start"] = record
    if RECOVERY in options.chosen:
        console.log("recovery: the exchange goes away and comes back")
        effort_recovery = recovery.QUICK if options.quick else recovery.Effort()
        with EmbeddedPostgres(folder / "recovery" / "database") as server:
            figures, record = asyncio.run(recovery.measure(server, folder, effort_recovery, console))
        results.figures += figures
        results.record["recovery"] = record
    if CANDLES in options.chosen:
        console.log("candles: import, read, gaps, repair")
        effort_candles = candles.QUICK if options.quick else candles.Effort(rounds=options.rounds)
        with EmbeddedPostgres(folder / "candles" / "database") as server:
            figures, record = asyncio.run(candles.measure(server, folder, effort_candles, console))
        results.figures += figures
        results.record["candles"] = record
    if RISK in options.chosen:
        console.log("risk gate")
        figures, results.record["risk"] = risk.measure()
        results.figures += figures
    if ORDER in options.chosen:
        console.log("order: from an event to the next order, KOKEX and the bare loop in turn")
        effort_order = order.QUICK if options.quick else order.Effort(rounds=options.rounds)
        with EmbeddedPostgres(folder / "home" / "database") as server:
            figures, record = asyncio.run(order.measure(server, folder, effort_order, console))
        results.figures += figures
        results.record["order"] = record
    for name in kronos.programs():
        if name in options.chosen:
            console.log(name)
            results.record[name] = kronos.run(name, folder)


def main() -> int:
    """The program; its exit code: 0 measured (whatever the figures), 1 could not be measured."""
    options = options_from(sys.argv[1:])
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    options.folder.mkdir(parents=True, exist_ok=True)
    results = Results(machine.describe(options.folder))
    if results.machine["data_file_system"] in _IN_MEMORY:
        console.print(
            f"[red]{options.folder} lies in memory: commits cost nothing there; choose --folder on a disk[/red]"
        )
        return 1
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=options.folder))
    console.print(machine.words(results.machine))
    if results.machine["load_average_at_start"] > 0.3 * (os.cpu_count() or 1):
        console.print("[yellow]The machine is busy: trust the ratios, not the times.[/yellow]")
    try:
        measure(options, folder, results, console)
    except (ChildError, JournalError) as error:
        console.print(f"[red]{error}[/red]")
        return 1
    finally:
        shutil.rmtree(folder)
    print_table("KOKEX benchmarks", results.figures, console)
    if options.markdown:
        print(markdown(results.figures))
    options.json.write_text(json.dumps(results.document(), indent=1) + "\n")
    console.print(f"Written to {options.json}; what each line means: docs/benchmarks.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
