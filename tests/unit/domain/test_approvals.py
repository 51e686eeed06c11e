"""Whose turn it is to wait for a person, and what an approval is worth when the market has moved."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from kokex.domain.approvals import (
    Approval,
    ApprovalOutcome,
    PersonsAnswer,
    needs_approval,
    price_left,
)
from kokex.domain.events import OrderEventKind, classify
from kokex.domain.instrument import Side
from kokex.domain.limits import RiskLimits
from kokex.domain.order import Order, OrderStatus, OrderType
from kokex.domain.reconstruction import never_sent
from kokex.domain.risk import DenialCode
from tests.builders import START, order, request, risk_state, update

ASKING = RiskLimits(approval_notional=Decimal(150), approval_period=timedelta(minutes=5))
MARKET = {"order_type": OrderType.MARKET, "price": None}


def _needs(
    limits: RiskLimits = ASKING, state: dict[str, Any] | None = None, **changes: Any
) -> Approval | None:
    return needs_approval(order(), request(**changes), limits, risk_state(**(state or {})))


def _resting(**changes: Any) -> Order:
    return order(client_order_id="KXtestP1D1S9", status=OrderStatus.ACCEPTED, side=Side.SELL, **changes)


def test_larger_orders_wait() -> None:
    """Worth is that of the dearer price; the question says what is to be known."""
    asked = _needs()
    assert asked is not None
    assert (asked.notional, asked.price) == (Decimal(200), Decimal(2000))
    assert (asked.asked_at, asked.expires_at) == (START, START + timedelta(minutes=5))
    assert "until 2026-01-01 00:05:00 UTC; do not ask for it again" in asked.sentence
    assert _needs(quantity=Decimal("0.075")) is None
    assert _needs(quantity=Decimal("0.07501"), **MARKET) is not None
    assert _needs(RiskLimits()) is None
    assert _needs(RiskLimits(approval_notional=Decimal(0)), quantity=Decimal("0.001")) is not None


@pytest.mark.parametrize(
    ("state", "changes", "waits"),
    [
        ({"quantity": Decimal("0.1")}, {}, False),
        ({"quantity": Decimal("0.1")}, MARKET, False),
        ({"quantity": Decimal("0.09")}, {}, True),
        ({"quantity": Decimal("0.09")}, MARKET, True),
        ({"quantity": Decimal(0)}, {"reduce_only": True}, False),
        # A take-profit that rests is behind an exit that trades at once, not before it.
        ({"quantity": Decimal("0.1"), "pending": (_resting(),)}, MARKET, False),
        ({"quantity": Decimal("0.1"), "pending": (_resting(),)}, {}, True),
        # What is on its way may fill first.
        ({"quantity": Decimal("0.1"), "pending": (order(side=Side.SELL),)}, MARKET, True),
        ({"quantity": Decimal("-0.1")}, MARKET, True),
    ],
)
def test_exits_never_wait(state: dict[str, Any], changes: dict[str, Any], waits: bool) -> None:
    """Of 0.1 sold, what at most closes the holding; anything beyond is asked for."""
    assert (_needs(state=state, side=Side.SELL, **changes) is not None) is waits


def test_a_market_order_keeps_to_the_price_at_which_it_was_asked_for() -> None:
    """Within the collar; a limit order has a price of its own."""
    market = request(**MARKET)
    asked = _needs(**MARKET)
    assert asked is not None
    assert price_left(market, asked, ASKING, risk_state(last_price=Decimal(2100))) is None
    found = price_left(market, asked, ASKING, risk_state(last_price=Decimal("2100.01")))
    assert found is not None
    assert found[0] is DenialCode.PRICE_COLLAR
    assert price_left(market, asked, ASKING, risk_state(last_price=Decimal("1899.99"))) is not None
    assert price_left(request(), asked, ASKING, risk_state(last_price=Decimal(3000))) is None


def test_words_for_the_record() -> None:
    """Who and why."""
    asked = _needs()
    assert asked is not None
    assert asked.overdue_sentence == "nobody approved it until 2026-01-01 00:05:00 UTC"
    assert _answered(asked, approved=True).overdue_sentence.startswith("approved by ann, but it could not")
    assert _answered(asked, approved=False).refusal_sentence == "refused by ann: no"
    assert _answered(asked, approved=False).overdue_sentence == asked.overdue_sentence


def _answered(asked: Approval, *, approved: bool) -> Approval:
    return Approval(
        asked.account_id,
        asked.client_order_id,
        asked.plan_id,
        asked.notional,
        asked.price,
        asked.asked_at,
        asked.expires_at,
        PersonsAnswer(approved, "ann", START, "no"),
    )


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        (ApprovalOutcome.REFUSED, OrderEventKind.REJECTED),
        (ApprovalOutcome.EXPIRED, OrderEventKind.REJECTED),
        (ApprovalOutcome.DENIED, OrderEventKind.REJECTED),
        (ApprovalOutcome.CANCELED, OrderEventKind.CANCELED),
    ],
)
def test_an_end_is_told_as_an_order_event(outcome: ApprovalOutcome, kind: OrderEventKind) -> None:
    """Of an order that was never live; it ends the order that waits, wherever it is counted."""
    ended = order(status=outcome.status, reason="because")
    told = classify(never_sent(ended))
    assert (told.kind, told.update.never_live, told.update.cancel_reason) == (kind, True, "because")
    assert told.update.order_id == ended.client_order_id
    assert order(status=OrderStatus.AWAITING_APPROVAL).apply(told.update).status is outcome.status


def test_a_waiting_order_is_neither_in_flight_nor_over() -> None:
    """It counts in full, and whatever the exchange says of it comes first."""
    waiting = order(status=OrderStatus.AWAITING_APPROVAL)
    assert waiting.status.waiting
    assert not (waiting.status.in_flight or waiting.status.open or waiting.status.closed)
    assert waiting.remaining == waiting.quantity
    assert waiting.apply(update()).status is OrderStatus.ACCEPTED
