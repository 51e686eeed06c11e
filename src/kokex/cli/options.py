"""Options and arguments that several commands share, and how their text becomes values."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import typer

AsJson: Final = typer.Option("--json", help="Write one JSON document instead of text.")


_MOST_DIGITS: Final = 30
"""On either side of the point."""


def decimal_number(text: str | Decimal) -> Decimal:
    """A finite number as written; money and quantities never pass through a float."""
    try:
        number = Decimal(str(text).strip())
    except InvalidOperation:
        raise ValueError(f"{text!r} is not a number") from None
    if not number.is_finite():
        raise ValueError(f"{text!r} is not a finite number")
    if number and abs(number.adjusted()) > _MOST_DIGITS:
        raise ValueError(f"{text!r} is beyond every amount of money")
    return number


def whole_number(text: str | int) -> int:
    """A whole number, 0 or more."""
    try:
        number = int(str(text).strip())
    except ValueError:
        raise ValueError(f"{text!r} is not a whole number") from None
    if number < 0:
        raise ValueError(f"{text!r} must not be negative")
    return number


def seconds(text: str | float) -> float:
    """A number of seconds (or another positive quantity), more than 0."""
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a number") from None
    if not 0 < number < float("inf"):
        raise ValueError(f"{text!r} must be more than 0")
    return number


def moment(text: str | datetime) -> datetime:
    """An ISO 8601 date or time; UTC where it names no zone."""
    if isinstance(text, datetime):
        return text
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"{text!r} is not a date or time such as 2026-01-31 or 2026-01-31T12:00") from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def money_option(*names: str, help: str, **options: Any) -> Any:  # noqa: A002  Typer's word
    """An option that takes an amount of money, exactly."""
    return typer.Option(*names, help=help, parser=decimal_number, metavar="AMOUNT", **options)


def count_option(*names: str, help: str, **options: Any) -> Any:  # noqa: A002
    """An option that takes a whole number."""
    return typer.Option(*names, help=help, parser=whole_number, metavar="NUMBER", **options)


def seconds_option(*names: str, help: str, **options: Any) -> Any:  # noqa: A002
    """An option that takes seconds."""
    return typer.Option(*names, help=help, parser=seconds, metavar="SECONDS", **options)


def time_option(*names: str, help: str, **options: Any) -> Any:  # noqa: A002
    """An option that takes a time."""
    return typer.Option(*names, help=help, parser=moment, metavar="TIME", **options)
