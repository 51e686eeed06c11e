"""Limits as a person writes them: `max_order_notional=500`, `price_collar=5%`, `rest=4h`, `capital=none`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Final

from kokex.domain.instrument import Side
from kokex.domain.limits import RiskLimits
from kokex.services.named_values import Parser, read_named_values

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DAY: Final = timedelta(hours=24)


def with_settings(limits: RiskLimits, settings: Iterable[str]) -> RiskLimits:
    """`limits` with each `name=value` set.

    Raises:
        ConfigurationError: an unknown name, a value that cannot be, or a name set twice; the message says what can.
    """
    values = read_named_values(settings, _PARSERS, what="limit", all_of_them="the limits")
    protections = {name: value for name, value in values.items() if name in _OF_PROTECTIONS}
    others = {name: value for name, value in values.items() if name not in _OF_PROTECTIONS}
    return replace(limits, **others, protections=replace(limits.protections, **protections))


def _number(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{text!r} is not a number") from None
    if not number.is_finite() or abs(number.adjusted()) > 15:
        raise ValueError(f"{text!r} is no amount of money")
    return number


def _money(text: str) -> Decimal:
    number = _number(text)
    if number <= 0:
        raise ValueError(f"{text} must be more than 0, in quote currency")
    return number


def _reserve(text: str) -> Decimal:
    number = _number(text)
    if number < 0:
        raise ValueError(f"{text} must not be negative, in quote currency")
    return number


def _share(text: str) -> Decimal:
    number = _number(text[:-1]) / 100 if text.endswith("%") else _number(text)
    if not 0 < number < 1:
        raise ValueError(f"{text} must be a share between 0 and 1, such as 0.05 or 5%")
    return number


def _part(text: str) -> Decimal:
    """A share that may be the whole."""
    number = _number(text[:-1]) / 100 if text.endswith("%") else _number(text)
    if not 0 < number <= 1:
        raise ValueError(f"{text} must be a share of more than 0 and at most 1, such as 0.2 or 20%")
    return number


def _multiple(text: str) -> Decimal:
    number = _number(text[:-1]) / 100 if text.endswith("%") else _number(text)
    if not 0 < number <= 125:
        raise ValueError(f"{text} must be more than 0 and at most 125 times the equity")
    return number


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 1_000_000:
        raise ValueError(f"{text!r} must be a whole number of 1 or more")
    return int(text)


def _duration(text: str) -> timedelta:
    unit = text[-1:].lower()
    number = _number(text[:-1] if unit in _UNITS else text) * _UNITS.get(unit, 1)
    if not 0 < number <= 31 * 86400:
        raise ValueError(f"{text!r} must be a time of up to 31 days, such as 90s, 15m, 4h or 1d")
    return timedelta(seconds=float(number))


def _within_a_day(text: str) -> timedelta:
    period = _duration(text)
    if period > _DAY:
        raise ValueError(f"{text!r} must be at most 24h")
    return period


def _switch(text: str) -> bool:
    words = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}
    if text.lower() not in words:
        raise ValueError(f"{text!r} must be yes or no")
    return words[text.lower()]


def _sides(text: str) -> frozenset[Side]:
    known = {side.value: side for side in Side}
    names = [name.strip().lower() for name in text.split(",")]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"{text!r} must be buy, sell or buy,sell")
    return frozenset(known[name] for name in names)


def _or_none(parser: Parser) -> Parser:
    return lambda text: None if text.lower() == "none" else parser(text)


_OF_PROTECTIONS: Final[dict[str, Parser]] = {
    "max_daily_loss": _or_none(_money),
    "max_drawdown": _or_none(_share),
    "losing_streak": _or_none(_count),
    "stop_guard": _or_none(_count),
    "stop_guard_period": _duration,
    "rest": _duration,
}
_PARSERS: Final[dict[str, Parser]] = {
    "sides": _sides,
    "max_order_notional": _money,
    "max_order_share": _or_none(_multiple),
    "max_position_notional": _money,
    "max_position_share": _or_none(_multiple),
    "max_account_notional": _or_none(_money),
    "max_leverage": _or_none(_multiple),
    "max_open_orders": _count,
    "max_orders_per_minute": _count,
    "max_orders_per_day": _or_none(_count),
    "price_collar": _share,
    "repeat_distance": _or_none(_share),
    "repeat_period": _within_a_day,
    "cash_reserve": _reserve,
    "capital": _or_none(_money),
    "max_single_order_ratio": _or_none(_part),
    "allow_short": _switch,
    "approval_notional": _or_none(_reserve),
    "approval_period": _duration,
    **_OF_PROTECTIONS,
}
