"""Orders move forward only."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from kokex.domain.order import OrderStatus
from tests.builders import order, update

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


def test_in_flight_open_and_closed_part_all_states() -> None:
    """Every state is exactly one of the three."""
    for status in OrderStatus:
        assert [status.in_flight, status.open, status.closed].count(True) == 1
