"""Orders move forward only."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from kokex.domain.amendment import Amendment, AmendmentStatus
from kokex.domain.instrument import Side
from kokex.domain.order import OrderStatus
from tests.builders import START, order, update

STATES = [
    OrderStatus.ACCEPTED,
    OrderStatus.PARTIALLY_FILLED,
    OrderStatus.FILLED,
    OrderStatus.CANCELED,
]

LIFE = [
    update(),
    update(status=OrderStatus.PARTIALLY_FILLED, filled_quantity=Decimal("0.04")),
    update(status=OrderStatus.PARTIALLY_FILLED, filled_quantity=Decimal("0.07")),
    update(status=OrderStatus.FILLED, filled_quantity=Decimal("0.1")),
]


def test_a_life_in_order() -> None:
    """Accepted, partly filled, filled."""
    states = []
    current = order()
    for step in LIFE:
        current = current.apply(step)
        states.append((current.status, current.filled_quantity))
    assert states == [(step.status, step.filled_quantity) for step in LIFE]
    assert current.order_id == "9001"
    assert current.remaining == 0


@given(st.lists(st.sampled_from(LIFE), max_size=12), st.permutations(LIFE))
def test_any_order_of_arrival_with_repeats_ends_the_same(noise: list, shuffled: list) -> None:
    """Late and repeated frames change nothing: the end state is that of the furthest update."""
    current = order()
    filled = Decimal(0)
    for step in [*noise, *shuffled]:
        current = current.apply(step)
        assert current.filled_quantity >= filled
        filled = current.filled_quantity
    assert (current.status, current.filled_quantity) == (OrderStatus.FILLED, Decimal("0.1"))


@given(
    st.sampled_from([OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.REJECTED, OrderStatus.DENIED]),
    st.sampled_from(STATES),
)
def test_closed_is_for_ever(end: OrderStatus, later: OrderStatus) -> None:
    """Nothing reopens an order."""
    closed = order(status=end, filled_quantity=Decimal("0.1"))
    assert closed.apply(update(status=later, filled_quantity=Decimal("0.1"))) == closed


def test_an_expired_order_that_shows_up_after_all_lives() -> None:
    """Expired is our inference; the exchange's word is stronger."""
    assert order(status=OrderStatus.EXPIRED).apply(update()).status is OrderStatus.ACCEPTED


def test_waiting_in_flight_open_and_closed_part_all_states() -> None:
    """Every state is exactly one of the three, or waits for a person."""
    for status in OrderStatus:
        assert [status.waiting, status.in_flight, status.open, status.closed].count(True) == 1


def test_a_record_older_than_its_last_change_counts_at_its_worst() -> None:
    """After a crash the row may still have the order as it was, while the change is known to be made."""
    change = Amendment("A1", Decimal("0.3"), Decimal(1990), START, AmendmentStatus.APPLIED)
    kept = order(status=OrderStatus.ACCEPTED, amendments=(change,))
    worst = kept.at_worst()
    assert (worst.quantity, worst.price) == (Decimal("0.3"), Decimal(2000))
    made = replace(kept, quantity=Decimal("0.3"), price=Decimal(1990))
    assert made.at_worst() is made
    failed = replace(kept, amendments=(replace(change, status=AmendmentStatus.FAILED),))
    assert failed.at_worst() is failed


def test_an_update_decides_the_change_that_it_answers() -> None:
    """Done, failed, or of another request: only what is asked for is taken from it."""
    change = Amendment("A1", Decimal("0.3"), None, START, AmendmentStatus.ACCEPTED)
    waiting = order(status=OrderStatus.ACCEPTED, amendments=(change,))
    done = waiting.apply(update(quantity=Decimal("0.3"), request_id="A1", amend_result="0"))
    assert (done.quantity, done.amendments[-1].status) == (Decimal("0.3"), AmendmentStatus.APPLIED)
    failed = waiting.apply(update(request_id="A1", amend_result="-1"))
    assert (failed.quantity, failed.amendments[-1].status) == (Decimal("0.1"), AmendmentStatus.FAILED)
    other = waiting.apply(update(request_id="x7", amend_result="-1"))
    assert other.amending == change and other.remaining == Decimal("0.3")
    closed = waiting.apply(update(status=OrderStatus.CANCELED))
    assert closed.amending is None and closed.remaining == 0


def test_slippage_is_against_the_mid_of_the_decision() -> None:
    """Dearer is above zero for a buy, and for a sell the other way round; unknown is None."""
    bought = order(filled_quantity=Decimal("0.1"), average_price=Decimal(2001), decision_mid=Decimal(2000))
    assert bought.slippage_bps == 5
    assert replace(bought, side=Side.SELL).slippage_bps == -5
    assert replace(bought, decision_mid=None).slippage_bps is None
    assert order(decision_mid=Decimal(2000)).slippage_bps is None
