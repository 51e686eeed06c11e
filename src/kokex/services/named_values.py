"""Settings as a person writes them: `name=value`, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from kokex.domain.errors import ConfigurationError

Parser: TypeAlias = Callable[[str], Any]
"""Reads a value; raises `ValueError` with a sentence where it cannot be."""


def read_named_values(
    texts: Iterable[str], parsers: Mapping[str, Parser], *, what: str, all_of_them: str
) -> dict[str, Any]:
    """Each value by its name, read by the parser of that name.

    Args:
        what: one of them, for messages ("limit"); `all_of_them`: their plural ("the limits").

    Raises:
        ConfigurationError: an unknown name, a value that cannot be, or a name set twice; the message says what can.
    """
    values: dict[str, Any] = {}
    for written in texts:
        name, separator, text = written.partition("=")
        name = name.strip().lower().replace("-", "_")
        parser = parsers.get(name)
        if not separator:
            raise ConfigurationError(f"{written!r} is not of the form name=value")
        if parser is None:
            raise ConfigurationError(f"there is no {what} {name!r}; {all_of_them} are: {', '.join(parsers)}")
        if name in values:
            raise ConfigurationError(f"{name} is set twice")
        try:
            values[name] = parser(text.strip())
        except ValueError as error:
            raise ConfigurationError(f"{name}: {error}") from None
    return values
