"""Sizes of stops: what is held is protected once, and nothing else is sold."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from kokex.domain.stop_sizes import oversized
from tests.builders import ETH, stop_report


def stops(*quantities: str) -> list:
    """Oldest first, numbered from 0."""
    return [stop_report(stop_id=str(place), quantity=Decimal(one)) for place, one in enumerate(quantities)]


def test_the_newest_keep_their_size() -> None:
    """What was sold is what was bought first; too little for an order is none."""
    assert oversized(Decimal("1.0"), stops("0.5", "0.5"), ETH) == {}
    assert oversized(Decimal("0.7"), stops("0.5", "0.5"), ETH) == {"0": Decimal("0.2")}
    assert oversized(Decimal("0.4"), stops("0.5", "0.5"), ETH) == {"0": Decimal(0), "1": Decimal("0.4")}
    assert oversized(Decimal("0.5005"), stops("0.5", "0.5"), ETH) == {"0": Decimal(0)}
    assert oversized(Decimal("0.4995005"), stops("0.5"), ETH) == {"0": Decimal("0.4995")}
    assert oversized(Decimal(-1), stops("0.5"), ETH) == {"0": Decimal(0)}


def test_one_sized_in_quote_currency_is_left_alone() -> None:
    """It is none of ours."""
    assert oversized(Decimal(0), [stop_report(quantity=None)], ETH) == {}


_sizes = st.decimals("0.001", "2", places=6)


@given(st.lists(_sizes, max_size=6), st.decimals("0", "8", places=8))
def test_together_they_are_what_is_held_or_what_they_were(sizes: list[Decimal], held: Decimal) -> None:
    """None grows, none is too small for an order, and what is left unprotected is too little for one."""
    before = stops(*(str(one) for one in sizes))
    changes = oversized(held, before, ETH)
    after = [changes.get(one.stop_id, one.quantity) for one in before]
    assert all(new <= one.quantity for new, one in zip(after, before, strict=True))
    assert all(new == 0 or new >= ETH.min_quantity for new in after)
    assert all(new % ETH.lot_size == 0 for new in after)
    assert sum(after) <= held or not changes
    if changes:
        assert held - sum(after) < ETH.min_quantity + ETH.lot_size
    else:
        assert sum(sizes, Decimal(0)) <= held
