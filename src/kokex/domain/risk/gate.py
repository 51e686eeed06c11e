"""The gate itself: every rule in turn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from kokex.domain.limits import RiskLimits
from kokex.domain.order import Order, OrderRequest
from kokex.domain.risk.account import account_exposure, capital, self_trade, shares, single_order
from kokex.domain.risk.changing import changeable, changes, unattended
from kokex.domain.risk.codes import DenialCode, Finding
from kokex.domain.risk.degraded import degraded
from kokex.domain.risk.exposure import cash, exposure
from kokex.domain.risk.form import price, side, steps, stops
from kokex.domain.risk.freshness import freshness
from kokex.domain.risk.granted import granted
from kokex.domain.risk.halted import halted, reducing
from kokex.domain.risk.losses import losses
from kokex.domain.risk.pace import pace, repetition
from kokex.domain.risk.question import Question
from kokex.domain.risk.standing import reachable, standing
from kokex.domain.risk.state import RiskState

Rule = Callable[[Question], Finding | None]

RULES: tuple[Rule, ...] = (
    standing,
    steps,
    degraded,
    halted,
    side,
    freshness,
    price,
    stops,
    pace,
    repetition,
    losses,
    exposure,
    shares,
    account_exposure,
    capital,
    single_order,
    cash,
    self_trade,
    granted,
)
"""What is asked, in this order."""

PROTECTING: tuple[Rule, ...] = (*(rule for rule in RULES if rule is not pace), reducing)
"""What is asked of the orders by which the engine itself ends a holding: those of agents may have used up how many may go out."""

FLATTENING: tuple[Rule, ...] = (reachable, steps, degraded, reducing)
"""What is asked of the orders by which a halt ends a holding: limits are there to keep risk small, these end it."""


@dataclass(frozen=True, slots=True)
class Denied:
    """The gate's no, with a sentence for the agent and the record."""

    request: OrderRequest
    code: DenialCode
    reason: str


_MAKER: Final = object()


class Approved:
    """An order that passed the gate. Only `check` can make one: the exchange port takes nothing else."""

    __slots__ = ("_added", "_checked_at", "_request")

    def __init__(self, request: OrderRequest, checked_at: datetime, added: Decimal, *, maker: object) -> None:
        if maker is not _MAKER:
            raise TypeError("Approved is made by kokex.domain.risk.check alone")
        self._request = request
        self._checked_at = checked_at
        self._added = added

    @property
    def request(self) -> OrderRequest:
        """The order as it may be sent, unchanged."""
        return self._request

    @property
    def checked_at(self) -> datetime:
        """When it was let through (UTC)."""
        return self._checked_at

    @property
    def added(self) -> Decimal:
        """Quote currency of exposure that it may add; zero where it reduces."""
        return self._added


class ApprovedAmendment:
    """A change of an order that passed the gate. Only `check_amendment` can make one: the exchange port takes nothing else."""

    __slots__ = ("_added", "_before", "_cash", "_request")

    def __init__(
        self, request: OrderRequest, before: Order, added: Decimal, cash: Decimal, *, maker: object
    ) -> None:
        if maker is not _MAKER:
            raise TypeError("ApprovedAmendment is made by kokex.domain.risk.check_amendment alone")
        self._request = request
        self._before = before
        self._added = added
        self._cash = cash

    @property
    def request(self) -> OrderRequest:
        """The order as it would become; `quantity` is the new total, filled part included."""
        return self._request

    @property
    def quantity(self) -> Decimal | None:
        """The new total; None where it stays."""
        return None if self._request.quantity == self._before.quantity else self._request.quantity

    @property
    def price(self) -> Decimal | None:
        """The new price; None where it stays."""
        return None if self._request.price == self._before.price else self._request.price

    @property
    def added(self) -> Decimal:
        """Quote currency of exposure that it may add to what the order adds already; zero where it lowers."""
        return self._added

    @property
    def cash(self) -> Decimal:
        """Quote currency that a buy may take beyond what the order has taken already."""
        return self._cash


def check_amendment(
    request: OrderRequest, before: Order, limits: RiskLimits, state: RiskState
) -> ApprovedAmendment | Denied:
    """Let `before` become `request`, or say why not; `state.pending` has the order among the others.

    Every rule is asked as of a new order, with the larger of both counted; what lowers risk alone is held against none of the
    limits in money.
    """
    asked = Question(request, limits, state, before)
    denied = _denied((changeable, steps, changes, *RULES, unattended), asked)
    return denied or ApprovedAmendment(request, before, asked.added, asked.cash, maker=_MAKER)


def check(request: OrderRequest, limits: RiskLimits, state: RiskState) -> Approved | Denied:
    """Let `request` through or say why not. Pure; no limit can be changed from here."""
    return _asked(RULES, Question(request, limits, state))


def check_reducing(request: OrderRequest, limits: RiskLimits, state: RiskState) -> Approved | Denied:
    """As `check`, for an order that was let through before as part of one that only reduces: it does so still, or is denied."""
    return _asked((*RULES, reducing), Question(request, limits, state))


def check_protecting(request: OrderRequest, limits: RiskLimits, state: RiskState) -> Approved | Denied:
    """As `check_reducing`, for an exit of the engine's own: no limit on the number of orders, open or let through, holds it back."""
    return _asked(PROTECTING, Question(request, limits, state))


def check_flattening(request: OrderRequest, limits: RiskLimits, state: RiskState) -> Approved | Denied:
    """The same for an order that a halt asks for: it passes if it only reduces, whatever the halt and the limits say."""
    return _asked(FLATTENING, Question(request, limits, state))


def _asked(rules: tuple[Rule, ...], asked: Question) -> Approved | Denied:
    denied = _denied(rules, asked)
    return denied or Approved(asked.request, asked.state.checked_at, asked.added, maker=_MAKER)


def _denied(rules: tuple[Rule, ...], asked: Question) -> Denied | None:
    for rule in rules:
        found = rule(asked)
        if found is not None:
            return Denied(asked.request, *found)
    return None
