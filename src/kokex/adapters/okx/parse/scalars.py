"""Single values, and the guard that every parser wears.

Numbers (OKX v5): missing, `""` and, for prices, `"0"` mean "not known" and become None; sizes that are not told are zero,
for the exchange leaves these out when nothing happened. Times are Unix milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache, wraps
from typing import Concatenate, ParamSpec, TypeAlias, TypeVar

import msgspec

from kokex.adapters.okx.wire import Text
from kokex.domain.candle import Interval
from kokex.domain.errors import ConfigurationError, DataError
from kokex.domain.instrument import InstrumentKind

Payload: TypeAlias = bytes | msgspec.Raw
"""JSON as it came."""

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")
_ZERO = Decimal(0)
_REMEMBERED = 1024
"""Texts whose value is looked up, not worked out: an order's pushes repeat its size, its price and its times."""
_fromtimestamp = datetime.fromtimestamp


def guarded(
    parser: Callable[Concatenate[Payload, _Arguments], _Result],
) -> Callable[Concatenate[Payload, _Arguments], _Result]:
    """`parser`, with whatever a payload can break told as a `DataError` that shows the payload's beginning."""

    @wraps(parser)
    def parse(payload: Payload, /, *args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        try:
            return parser(payload, *args, **kwargs)
        except (msgspec.MsgspecError, ValueError, ArithmeticError, LookupError) as error:
            raise DataError(f"OKX sent something unreadable ({error!r}): {bytes(payload)[:200]!r}") from error

    return parse


@lru_cache(maxsize=_REMEMBERED)
def moment(milliseconds: str) -> datetime:
    """Unix milliseconds -> aware UTC."""
    return _fromtimestamp(int(milliseconds) / 1000, UTC)


def milliseconds(moment: datetime) -> int:
    """Aware UTC -> Unix milliseconds."""
    return round(moment.timestamp() * 1000)


def kind_of(inst_id: str) -> InstrumentKind:
    """What `inst_id` trades, by its name (OKX v5: BTC-USDT, BTC-USDT-SWAP)."""
    return InstrumentKind.SWAP if inst_id.endswith("-SWAP") else InstrumentKind.SPOT


def interval_of(bar: str) -> Interval:
    """The interval that OKX calls `bar`; our names are its names.

    Raises:
        DataError: there is none.
    """
    try:
        return Interval(bar)
    except ConfigurationError as error:
        raise DataError(f"OKX sent candles of {bar!r}: {error}") from error


@lru_cache(maxsize=_REMEMBERED)
def number(text: Text) -> Decimal:
    """A number that must be there.

    Raises:
        ValueError: it is missing, blank or no finite number.
    """
    if not text:
        raise ValueError("a number is missing")
    value = Decimal(text)
    if not value.is_finite():
        raise ValueError(f"{text!r} is not a finite number")
    return value


def known(text: Text) -> Decimal | None:
    """A number, or None where it is not told."""
    return number(text) if text else None


def price(text: Text) -> Decimal | None:
    """A price; OKX writes "0" or "" where there is none."""
    return (number(text) or None) if text else None


def size(text: Text) -> Decimal:
    """A size; zero where it is not told."""
    return number(text) if text else _ZERO
