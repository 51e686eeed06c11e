"""The risk gate: pure, and the only maker of `Approved`.

`check` looks at the limits in the order written below and denies at the first that a request would break. Orders that
are open, in flight or unknown count as if they had filled: what might happen is held against the limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final, TypeAlias

from kokex.domain.instrument import Instrument, InstrumentKind, Side
from kokex.domain.order import Order, OrderRequest, OrderType
from kokex.domain.plan import PlanStatus, RiskLimits


class DenialCode(StrEnum):
    """Why the gate said no; one word a program can act on."""

    PLAN_NOT_RUNNING = "plan_not_running"
    NOT_RECONCILED = "not_reconciled"
    WRONG_INSTRUMENT = "wrong_instrument"
    INVALID_QUANTITY = "invalid_quantity"
    INVALID_PRICE = "invalid_price"
    NO_PRICE = "no_price"
    PRICE_COLLAR = "price_collar"
    TOO_MANY_OPEN_ORDERS = "too_many_open_orders"
    TOO_MANY_ORDERS_A_MINUTE = "too_many_orders_a_minute"
    ORDER_TOO_LARGE = "order_too_large"
    POSITION_TOO_LARGE = "position_too_large"
    SHORT_NOT_ALLOWED = "short_not_allowed"
    NOT_ENOUGH_CASH = "not_enough_cash"


@dataclass(frozen=True, slots=True)
class RiskState:
    """What is known at the moment of asking.

    Attributes:
        instrument: the plan's own.
        reconciled: the account's record agrees with the exchange's.
        last_price: in quote currency; None when no fresh price is known.
        quantity: the plan's holding, from its fills (base for spot, contracts for swaps).
        pending: the plan's orders that are open, in flight or unknown.
        free_cash: quote currency free to spend on the account, orders in flight and unknown already taken off; None: unknown.
        orders_last_minute: orders let through in the last 60 s.
    """

    instrument: Instrument
    plan_status: PlanStatus
    reconciled: bool
    last_price: Decimal | None
    quantity: Decimal
    pending: tuple[Order, ...]
    free_cash: Decimal | None
    orders_last_minute: int
    checked_at: datetime


@dataclass(frozen=True, slots=True)
class Denied:
    """The gate's no, with a sentence for the agent and the record."""

    request: OrderRequest
    code: DenialCode
    reason: str


_MAKER: Final = object()


class Approved:
    """An order that passed the gate. Only `check` can make one: the exchange port takes nothing else."""

    __slots__ = ("_checked_at", "_request")

    def __init__(self, request: OrderRequest, checked_at: datetime, *, maker: object) -> None:
        if maker is not _MAKER:
            raise TypeError("Approved is made by kokex.domain.risk.check alone")
        self._request = request
        self._checked_at = checked_at

    @property
    def request(self) -> OrderRequest:
        """The order as it may be sent, unchanged."""
        return self._request

    @property
    def checked_at(self) -> datetime:
        """When it was let through (UTC)."""
        return self._checked_at


def check(request: OrderRequest, limits: RiskLimits, state: RiskState) -> Approved | Denied:
    """Let `request` through or say why not. Pure; no limit can be changed from here."""
    for rule in _RULES:
        found = rule(request, limits, state)
        if found is not None:
            return Denied(request, *found)
    return Approved(request, state.checked_at, maker=_MAKER)


_Found: TypeAlias = tuple[DenialCode, str]


def _standing(request: OrderRequest, limits: RiskLimits, state: RiskState) -> _Found | None:
    if state.plan_status is not PlanStatus.RUNNING:
        return DenialCode.PLAN_NOT_RUNNING, f"the plan is {state.plan_status.value}, not running"
    if not state.reconciled:
        return (
            DenialCode.NOT_RECONCILED,
            "the account is not reconciled with the exchange yet; try again shortly",
        )
    if request.inst_id != state.instrument.inst_id:
        return (
            DenialCode.WRONG_INSTRUMENT,
            f"this plan trades {state.instrument.inst_id}, not {request.inst_id}",
        )
    return None


def _steps(request: OrderRequest, limits: RiskLimits, state: RiskState) -> _Found | None:
    fault = state.instrument.quantity_fault(request.quantity)
    if fault:
        return DenialCode.INVALID_QUANTITY, fault
    if request.order_type is OrderType.MARKET:
        if request.price is not None:
            return DenialCode.INVALID_PRICE, f"a market order takes no price, but {request.price} was given"
        return None
    if request.price is None:
        return DenialCode.INVALID_PRICE, f"a {request.order_type.value} order needs a price"
    fault = state.instrument.price_fault(request.price)
    return (DenialCode.INVALID_PRICE, fault) if fault else None


def _price(request: OrderRequest, limits: RiskLimits, state: RiskState) -> _Found | None:
    last = state.last_price
    if last is None:
        return DenialCode.NO_PRICE, f"no fresh price of {request.inst_id} is known; wait for market data"
    if request.price is not None and abs(request.price - last) > limits.price_collar * last:
        return (
            DenialCode.PRICE_COLLAR,
            f"price {request.price} is more than {limits.price_collar:%} from the last price {last}",
        )
    return None


def _counts(request: OrderRequest, limits: RiskLimits, state: RiskState) -> _Found | None:
    if len(state.pending) >= limits.max_open_orders:
        return (
            DenialCode.TOO_MANY_OPEN_ORDERS,
            f"{len(state.pending)} orders are open or in flight; the limit is {limits.max_open_orders}",
        )
    if state.orders_last_minute >= limits.max_orders_per_minute:
        return (
            DenialCode.TOO_MANY_ORDERS_A_MINUTE,
            f"{state.orders_last_minute} orders in the last minute; the limit is {limits.max_orders_per_minute}",
        )
    return None


def _size(request: OrderRequest, limits: RiskLimits, state: RiskState) -> _Found | None:
    price = _valuation(request, state)
    value = state.instrument.notional(request.quantity, price)
    quote = state.instrument.quote_currency
    if value > limits.max_order_notional:
        return (
            DenialCode.ORDER_TOO_LARGE,
            f"an order worth {value:.2f} {quote} is over the limit of {limits.max_order_notional} {quote}",
        )
    reach = _reach(request, state)
    exposure = state.instrument.notional(abs(reach), price)
    growing = abs(reach) > abs(state.quantity)
    if growing and exposure > limits.max_position_notional:
        return (
            DenialCode.POSITION_TOO_LARGE,
            f"the position could reach {exposure:.2f} {quote}, over the limit of {limits.max_position_notional} {quote}",
        )
    if reach < 0 and not limits.allow_short and request.side is Side.SELL:
        free = max(state.quantity - _pending(state, Side.SELL), Decimal(0))
        return (
            DenialCode.SHORT_NOT_ALLOWED,
            f"selling {request.quantity} is more than the {free} that is held and not already being sold",
        )
    return None


def _cash(request: OrderRequest, limits: RiskLimits, state: RiskState) -> _Found | None:
    if request.side is Side.SELL or state.instrument.kind is not InstrumentKind.SPOT:
        return None
    quote = state.instrument.quote_currency
    if state.free_cash is None:
        return DenialCode.NOT_ENOUGH_CASH, f"the free {quote} of the account is not known yet"
    value = state.instrument.notional(request.quantity, _valuation(request, state))
    free = state.free_cash - limits.cash_reserve
    if value > free:
        return (
            DenialCode.NOT_ENOUGH_CASH,
            f"{value:.2f} {quote} needed, {max(free, Decimal(0)):.2f} {quote} free",
        )
    return None


_RULES = (_standing, _steps, _price, _counts, _size, _cash)


def _valuation(request: OrderRequest, state: RiskState) -> Decimal:
    last = state.last_price or Decimal(0)
    return last if request.price is None else max(request.price, last)


def _pending(state: RiskState, side: Side) -> Decimal:
    return sum((order.remaining for order in state.pending if order.side is side), Decimal(0))


def _reach(request: OrderRequest, state: RiskState) -> Decimal:
    """The holding if everything pending on the request's side, and the request, were to fill."""
    return state.quantity + request.side.sign * (_pending(state, request.side) + request.quantity)
