"""The state that the gate asks counts what might still happen."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from kokex.domain.events import EventSource, OrderEvent, classify
from kokex.domain.instrument import Side
from kokex.domain.order import OrderStatus, OrderUpdate
from kokex.services import ledger as ledger_module
from kokex.services.ledger import Ledgers
from tests.builders import ETH, START, fill, order, update


def _event(said: object, *, external: bool = False) -> OrderEvent:
    told = classify(said)  # type: ignore[arg-type]
    return OrderEvent(
        1, 1, 1, told.event_type, told.kind, told.event_key, told.update, EventSource.STREAM, external, START
    )


def test_orders_on_their_way_out_when_the_engine_died_are_unknown() -> None:
    """They may live: they count."""
    ledger = Ledgers().open(1, ETH, [fill()], [order(status=OrderStatus.SUBMITTED)])
    assert [one.status for one in ledger.pending.values()] == [OrderStatus.UNKNOWN]
    assert ledger.book.quantity == Decimal("0.03996")


def _part(number: int = 1, **changes: Any) -> OrderUpdate:
    said = {"status": OrderStatus.PARTIALLY_FILLED, "filled_quantity": Decimal("0.04"), "fill": fill(number)}
    return update(**(said | changes))


def test_a_fill_counts_once() -> None:
    """Stream and reconciliation may both tell it, also under another name."""
    ledger = Ledgers().open(1, ETH, [fill()], [order(status=OrderStatus.ACCEPTED)])
    assert ledger.apply(_event(_part()))
    assert ledger.book.fills == 1
    assert ledger.apply(_event(_part(2)))
    assert ledger.apply(_event(_part(2, status=OrderStatus.FILLED)))
    assert ledger.book.fills == 2


def test_fills_without_an_id_count_each() -> None:
    """The journal's key tells them apart."""
    ledger = Ledgers().open(1, ETH, [], [])
    ledger.add(order())
    for filled in ("0.04", "0.08"):
        ledger.apply(_event(_part(fill=fill(trade_id=None), filled_quantity=Decimal(filled))))
    assert ledger.book.fills == 2


def test_an_order_that_the_stream_tells_from_the_start_needs_no_look() -> None:
    """Its executions are known from the first on, although nobody announced it."""
    ledger = Ledgers().open(1, ETH, [], [])
    assert ledger.apply(_event(update()))
    assert ledger.apply(_event(_part()))
    assert ledger.book.fills == 1


def test_what_cannot_be_known_is_counted_anew() -> None:
    """An order of long ago: the table of fills has each execution once; afterwards the order is known again."""
    ledger = Ledgers().open(1, ETH, [fill()], [])
    assert not ledger.apply(_event(_part()))
    assert ledger.book.fills == 1
    ledger.recount([fill()])
    assert ledger.book.fills == 1
    assert ledger.apply(_event(_part()))
    assert ledger.apply(_event(_part(2)))
    assert ledger.book.fills == 2


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forgotten orders are counted anew, not twice."""
    monkeypatch.setattr(ledger_module, "_ORDERS_REMEMBERED", 2)
    ledger = Ledgers().open(1, ETH, [], [])
    for number in range(3):
        name = f"KXtestP1D{number}S0"
        ledger.add(order(client_order_id=name))
        assert ledger.apply(_event(_part(number, client_order_id=name)))
    assert len(ledger._counted) == 2
    assert not ledger.apply(_event(_part(0, client_order_id="KXtestP1D0S0")))
    assert ledger.apply(_event(_part(2, client_order_id="KXtestP1D2S0")))
    assert ledger.book.fills == 3


def test_an_outsiders_fill_is_not_the_plans() -> None:
    """External events change no book."""
    ledger = Ledgers().open(1, ETH, [], [])
    said = update(
        client_order_id=None, status=OrderStatus.FILLED, filled_quantity=Decimal("0.04"), fill=fill()
    )
    ledger.apply(_event(said, external=True))
    assert ledger.book.fills == 0


def test_a_command_outcome_after_the_event_changes_nothing() -> None:
    """The push came before the ack."""
    ledger = Ledgers().open(1, ETH, [], [])
    ledger.add(order())
    ledger.apply(
        _event(update(status=OrderStatus.PARTIALLY_FILLED, filled_quantity=Decimal("0.04"), fill=fill()))
    )
    ledger.settle("KXtestP1D1S0", OrderStatus.ACCEPTED, order_id="9001", reason=None)
    assert ledger.pending["KXtestP1D1S0"].status is OrderStatus.PARTIALLY_FILLED


def test_a_rejected_order_no_longer_counts() -> None:
    """It never was at the exchange."""
    ledger = Ledgers().open(1, ETH, [], [])
    ledger.add(order())
    assert ledger.committed_cash() == Decimal(200)
    ledger.settle("KXtestP1D1S0", OrderStatus.REJECTED, order_id=None, reason="51008")
    assert ledger.pending == {}
    assert ledger.committed_cash() == 0


def test_orders_of_the_last_minute_are_counted() -> None:
    """Older ones fall away."""
    ledger = Ledgers().open(1, ETH, [], [])
    for second in (0, 30, 61):
        at = START + timedelta(seconds=second)
        ledger.add(order(client_order_id=f"KXtestP1D1S{second}", created_at=at, side=Side.SELL))
    now = START + timedelta(seconds=65)
    assert ledger.orders_since(now - timedelta(seconds=60)) == 2
