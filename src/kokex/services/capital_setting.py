"""Use of capital as a person writes it: `sizing=kelly`, `kelly_fraction=25%`, `trailing_stop=none`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Final

from kokex.domain.capital import CapitalSettings, SizingMethod
from kokex.domain.errors import ConfigurationError
from kokex.services.named_values import Parser, read_named_values


def with_capital(settings: CapitalSettings, changes: Iterable[str]) -> CapitalSettings:
    """`settings` with each `name=value` set.

    Raises:
        ConfigurationError: an unknown name, a value that cannot be, or a name set twice; the message says what can.
    """
    values = read_named_values(changes, _PARSERS, what="capital setting", all_of_them="the settings")
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


def _or_none(parser: Parser) -> Parser:
    return lambda text: None if text.lower() == "none" else parser(text)


_PARSERS: Final[dict[str, Parser]] = {
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
