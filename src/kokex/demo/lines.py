"""The demo without a terminal: a line a happening."""

from __future__ import annotations

from collections.abc import Callable

from kokex.demo.watch import Happening, Picture, line


class Lines:
    """Writes lines."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write

    def say(self, text: str) -> None:
        """What the demo is doing."""
        self._write(text)

    def show(self, picture: Picture, happenings: list[Happening]) -> None:
        """What is new."""
        for happening in happenings:
            self._write(line(happening))

    def curtain(self) -> None:
        """Nothing to give back."""
