"""Numbers that a text quotes, checked against what was there to be read.

A figure is found where some number of the evidence, rounded as the text rounds it, is the same: 0.62 for 0.6187, 62 % for 0.6187,
3,120 for 3118.1, 38 % for a probability of 0.62 (what is left to 1). Numbers in words are not seen, whole numbers up to 10 are
taken for counts, and dates, times of day and lengths such as `4H` are no figures. What is computed from several numbers is not found.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from kokex.domain.decision import ToolCall

FIGURES_NOT_IN_RECORD = "figures_not_in_record"
"""Code of the refusal of an order whose reason quotes numbers that were not read."""
_ECHOES = frozenset({"invalid_arguments", "unknown_tool", "not_in_record", FIGURES_NOT_IN_RECORD})
"""Codes of refusals that repeat what was asked: no evidence of it."""
_DATES = re.compile(
    r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?Z?)?|\b\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?\b"
)
_LENGTHS = re.compile(r"(?<![\w.,])\d{1,4}(s|m|min|h|H|d|D|W|w|M)\b(?!\w)")
_NUMBER = re.compile(
    r"(?P<sign>(?<![\d.,\w)])[+\-\u2212])?\s?[$€£¥]?"
    r"(?P<whole>\d{1,3}(?:,\d{3})+|\d{1,18})(?P<part>\.\d{1,18})?(?P<exponent>[eE][+-]?\d{1,2})?"
    r"(?P<thousand>[kK]\b)?\s?(?P<unit>%|percent\b|per cent\b|bps\b|basis points\b)?"
)
_MOST_COUNT = 10
_LIKELY = (Decimal("0.05"), Decimal("0.95"))
"""Shares in here may be what is left to 1 of a probability."""
_LONGEST = 200_000
"""Characters of one text that are searched."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A number as a text quotes it.

    Attributes:
        unit_of_last_digit: 0.01 for 3118.25, 10 for 3,120.
        sign: +1 or -1 where the text says so, else 0.
        divisors: by what it may be divided to compare it: 1 and 100 for a percentage.
    """

    quoted: str
    value: Decimal
    unit_of_last_digit: Decimal
    sign: int
    divisors: tuple[int, ...]


def figures(text: str) -> Iterator[Figure]:
    """The figures that `text` quotes, in order."""
    text = _LENGTHS.sub(" ", _DATES.sub(" ", text[:_LONGEST]))
    for match in _NUMBER.finditer(text):
        figure = _figure(match)
        exact = figure.value == figure.value.to_integral_value() and not match["part"]
        if exact and figure.value <= _MOST_COUNT and figure.divisors == (1,):
            continue
        yield figure


def not_found(text: str, evidence: Iterable[Any]) -> tuple[str, ...]:
    """The figures of `text` that no number of `evidence` (texts, numbers, JSON-ready values) bears out, as quoted, each once."""
    quoted = list(figures(text))
    if not quoted:
        return ()
    known = sorted({number for one in evidence for number in _numbers(one)})
    return tuple(dict.fromkeys(one.quoted for one in quoted if not _found(one, known)))


def evidence(context: Mapping[str, Any], calls: Iterable[ToolCall]) -> list[Any]:
    """What a turn's reasons may quote: what the model was given at the start, and what its tools answered."""
    told = [text for text in context.values() if isinstance(text, str)]
    return [*told, *(call.result for call in calls if call.result.get("code") not in _ECHOES)]


def of_order(order: Mapping[str, Any]) -> list[Any]:
    """What the reason of an order may quote of itself: its quantity, its price, and their product."""
    numbers = [Decimal(str(order[name])) for name in ("quantity", "price") if order.get(name) is not None]
    return [*numbers, numbers[0] * numbers[-1]] if numbers else []


def _figure(match: re.Match[str]) -> Figure:
    whole, part = match["whole"].replace(",", ""), match["part"] or ""
    value = Decimal(whole + part)
    last = Decimal(1).scaleb(-max(len(part) - 1, 0))
    if not part:
        zeros = len(whole) - len(whole.rstrip("0"))
        last = Decimal(1).scaleb(min(zeros, max(len(whole) - 2, 0)))
    scale = int(match["exponent"][1:]) if match["exponent"] else 0
    scale += 3 if match["thousand"] else 0
    unit = match["unit"] or ""
    divisors = (1,) if not unit else (1, 10_000) if unit.startswith("b") else (1, 100)
    sign = 0 if not match["sign"] else 1 if match["sign"] == "+" else -1
    return Figure(match[0].strip(), value.scaleb(scale), last.scaleb(scale), sign, divisors)


def _found(figure: Figure, known: list[Decimal]) -> bool:
    signs = (figure.sign,) if figure.sign else (1, -1)
    for divisor in figure.divisors:
        value, near = figure.value / divisor, figure.unit_of_last_digit / divisor
        if any(_near(known, sign * value, near) for sign in signs):
            return True
        if _LIKELY[0] <= value <= _LIKELY[1] and _near(known, 1 - value, near):
            return True
    return False


def _near(known: list[Decimal], value: Decimal, unit: Decimal) -> bool:
    """Whether some number is `value` once rounded, or cut off, to the last digit that is told."""
    low, high = value - unit, value + unit
    at = bisect_left(known, low)
    return any(_rounds_to(number, value, unit) for number in _until(known, at, high))


def _until(known: list[Decimal], at: int, high: Decimal) -> Iterator[Decimal]:
    while at < len(known) and known[at] <= high:
        yield known[at]
        at += 1


def _rounds_to(number: Decimal, value: Decimal, unit: Decimal) -> bool:
    if abs(number - value) <= unit / 2:
        return True
    return abs(value) <= abs(number) < abs(value) + unit and number * value >= 0


def _numbers(value: Any) -> Iterator[Decimal]:
    if isinstance(value, bool) or value is None:
        return
    if isinstance(value, int | float | Decimal):
        number = Decimal(str(value))
        if number.is_finite():
            yield number
    elif isinstance(value, str):
        for match in _NUMBER.finditer(value[:_LONGEST]):
            figure = _figure(match)
            yield (figure.sign or 1) * figure.value
            if len(figure.divisors) > 1:
                yield (figure.sign or 1) * figure.value / figure.divisors[1]
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _numbers(inner)
    elif isinstance(value, Iterable):
        for inner in value:
            yield from _numbers(inner)
