"""Progress of long work: a bar on a terminal, nothing elsewhere."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs: `kokex --help` and wrong usage answer at once

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Bar(Protocol):
    """Told how far the work is."""

    def __call__(self, done: int, total: int | None = None, words: str = "") -> None:
        """So much is done, of so much where that is news; `words` stand behind the bar."""
        ...


@contextmanager
def work(what: str, total: int | None, unit: str = "candles") -> Iterator[Bar]:
    """A bar on standard error with what is done, its rate and the time that is left."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda done, total=None, words="": None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f} " + unit),
        TextColumn("{task.fields[rate]}"),
        TextColumn("elapsed"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[words]}"),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(what, total=total or 0, rate="", words="")

        def advance(done: int, total: int | None = None, words: str = "") -> None:
            progress.update(task, completed=done, total=total, words=words)
            speed = progress.tasks[0].finished_speed or progress.tasks[0].speed
            progress.update(task, rate=f"{speed:,.0f}/s" if speed else "")

        yield advance
