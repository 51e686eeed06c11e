"""A batch folds to what its updates make of an order one at a time."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from kokex.adapters.postgres.projection import OrderRow, Projection, order_key
from kokex.domain.events import EventSource, classify
from kokex.domain.order import Order, OrderStatus, OrderUpdate
from kokex.ports.store import JournalEntry
from tests.builders import START, fill, order, update

TOLD = (OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED, OrderStatus.CANCELED)

updates = st.builds(
    update,
    status=st.sampled_from(TOLD),
    filled_quantity=st.integers(0, 3).map(Decimal),
    price=st.sampled_from([Decimal(2000), Decimal(2001), None]),
    cancel_reason=st.sampled_from([None, "asked", ""]),
    occurred_at=st.just(START),
)
orders = st.builds(
    order,
    status=st.sampled_from(list(OrderStatus)),
    filled_quantity=st.integers(0, 3).map(Decimal),
    reason=st.sampled_from([None, "earlier"]),
)


def entry(of: OrderUpdate, **changes: object) -> JournalEntry:
    return replace(JournalEntry(1, 1, classify(of), EventSource.STREAM, False, START), **changes)


def as_update(row: OrderRow) -> OrderUpdate:
    return update(
        status=row.status,
        filled_quantity=row.filled_quantity,
        price=row.price,
        cancel_reason=row.reason,
        occurred_at=row.updated_at,
    )


@given(known=orders, told=st.lists(updates, min_size=1, max_size=6))
def test_rounds_leave_what_one_at_a_time_leaves(known: Order, told: list[OrderUpdate]) -> None:
    """Whatever the order was before and whatever contradictions arrive."""
    expected = known
    for one in told:
        expected = expected.apply(one)

    entries = [entry(one) for one in told]
    folded = known
    for rows in Projection(entries).order_rounds:
        (row,) = rows
        folded = folded.apply(as_update(row))

    assert folded == expected


def test_a_usual_life_takes_one_round() -> None:
    """Accepted, partly filled twice, filled: one row, the last."""
    life = [
        update(),
        update(status=OrderStatus.PARTIALLY_FILLED, filled_quantity=Decimal("0.04")),
        update(status=OrderStatus.PARTIALLY_FILLED, filled_quantity=Decimal("0.08")),
        update(status=OrderStatus.FILLED, filled_quantity=Decimal("0.1")),
    ]
    entries = [entry(one) for one in life]

    ((row,),) = Projection(entries).order_rounds

    assert row.status is OrderStatus.FILLED
    assert (row.decision_id, row.step) == (1, 0)


def test_orders_made_elsewhere_go_by_the_exchanges_name() -> None:
    """Their client order id need not be unique; ours is, even when the entry is another plan's."""
    assert order_key(entry(update(client_order_id="mine"), external=True)) == "ETH-USDT:9001"
    assert order_key(entry(update(client_order_id=None), external=True)) == "ETH-USDT:9001"
    assert order_key(entry(update(client_order_id="mine"))) == "mine"
    assert order_key(entry(update(), external=True)) == "KXtestP1D1S0"


def test_one_execution_told_to_two_plans_is_one_fill_of_neither() -> None:
    """An order made elsewhere belongs to no plan."""
    told = update(client_order_id="mine", fill=fill(client_order_id="mine"))
    entries = [entry(told, external=True, plan_id=plan_id) for plan_id in (1, 2)]

    (row,) = Projection(entries).fill_rows

    assert row.plan_id is None
    assert row.fill_key == "1"


def test_the_plan_that_placed_the_order_has_the_fill() -> None:
    """Whichever plan's entry comes first."""
    told = update(fill=fill())
    for external in (True, False):
        entries = [entry(told, external=external, plan_id=1), entry(told, external=not external, plan_id=2)]
        (row,) = Projection(entries).fill_rows
        assert row.plan_id == (2 if external else 1)
        ((moved,),) = Projection(entries).order_rounds
        assert moved.plan_id == row.plan_id


def test_a_fill_without_a_trade_id_goes_by_its_event() -> None:
    """One full fill per order, and each partial one by what it reached."""
    whole = update(status=OrderStatus.FILLED, filled_quantity=Decimal("0.1"), fill=fill(trade_id=None))
    part = update(
        status=OrderStatus.PARTIALLY_FILLED, filled_quantity=Decimal("0.04"), fill=fill(trade_id=None)
    )
    entries = [entry(part), entry(whole), entry(whole)]

    rows = Projection(entries).fill_rows

    assert [row.fill_key for row in rows] == ["9001:filled:0.04", "9001:filled"]


def test_heads_are_the_exchanges_newest_times() -> None:
    """Outcomes of commands do not count: their time may be our own clock's."""
    later = START.replace(minute=5)
    entries = [
        entry(update(occurred_at=later)),
        entry(update()),
        entry(update(occurred_at=START.replace(minute=9)), source=EventSource.COMMAND),
    ]

    (head,) = Projection(entries).head_rows

    assert head.last_occurred_at == later
