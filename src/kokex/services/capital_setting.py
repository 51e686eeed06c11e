"""Use of capital as a person writes it: `sizing=kelly`, `kelly_fraction=25%`, `trailing_stop=none`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from kokex.domain.capital import CapitalSettings, SizingMethod
from kokex.domain.errors import ConfigurationError

_Parser = Callable[[str], Any]


def with_capital(settings: CapitalSettings, changes: Iterable[str]) -> CapitalSettings:
    """`settings` with each `name=value` set.

    Raises:
        ConfigurationError: an unknown name, a value that cannot be, or a name set twice; the message says what can.
    """
    values: dict[str, Any] = {}
    for change in changes:
        name, separator, text = change.partition("=")
        name = name.strip().lower().replace("-", "_")
        parser = _PARSERS.get(name)
        if not separator:
            raise ConfigurationError(f"{change!r} is not of the form name=value")
        if parser is None:
            raise ConfigurationError(
                f"there is no capital setting {name!r}; the settings are: {', '.join(_PARSERS)}"
            )
        if name in values:
            raise ConfigurationError(f"{name} is set twice")
        try:
            values[name] = parser(text.strip())
        except ValueError as error:
            raise ConfigurationError(f"{name}: {error}") from None
    changed = replace(settings, **values)
    fault = changed.fault()
    if fault is not None:
        raise ConfigurationError(fault)
    return changed


def _method(text: str) -> SizingMethod:
    known = {method.value: method for method in SizingMethod}
    if text.lower().replace("-", "_") not in known:
        raise ValueError(f"{text!r} is unknown; use one of {', '.join(known)}")
    return known[text.lower().replace("-", "_")]


def _number(text: str) -> Decimal:
    try:
        number = Decimal(text[:-1]) / 100 if text.endswith("%") else Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{text!r} is not a number") from None
    if not number.is_finite() or abs(number.adjusted()) > 15:
        raise ValueError(f"{text!r} is out of range")
    return number


def _whole(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise ValueError(f"{text!r} must be a whole number of 1 or more")
    return int(text)


def _or_none(parser: _Parser) -> _Parser:
    return lambda text: None if text.lower() == "none" else parser(text)


_PARSERS: Final[dict[str, _Parser]] = {
    "sizing": _method,
    "fixed_notional": _or_none(_number),
    "target_volatility": _number,
    "kelly_fraction": _number,
    "unproven_share": _number,
    "slippage": _number,
    "avg_orders_per_batch": _whole,
    "batch_step": _number,
    "trailing_stop": _or_none(_number),
}
