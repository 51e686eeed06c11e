"""Tool results as typed values, for the built-in policy. Only what it needs is read; what is missing is named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from math import isfinite
from typing import Any, TypeVar

from kokex.domain.capital import SizingMethod
from kokex.domain.errors import DataError
from kokex.domain.ids import order_origin
from kokex.domain.instrument import Instrument, InstrumentKind, Side
from kokex.domain.limits import RiskLimits
from kokex.domain.order import OrderStatus

_Choice = TypeVar("_Choice", bound=StrEnum)


class ReadingError(DataError):
    """A tool refused to answer, or its answer lacks something: the policy cannot judge."""


@dataclass(frozen=True, slots=True)
class Market:
    """Prices in quote currency; a side of the book that is empty is taken from the last price."""

    last: Decimal
    bid: Decimal
    ask: Decimal
    occurred_at: datetime | None


@dataclass(frozen=True, slots=True)
class RestingOrder:
    """An order that may still fill. `turn_id` is the turn that asked for it, None where its name does not say.

    `waiting`: a person is to approve it first.
    """

    client_order_id: str
    side: Side
    remaining: Decimal
    price: Decimal | None
    open: bool
    turn_id: int | None
    waiting: bool = False


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a forecast says of the close at its horizon; returns as shares of its origin price."""

    probability_up: float
    expected_return: float
    spread: float
    horizon: int
    origin_price: float
    origin_time: datetime | None
    forecaster: str


@dataclass(frozen=True, slots=True)
class Rules:
    """Limits and steps as the tools tell them. `own_capital` in quote currency; None where it is not known."""

    limits: RiskLimits
    instrument: Instrument
    own_capital: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A size by the plan's own method.

    Attributes:
        quantity: of the holding, without its sign.
        proven: whether a measured skill stands behind it; None where the method asks for none.
        because: its factors, in words.
    """

    method: SizingMethod
    quantity: Decimal
    proven: bool | None
    because: str


def read_market(result: Mapping[str, Any]) -> Market:
    """From `get_current_price`."""
    last = _decimal(result, "last")
    if last <= 0:
        raise ReadingError(f"a last price of {last} is none")
    return Market(
        last=last,
        bid=_decimal_or(result, "bid", last),
        ask=_decimal_or(result, "ask", last),
        occurred_at=_moment(result.get("occurred_at")),
    )


def read_holding(result: Mapping[str, Any]) -> Decimal:
    """From `get_positions`: base currency for spot, contracts for swaps."""
    return _decimal(result, "quantity")


def read_rules(result: Mapping[str, Any], inst_id: str) -> Rules:
    """From `get_trading_limits`."""
    unit = str(_field(result, "quantity_unit"))
    kind = InstrumentKind.SWAP if unit == "contracts" else InstrumentKind.SPOT
    quote = str(_field(result, "unit"))
    return Rules(
        RiskLimits(
            max_order_notional=_decimal(result, "max_order_notional"),
            max_position_notional=_decimal(result, "max_position_notional"),
            max_open_orders=int(_decimal(result, "max_open_orders")),
            price_collar=_decimal(result, "price_collar"),
            cash_reserve=_decimal(result, "cash_reserve"),
            allow_short=bool(_field(result, "allow_short")),
            max_single_order_ratio=_decimal_or_none(result, "max_single_order_ratio"),
            repeat_distance=_decimal_or_none(result, "repeat_distance"),
        ),
        Instrument(
            inst_id=inst_id,
            kind=kind,
            base_currency=unit if kind is InstrumentKind.SPOT else inst_id.split("-", maxsplit=1)[0],
            quote_currency=quote,
            settle_currency=quote,
            tick_size=_decimal(result, "tick_size"),
            lot_size=_decimal(result, "lot_size"),
            min_quantity=_decimal(result, "min_quantity"),
            contract_value=_decimal(result, "contract_value"),
        ),
        own_capital=_decimal_or_none(result, "own_capital"),
    )


def read_stopped_at(result: Mapping[str, Any]) -> datetime | None:
    """From `get_positions`: when the plan's trailing stop last ended a holding; None where it never did."""
    stop = result.get("trailing_stop")
    return _moment(stop.get("hit_at")) if isinstance(stop, Mapping) else None


def read_suggestion(result: Mapping[str, Any]) -> Suggestion:
    """From `get_position_size`."""
    factors = [f"{one.get('name')} {one.get('value')}" for one in _field(result, "factors")]
    proven = result.get("proven")
    return Suggestion(
        method=_choice(result, "method", SizingMethod),
        quantity=abs(_decimal(result, "suggested_position")),
        proven=None if proven is None else bool(proven),
        because=", ".join(factors),
    )


def read_free_cash(result: Mapping[str, Any]) -> Decimal | None:
    """From `get_account_balance`: quote currency free to spend, None where it is not known."""
    return None if result.get("free_cash") is None else _decimal(result, "free_cash")


def read_free_base(result: Mapping[str, Any], currency: str) -> Decimal | None:
    """From `get_account_balance`: base currency free to sell, None where the balances are not known."""
    balances = result.get("balances")
    if not isinstance(balances, Mapping):
        return None
    balance = balances.get(currency)
    return _decimal(balance, "available") if isinstance(balance, Mapping) else Decimal(0)


def read_resting(result: Mapping[str, Any]) -> list[RestingOrder]:
    """From `get_pending_orders`."""
    orders = []
    for row in _field(result, "orders"):
        name = str(_field(row, "client_order_id"))
        origin = order_origin(name)
        price = row.get("price")
        orders.append(
            RestingOrder(
                client_order_id=name,
                side=_choice(row, "side", Side),
                remaining=_decimal(row, "quantity") - _decimal(row, "filled_quantity"),
                price=None if price is None else _decimal(row, "price"),
                open=_choice(row, "status", OrderStatus).open,
                turn_id=origin.decision_id if origin else None,
                waiting=_choice(row, "status", OrderStatus).waiting,
            )
        )
    return orders


def read_outlook(result: Mapping[str, Any]) -> Outlook:
    """From `query_prediction_data`."""
    return Outlook(
        probability_up=_number(result, "probability_up"),
        expected_return=_number(result, "expected_return"),
        spread=_number(result, "spread"),
        horizon=int(_number(result, "horizon")),
        origin_price=_number(result, "origin_price"),
        origin_time=_moment(result.get("origin_time")),
        forecaster=str(result.get("forecaster") or "a forecaster"),
    )


def _field(result: Mapping[str, Any], name: str) -> Any:
    if name in result and result[name] is not None:
        return result[name]
    if "error" in result:
        raise ReadingError(str(result["error"]))
    raise ReadingError(f"a tool's answer has no {name!r}, only {', '.join(map(str, result))}")


def _choice(result: Mapping[str, Any], name: str, choices: type[_Choice]) -> _Choice:
    value = _field(result, name)
    try:
        return choices(value)
    except ValueError:
        raise ReadingError(f"{name} {value!r} is not one of {', '.join(choices)}") from None


def _decimal(result: Mapping[str, Any], name: str) -> Decimal:
    value = _field(result, name)
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise ReadingError(f"{name} {value!r} is not a number") from None
    if not number.is_finite():
        raise ReadingError(f"{name} {value!r} is not a number")
    return number


def _decimal_or(result: Mapping[str, Any], name: str, otherwise: Decimal) -> Decimal:
    return otherwise if result.get(name) is None else _decimal(result, name)


def _decimal_or_none(result: Mapping[str, Any], name: str) -> Decimal | None:
    return None if result.get(name) is None else _decimal(result, name)


def _number(result: Mapping[str, Any], name: str) -> float:
    value = _field(result, name)
    if not isinstance(value, int | float) or not isfinite(value):
        raise ReadingError(f"{name} {value!r} is not a number")
    return float(value)


def _moment(value: Any) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else None
