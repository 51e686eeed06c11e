"""What is asked after: also of orders that came while others were asked after."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from kokex.domain.order import OrderStatus
from kokex.services.reconciling.fates import OrderFates
from tests.builders import START, order


def test_doubts_of_orders_that_came_meanwhile_are_kept() -> None:
    """The orders on record were read before the exchange was asked; a doubt since then is no doubt of an order that is over."""
    new = order(client_order_id="KXtestP1D1S1", status=OrderStatus.ACCEPTED)
    heard: list[set[str]] = []
    doubted = {"KXtestP1D1S1": START, "KXtestP1D1S0": START}
    session: Any = SimpleNamespace(doubted=doubted, changes_known=lambda names: heard.append(set(names)))
    nothing: Any = SimpleNamespace(installation="test")
    sessions: Any = SimpleNamespace(all=lambda: [session])
    ledgers: Any = SimpleNamespace(pending=lambda: [new])
    fates = OrderFates(nothing, nothing, sessions, nothing, nothing, nothing, ledgers)
    fates._forget_doubts([])
    assert session.doubted == {"KXtestP1D1S1": START}
    assert heard == [{"KXtestP1D1S1"}]
