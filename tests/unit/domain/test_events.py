"""Every happening has one name and one key; the same happening told twice has the same."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from kokex.domain.events import OrderEventKind, classify
from kokex.domain.instrument import Side
from kokex.domain.order import OrderStatus
from tests.builders import START, fill, update

PARTIAL = update(
    status=OrderStatus.PARTIALLY_FILLED,
    filled_quantity=Decimal("0.04"),
    fill=fill(7, quantity=Decimal("0.04")),
)


@pytest.mark.parametrize(
    ("told", "event_type", "key"),
    [
        (update(), "buy_order_live", "live"),
        (update(side=Side.SELL), "sell_order_live", "live"),
        (PARTIAL, "buy_order_partial", "fill:7"),
        (replace(PARTIAL, status=OrderStatus.FILLED), "buy_order_done", "fill:7"),
        (update(status=OrderStatus.FILLED, filled_quantity=Decimal("0.1")), "buy_order_done", "filled"),
        (update(status=OrderStatus.CANCELED), "buy_order_canceled", "canceled"),
        (update(status=OrderStatus.REJECTED), "buy_order_rejected", "rejected"),
        (update(request_id="am1", amend_result="0"), "buy_order_live", "amend:am1"),
        (
            update(status=OrderStatus.PARTIALLY_FILLED, filled_quantity=Decimal("0.040")),
            "buy_order_partial",
            "filled:0.04",
        ),
    ],
)
def test_name_and_key(told: object, event_type: str, key: str) -> None:
    """The table of events.py."""
    classified = classify(told)  # type: ignore[arg-type]
    assert (classified.event_type, classified.event_key) == (event_type, key)


def test_a_repeat_with_another_update_time_is_the_same_event() -> None:
    """OKX may push the same state again with a new uTime."""
    later = replace(PARTIAL, occurred_at=START.replace(year=2027))
    assert classify(later).event_key == classify(PARTIAL).event_key
    assert classify(PARTIAL).kind is OrderEventKind.PARTIAL


def test_two_fills_of_one_order_are_two_events() -> None:
    """The second partial fill is not lost."""
    second = replace(PARTIAL, fill=fill(8), filled_quantity=Decimal("0.08"))
    assert classify(second).event_key != classify(PARTIAL).event_key
