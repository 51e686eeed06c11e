"""What is done next about a parent order: pure, and the same from the same record."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokex.domain.amendment import Amendment
from kokex.domain.instrument import Side
from kokex.domain.order import Order, OrderStatus, OrderType
from kokex.domain.parent_order import (
    MOST_CHILDREN,
    PACE,
    End,
    Move,
    ParentOrder,
    ParentStatus,
    Progress,
    Send,
    Style,
    Touch,
    Wait,
    Withdraw,
    next_deed,
    progress_of,
)
from tests.builders import ETH, START, order

TOUCH = Touch(Decimal("1999.5"), Decimal("2000.5"))
MINUTE = timedelta(minutes=1)


def parent(style: Style = Style.TWAP, **changes: Any) -> ParentOrder:
    """One ETH to be bought within ten minutes, in ten slices, at 2010 at most."""
    made = ParentOrder(
        plan_id=1,
        decision_id=7,
        step=0,
        side=Side.BUY,
        quantity=Decimal(1),
        style=style,
        started_at=START,
        ends_at=START + 10 * MINUTE,
        limit_price=Decimal(2010),
        slices=10,
        visible=Decimal("0.3"),
    )
    return replace(made, **changes)


def child(status: OrderStatus = OrderStatus.ACCEPTED, **changes: Any) -> Order:
    """The parent's first child order."""
    fields: dict[str, Any] = {"decision_id": 7, "step": 1000, "client_order_id": "KXtestP1D7SRS"}
    return order(status=status, **(fields | changes))


def after(*orders: Order, **changes: Any) -> Any:
    """The deed at a moment, `minutes` after the start, with these child orders."""
    touch, style = changes.pop("touch", TOUCH), changes.pop("style", Style.TWAP)
    now = START + changes.pop("minutes", 0) * MINUTE
    made = parent(style, **changes)
    return next_deed(made, progress_of(made, list(orders)), ETH, touch, now)


def filled(quantity: str, **changes: Any) -> Order:
    amount = Decimal(quantity)
    return child(OrderStatus.FILLED, quantity=amount, filled_quantity=amount, **changes)


def test_only_its_own_orders_are_its_children() -> None:
    """By decision and step: other orders of the decision, and other parents' children, are not."""
    others = (order(decision_id=7, step=0), order(decision_id=7, step=2000), order(decision_id=8, step=1000))
    made = progress_of(parent(), [filled("0.1"), *others])
    assert (made.filled, made.children, made.resting) == (Decimal("0.1"), 1, None)
    assert parent(step=1).owns(others[1]) and parent().child_step(3) == 1003


def test_slices_are_even_over_the_time() -> None:
    """The first at once; one a slot; what a slot missed belongs to the next; the last takes all that is left."""
    assert after() == Send(Decimal("0.1"), OrderType.IOC, Decimal("2000.5"))
    first = filled("0.1")
    assert after(first, minutes=0.9) == Wait()
    assert after(first, minutes=1) == Send(Decimal("0.1"), OrderType.IOC, Decimal("2000.5"))
    assert after(first, minutes=3) == Send(Decimal("0.3"), OrderType.IOC, Decimal("2000.5"))
    assert after(first, minutes=9.5) == Send(Decimal("0.9"), OrderType.IOC, Decimal("2000.5"))
    nothing = child(OrderStatus.CANCELED, created_at=START + MINUTE)
    assert after(first, nothing, minutes=1.5) == Wait()


def test_nothing_is_taken_beyond_the_limit_price() -> None:
    """Nor where the price is not known."""
    assert after(touch=Touch(Decimal(2011), Decimal(2012))) == Wait()
    assert after(touch=Touch(None, None)) == Wait()
    sell = {"side": Side.SELL, "limit_price": Decimal(2000)}
    assert after(**sell) == Wait()
    assert after(**sell, touch=Touch(Decimal(2001), None)) == Send(
        Decimal("0.1"), OrderType.IOC, Decimal(2001)
    )
    assert after(limit_price=None, touch=Touch(None, Decimal(9999))) == Send(
        Decimal("0.1"), OrderType.IOC, Decimal(9999)
    )


def test_an_iceberg_shows_one_part_after_the_other() -> None:
    """At the limit price; the last part is what is left; one that ends unfilled ends it."""
    ice = {"style": Style.ICEBERG}
    assert after(**ice) == Send(Decimal("0.3"), OrderType.LIMIT, Decimal(2010))
    assert after(child(), **ice) == Wait()
    parts = [filled("0.3", step=1000 + number) for number in range(3)]
    assert after(*parts, **ice) == Send(Decimal("0.1"), OrderType.LIMIT, Decimal(2010))
    gone = after(filled("0.3"), child(OrderStatus.CANCELED, step=1001, reason="by hand"), **ice)
    assert gone == End(ParentStatus.STOPPED, "its child order ended unfilled (by hand); 0.3 of 1 is filled")


def test_a_post_only_order_follows_the_best_price_of_its_side() -> None:
    """Ahead only, not beyond the limit, at a pace; again where it would have taken; not where it was rejected."""
    peg: dict[str, Any] = {"style": Style.POST_ONLY, "minutes": 1}
    assert after(**peg) == Send(Decimal(1), OrderType.POST_ONLY, Decimal("1999.5"))
    resting = child(price=Decimal("1999.5"))
    assert after(resting, **peg) == Wait()
    ahead = Touch(Decimal("2000.1"), Decimal("2000.5"))
    assert after(resting, **peg, touch=ahead) == Move("KXtestP1D7SRS", Decimal("2000.1"))
    assert after(child(price=Decimal("2000.1")), **peg) == Wait()
    far = Touch(Decimal(2050), Decimal(2051))
    assert after(resting, **peg, touch=far) == Move("KXtestP1D7SRS", Decimal(2010))
    assert after(child(price=Decimal(2010)), **peg, touch=far) == Wait()
    young = replace(resting, updated_at=START + MINUTE - PACE / 2)
    assert after(young, **peg, touch=ahead) == Wait()
    would_take = child(OrderStatus.CANCELED, filled_quantity=Decimal("0.4"))
    assert after(would_take, **peg) == Send(Decimal("0.6"), OrderType.POST_ONLY, Decimal("1999.5"))
    assert after(child(OrderStatus.REJECTED, reason="51008: no money"), **peg) == End(
        ParentStatus.STOPPED, "its child order was rejected (51008: no money); 0 of 1 is filled"
    )


@pytest.mark.parametrize("style", list(Style))
def test_ends(style: Style) -> None:
    """When its time is over, when all is filled, when what is left is too little, when it had too many children."""
    late: dict[str, Any] = {"style": style, "minutes": 10}
    assert after(child(), **late) == Withdraw("KXtestP1D7SRS")
    assert after(**late) == End(ParentStatus.STOPPED, "its time is over; 0 of 1 is filled")
    assert after(filled("1"), style=style) == End(ParentStatus.DONE, "all of it is filled")
    crumb = after(filled("0.9995"), style=style)
    assert crumb == End(
        ParentStatus.STOPPED, "what is left is too little for an order; 0.9995 of 1 is filled"
    )
    made = parent(style)
    many = Progress(Decimal(0), None, None, MOST_CHILDREN)
    assert next_deed(made, many, ETH, TOUCH, START) == End(
        ParentStatus.STOPPED, f"it had {MOST_CHILDREN} child orders; 0 of 1 is filled"
    )


@pytest.mark.parametrize("style", list(Style))
@pytest.mark.parametrize(
    "status", [OrderStatus.SUBMITTED, OrderStatus.UNKNOWN, OrderStatus.AWAITING_APPROVAL]
)
def test_nothing_is_done_while_a_child_orders_fate_is_open(style: Style, status: OrderStatus) -> None:
    """Not even when the time is over: two orders could live."""
    assert after(child(status), style=style, minutes=11) == Wait()


@given(
    style=st.sampled_from(list(Style)),
    side=st.sampled_from(list(Side)),
    quantity=st.integers(1, 4000),
    slices=st.integers(2, 20),
    visible=st.integers(1, 4000),
    fates=st.lists(st.tuples(st.integers(0, 700), st.integers(0, 100)), max_size=40),
)
def test_never_more_than_the_whole(
    style: Style, side: Side, quantity: int, slices: int, visible: int, fates: list[tuple[int, int]]
) -> None:
    """Whenever it is looked at and however much of each child fills: the sum asked for never exceeds what is left."""
    whole = Decimal(quantity) / 1000
    made = parent(
        style,
        side=side,
        quantity=whole,
        slices=slices,
        visible=Decimal(visible) / 1000,
        limit_price=Decimal(2000),
    )
    touch = Touch(Decimal(2000), Decimal(2000))
    orders: list[Order] = []
    for seconds, share in sorted(fates):
        progress = progress_of(made, orders)
        now = START + timedelta(seconds=seconds)
        match next_deed(made, progress, ETH, touch, now):
            case Send(asked, _, price):
                assert ETH.quantity_fault(asked) is None and price == 2000
                assert asked <= whole - progress.filled
                got = asked if share > 90 else ETH.round_quantity(asked * share / 100)
                status = OrderStatus.FILLED if got == asked else OrderStatus.CANCELED
                orders.append(
                    child(
                        status,
                        step=made.child_step(len(orders)),
                        quantity=asked,
                        filled_quantity=got,
                        created_at=now,
                        updated_at=now,
                    )
                )
            case End(status, _):
                left = whole - progress.filled
                assert (status is ParentStatus.DONE) == (left == 0)
                return
            case deed:
                assert deed == Wait()
    assert progress_of(made, orders).filled <= whole


def test_a_child_whose_move_is_under_way_is_not_moved_again() -> None:
    """The exchange's word on a move may take longer than a look: a second one would be refused, and the order withdrawn for nothing."""
    moving = Amendment("A1", None, Decimal(2001), START + MINUTE)
    resting = child(price=Decimal(2000), order_type="post_only", amendments=(moving,))
    ahead = Touch(Decimal(2002), Decimal(2003))
    assert after(resting, style=Style.POST_ONLY, minutes=2, touch=ahead) == Wait()
    done = replace(resting, price=Decimal(2001))
    assert after(done, style=Style.POST_ONLY, minutes=2, touch=ahead) == Move("KXtestP1D7SRS", Decimal(2002))
    assert after(resting, style=Style.POST_ONLY, minutes=10) == Withdraw("KXtestP1D7SRS")
