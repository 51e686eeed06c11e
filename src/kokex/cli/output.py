"""What commands write: results to standard output, everything else to standard error."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs: `kokex --help` and wrong usage answer at once

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO
from unicodedata import category

if TYPE_CHECKING:
    from rich.table import Table


_HIDDEN: Final = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})
"""Control and format characters (direction, zero width), private use, surrogates, separators of lines."""


def legible(text: str) -> str:
    """`text` with what a terminal would obey, or nobody would see, as its number: agents and exchanges write what is shown here."""
    if text.isprintable():
        return text
    return "".join(
        sign if sign in "\n\t" or category(sign) not in _HIDDEN else _numbered(sign) for sign in text
    )


def _numbered(sign: str) -> str:
    """As JSON writes it, so that a document stays the same."""
    pairs = sign.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{pairs[at : at + 2].hex()}" for at in range(0, len(pairs), 2))


def say(text: str) -> None:
    """One line for a person, on standard output."""
    _write(sys.stdout, legible(text))


def note(text: str) -> None:
    """One line for a person, beside the result: on standard error."""
    _write(sys.stderr, legible(text))


def _write(stream: TextIO, line: str) -> None:
    stream.write(f"{line}\n")
    stream.flush()


def complain(sentence: str) -> None:
    """What went wrong, on standard error, on one line whatever it came as."""
    note(f"Error: {' '.join(sentence.split())}")


def say_json(document: Any) -> None:
    """One JSON document on one line of standard output. Money is text, times are ISO 8601 in UTC, durations seconds."""
    say(json_line(document))


def json_line(document: Any) -> str:
    """`document` as JSON on one line."""
    return json.dumps(document, default=_plain, ensure_ascii=False, allow_nan=False)


def say_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table for a person; as wide as it needs where nobody's terminal limits it.

    In a terminal too narrow for whole words each row is a block of lines instead, so that nothing is cut short.
    """
    from rich.console import Console

    kept = [tuple(row) for row in rows]
    table = make_table(title, columns, kept)
    console = Console()
    if not console.is_terminal:
        console = Console(width=Console(width=1000).measure(table).maximum)
    elif console.measure(table, options=console.options.update(max_width=1000)).minimum > console.width:
        say(_blocks(title, columns, kept))
        return
    console.print(table)


def _blocks(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Each row as a block of `column  value` lines; cells that say nothing are left out."""
    names = [" ".join(column.split()) for column in columns]
    width = max(len(name) for name in names)
    blocks = [
        "\n".join(
            f"  {name:<{width}}  {cell}".rstrip()
            for name, cell in zip(names, row, strict=True)
            if cell not in ("", "-")
        )
        for row in rows
    ]
    return "\n\n".join([title, *blocks] if title else blocks) + "\n"


def make_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """A table whose cells are text, never markup."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*(Text(legible(cell)) for cell in row))
    return table


def utc(moment: datetime) -> str:
    """`2026-01-31T12:00:00.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def when(moment: datetime | None) -> str:
    """A time in the reader's own zone, to the second; a dash where there is none."""
    return "-" if moment is None else moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def market_time(moment: datetime | None) -> str:
    """A market's time: UTC, to the minute; a dash where there is none."""
    return "-" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M")


def plain(number: Decimal | None) -> str:
    """A decimal without exponent or trailing zeros; a dash where it is unknown."""
    if number is None:
        return "-"
    text = f"{number:f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return utc(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, frozenset | set):
        return sorted(str(item) for item in value)
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
