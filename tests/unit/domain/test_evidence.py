"""An order that the exchange does not know is judged by evidence, never by silence."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from kokex.domain.evidence import FORGOTTEN_AFTER, Evidence, Fate, judge
from kokex.domain.order import OrderStatus
from tests.builders import order

DEADLINE = timedelta(seconds=30)
OLD = timedelta(hours=3)
SENT = order(status=OrderStatus.UNKNOWN)
ACCEPTED = order(status=OrderStatus.ACCEPTED, order_id="9001")
PARTIAL = order(status=OrderStatus.PARTIALLY_FILLED, order_id="9001", filled_quantity=Decimal("0.04"))


def evidence(**changes: Any) -> Evidence:
    found: dict[str, Any] = {
        "age": timedelta(minutes=1),
        "listed_open": False,
        "fills_complete": True,
        "agrees": True,
    }
    return Evidence(**found | changes)


@pytest.mark.parametrize(
    ("known", "changes", "fate"),
    [
        (SENT, {"age": timedelta(seconds=29)}, Fate.WAIT),
        (SENT, {"age": DEADLINE}, Fate.NEVER_TAKEN),
        (SENT, {"age": FORGOTTEN_AFTER - timedelta(seconds=1)}, Fate.NEVER_TAKEN),
        (SENT, {"listed_open": True}, Fate.WAIT),
        (SENT, {"listed_open": True, "age": OLD}, Fate.WAIT),
        (SENT, {"age": FORGOTTEN_AFTER}, Fate.NO_EFFECT),
        (SENT, {"age": OLD, "fills_complete": False}, Fate.UNPROVEN),
        (SENT, {"age": OLD, "agrees": False}, Fate.UNPROVEN),
        (ACCEPTED, {}, Fate.WAIT),
        (ACCEPTED, {"age": OLD}, Fate.CANCELED),
        (ACCEPTED, {"age": OLD, "fills_complete": False}, Fate.UNPROVEN),
        (ACCEPTED, {"age": OLD, "agrees": False}, Fate.UNPROVEN),
        (ACCEPTED, {"age": OLD, "listed_open": True}, Fate.WAIT),
        (PARTIAL, {"age": timedelta(minutes=1)}, Fate.UNPROVEN),
        (PARTIAL, {"age": OLD}, Fate.UNPROVEN),
    ],
)
def test_fates(known: Any, changes: dict[str, Any], fate: Fate) -> None:
    """Young orders are known whatever became of them; old ones need open orders, fills and holdings as witnesses."""
    assert judge(known, evidence(**changes), DEADLINE)[0] is fate


def test_an_unproven_order_says_what_is_missing_and_what_to_do() -> None:
    """A person reads it."""
    _, reason = judge(SENT, evidence(age=OLD, fills_complete=False), DEADLINE)
    assert "not every fill since the order was made could be read" in reason
    assert "kokex order settle" in reason
