"""Progress of long work: a bar on a terminal, nothing elsewhere."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs: `kokex --help` and wrong usage answer at once

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

_Item = TypeVar("_Item")


def steps(what: str, items: Iterable[_Item]) -> Iterator[_Item]:
    """`items` one by one, with a bar on standard error while they are worked through."""
    from rich.console import Console
    from rich.progress import track

    waiting = list(items)
    console = Console(stderr=True)
    if not console.is_terminal or len(waiting) < 2:
        yield from waiting
        return
    yield from track(waiting, description=what, console=console, transient=True)
