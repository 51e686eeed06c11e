"""What was wrong in a candle file: kinds of flaws, counts and first examples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

_EXAMPLES = 5


class RowFlaw(StrEnum):
    """What can be wrong with a row, as words after "the row". Reading leniently leaves such rows out, except as said."""

    UNREADABLE = "cannot be read"
    IMPOSSIBLE = "cannot be a candle"
    NOT_ASCENDING = "is older than the row before it"  # kept, also in strict reading: rows are sorted
    DUPLICATE = "repeats an earlier row"
    CONFLICT = "has the open time of an earlier row but other numbers"  # the earlier row is kept
    OFF_GRID = "does not open on the interval's grid"
    GAP = "comes after a gap"  # kept: the rows around a gap are good


@dataclass(frozen=True, slots=True)
class FlawExample:
    """Where a flaw was seen: the line in the file (the header is line 1) and the value found there."""

    line: int
    value: str


@dataclass(frozen=True, slots=True)
class FlawCount:
    """How many rows had one kind of flaw, and its first few examples by line."""

    kind: RowFlaw
    count: int
    examples: tuple[FlawExample, ...]

    def __str__(self) -> str:
        first = self.examples[0]
        return f"{self.count} × the row {self.kind.value} (first in line {first.line}: {first.value})"


@dataclass(frozen=True, slots=True)
class CandleReport:
    """What was found in a file.

    Attributes:
        rows: rows read; the header and blank lines are not counted.
        kept: rows that became candles.
        missing: candles that are absent inside gaps.
        ignored_columns: columns that mean nothing here.
        flaws: one entry per kind of flaw that was seen.
    """

    rows: int
    kept: int
    missing: int
    ignored_columns: tuple[str, ...]
    flaws: tuple[FlawCount, ...]

    @property
    def is_clean(self) -> bool:
        """Whether nothing was wrong."""
        return not self.flaws

    @property
    def first(self) -> tuple[RowFlaw, FlawExample] | None:
        """The flaw that comes first in the file, apart from rows out of order: sorting mends those."""
        seen = [
            (flaw.kind, flaw.examples[0]) for flaw in self.flaws if flaw.kind is not RowFlaw.NOT_ASCENDING
        ]
        return min(seen, key=lambda flaw: flaw[1].line) if seen else None

    def count(self, kind: RowFlaw) -> int:
        """How many rows had this flaw."""
        return next((flaw.count for flaw in self.flaws if flaw.kind is kind), 0)


class FlawCounter:
    """Counts flaws while a file is read, and keeps the first examples of each kind.

    Args:
        most: how many of each; None keeps all.
    """

    def __init__(self, most: int | None = _EXAMPLES) -> None:
        self._most = most
        self._counts: dict[RowFlaw, int] = {}
        self._examples: dict[RowFlaw, list[FlawExample]] = {}

    def add(self, kind: RowFlaw, line: int, value: str) -> None:
        """Count one row; rows of a kind come in the file's order."""
        self._counts[kind] = self._counts.get(kind, 0) + 1
        examples = self._examples.setdefault(kind, [])
        if self._most is None or len(examples) < self._most:
            examples.append(FlawExample(line, value))

    def add_rows(
        self,
        kind: RowFlaw,
        lines: NDArray[np.int64],
        chosen: NDArray[np.intp],
        describe: Callable[[int], str],
    ) -> None:
        """Count many rows of a kind at once.

        Args:
            kind: the flaw.
            lines: (n,) lines of all rows.
            chosen: indices of the rows with this flaw.
            describe: the value found in the row with this index.
        """
        if not len(chosen):
            return
        self._counts[kind] = len(chosen)
        first = chosen[np.argsort(lines[chosen], kind="stable")[: self._most]].tolist()
        self._examples[kind] = [FlawExample(int(lines[row]), describe(row)) for row in first]

    def counted(self) -> tuple[FlawCount, ...]:
        """Every kind that was seen, in the order of `RowFlaw`."""
        return tuple(
            FlawCount(kind, self._counts[kind], tuple(self._examples[kind]))
            for kind in RowFlaw
            if kind in self._counts
        )
