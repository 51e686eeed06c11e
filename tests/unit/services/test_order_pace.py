"""What the gate let through in the last day, counted and shown."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from kokex.domain.instrument import Side
from kokex.domain.order import OrderStatus
from kokex.services.ledger import Ledgers
from kokex.services.order_pace import OrderPace
from tests.builders import ETH, START, order

MINUTE = timedelta(minutes=1)


def test_a_minute_a_day_and_what_may_be_repeated() -> None:
    """Each counts from its own moment; an order without a price is counted but cannot be repeated."""
    pace = OrderPace()
    noon = START + timedelta(hours=12)
    for at, price in ((noon - timedelta(hours=13), 1), (noon - 2 * MINUTE, 2), (noon, None)):
        pace.add(Side.BUY, None if price is None else Decimal(price), at)
    assert pace.since(noon - MINUTE) == 1
    assert pace.today(noon) == 2
    assert [one.price for one in pace.lately(noon, timedelta(hours=1))] == [Decimal(2)]
    assert [one.price for one in pace.lately(noon, timedelta(hours=24))] == [Decimal(1), Decimal(2)]


def test_a_clock_set_back_forgets_nothing() -> None:
    """What was let through a moment ago stays within the minute."""
    pace = OrderPace()
    pace.add(Side.BUY, Decimal(1), START)
    pace.add(Side.BUY, Decimal(1), START - timedelta(hours=1))
    assert pace.since(START - MINUTE) == 2


def test_old_orders_are_forgotten_in_the_end() -> None:
    """Memory is bounded by a day's orders."""
    pace = OrderPace()
    for number in range(2500):
        pace.add(Side.BUY, Decimal(1), START + number * timedelta(hours=1))
    assert len(pace._times) < 1100
    assert pace.since(START) == len(pace._times)


def test_orders_of_before_a_restart_count() -> None:
    """Also those that are over; one that is pending counts once."""
    done = order(client_order_id="KXtestP1D1S1", status=OrderStatus.FILLED, created_at=START - MINUTE)
    ledger = Ledgers().open(1, ETH, [], [order()], [done, order()])
    assert ledger.orders_since(START - 2 * MINUTE) == 2
    assert len(ledger.pace.lately(START, timedelta(hours=1))) == 2
