"""How numbers look on the wire, and exact division where money demands it."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal, localcontext

ZERO = Decimal(0)
ONE = Decimal(1)

_MONEY_STEP = Decimal("1e-12")
"""Finest step to which an inexact quotient (margin, average price) is rounded."""


def text(value: Decimal) -> str:
    """Write a decimal as OKX does: plain digits, no exponent, no trailing zeros."""
    digits = format(value, "f")
    if "." in digits:
        digits = digits.rstrip("0").rstrip(".")
    return "0" if digits in ("-0", "") else digits


def optional_text(value: Decimal | None) -> str:
    """`text`, with the empty string that OKX sends for "does not apply"."""
    return "" if value is None else text(value)


def quotient(numerator: Decimal, denominator: Decimal) -> Decimal:
    """Divide and round to twelve decimals: the only place where the exchange rounds."""
    with localcontext() as context:
        context.prec = 60
        return (numerator / denominator).quantize(_MONEY_STEP, rounding=ROUND_HALF_EVEN).normalize(context)


def decimals_of(step: Decimal) -> int:
    """Count of digits after the point in a step such as 0.001."""
    exponent = step.normalize().as_tuple().exponent
    return max(0, -int(exponent))
