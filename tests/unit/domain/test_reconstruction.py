"""What a lost stream did not tell is told as the stream would have told it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from kokex.domain.events import classify
from kokex.domain.order import OrderStatus
from kokex.domain.reconstruction import reconstruct
from tests.builders import START, fill, update

lots = st.lists(st.integers(1, 50), min_size=1, max_size=6)


@given(lots, st.sampled_from(["filled", "canceled", "open"]), st.integers(0, 6))
def test_events_equal_the_streams(sizes: list[int], end: str, lost: int) -> None:
    """Types and keys are those of the pushes, also where only the newest fills are known."""
    total = Decimal(sum(sizes))
    asked = total if end == "filled" else total + 1
    fills = [fill(number, quantity=Decimal(size)) for number, size in enumerate(sizes)]
    pushed = [classify(update(quantity=asked))]
    filled = Decimal(0)
    for one in fills:
        filled += one.quantity
        status = OrderStatus.FILLED if filled == asked else OrderStatus.PARTIALLY_FILLED
        pushed.append(classify(update(quantity=asked, status=status, filled_quantity=filled, fill=one)))
    last = pushed[-1].update
    if end == "canceled":
        last = replace(last, status=OrderStatus.CANCELED, fill=None, occurred_at=START + timedelta(hours=1))
        pushed.append(classify(last))
    row = replace(last, fill=None, average_price=Decimal(2000))

    known = fills[min(lost, len(fills)) :]
    told = reconstruct(row, known)

    names = [(one.event_type, one.event_key) for one in pushed]
    expected = names if not lost else [names[0], *names[1 + min(lost, len(fills)) :]]
    assert [(one.event_type, one.event_key) for one in told] == expected
    quantities = [one.update.filled_quantity for one in told]
    assert quantities == sorted(quantities)
    for one in told:
        if one.update.fill is not None:
            assert one.update.average_price == 2000


def test_an_order_refused_on_arrival_was_never_live() -> None:
    """OKX pushes `canceled` alone for a post-only order that would have taken."""
    row = update(order_type="post_only", status=OrderStatus.CANCELED, never_live=True)
    assert [one.event_key for one in reconstruct(row, [])] == ["canceled"]
