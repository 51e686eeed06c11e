"""Figures: what was measured, in words and numbers, against what was to be reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.notes import Moments


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table.

    Attributes:
        part: the part of the benchmark it belongs to.
        target: what was to be reached, in words; empty where nothing was set.
        reached: whether it was; None where nothing was set.
    """

    part: str
    name: str
    value: str
    target: str = ""
    reached: bool | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Spread:
    """How long something took, in milliseconds."""

    p50: float
    p99: float
    most: float

    def __str__(self) -> str:
        return f"{self.p50:.2f} / {self.p99:.2f} / {self.most:.2f} ms"


def spread(seconds: Moments) -> Spread:
    """p50, p99 and largest of durations."""
    p50, p99 = np.percentile(seconds * 1000, [50, 99])
    return Spread(float(p50), float(p99), float(seconds.max() * 1000))


def middle(spreads: Sequence[Spread]) -> Spread:
    """The median of each over several runs."""
    return Spread(
        median(one.p50 for one in spreads),
        median(one.p99 for one in spreads),
        median(one.most for one in spreads),
    )


def print_table(title: str, figures: Sequence[Figure], console: Console) -> None:
    """All figures, a block for each part."""
    table = Table(title=title, title_justify="left", show_lines=False)
    table.add_column("what", overflow="fold")
    table.add_column("measured", justify="right", no_wrap=True)
    table.add_column("to reach", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("note", overflow="fold")
    before = None
    for figure in figures:
        if figure.part != before:
            if before is not None:
                table.add_section()
            table.add_row(f"[bold]{figure.part}[/bold]")
            before = figure.part
        mark = {True: "[green]yes[/green]", False: "[red]NO[/red]", None: ""}[figure.reached]
        table.add_row(figure.name, figure.value, figure.target, mark, figure.note)
    console.print(table)


def markdown(figures: Sequence[Figure]) -> str:
    """The same as a Markdown table."""
    lines = ["| what | measured | to reach | |", "|---|---|---|---|"]
    for figure in figures:
        mark = {True: "yes", False: "**no**", None: ""}[figure.reached]
        lines.append(f"| {figure.part}: {figure.name} | {figure.value} | {figure.target} | {mark} |")
    return "\n".join(lines)
