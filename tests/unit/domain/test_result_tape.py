"""Fills told late find their place; memory is bounded, and what came too late is said to be."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokex.domain import result_tape
from kokex.domain.instrument import Side
from kokex.domain.order import Fill
from kokex.domain.result_tape import ResultTape
from kokex.domain.results import TradeResults
from tests.builders import ETH_SWAP, START, fill


def made(number: int, side: Side, price: int) -> Fill:
    return fill(
        number,
        inst_id="ETH-USDT-SWAP",
        order_id=f"order-{number}",
        side=side,
        quantity=Decimal(3),
        price=Decimal(price),
        fee=Decimal("-0.1"),
        fee_currency="USDT",
        occurred_at=START + timedelta(seconds=number),
    )


@given(
    orders=st.lists(st.tuples(st.sampled_from(list(Side)), st.integers(900, 1100)), min_size=1, max_size=12),
    order=st.randoms(use_true_random=False),
    asked=st.sets(st.integers(0, 12)),
)
def test_the_order_of_hearing_changes_nothing(
    orders: list[tuple[Side, int]], order: object, asked: set[int]
) -> None:
    """Whenever the results are asked for in between."""
    fills = [made(number, *one) for number, one in enumerate(orders)]
    heard = list(fills)
    order.shuffle(heard)  # type: ignore[attr-defined]
    tape = ResultTape(ETH_SWAP)
    for number, one in enumerate(heard):
        assert tape.add(one)
        if number in asked:
            assert tape.results.quantity == sum(
                each.side.sign * each.quantity for each in heard[: number + 1]
            )
    assert tape.results == TradeResults(ETH_SWAP).apply_all(fills)


def test_what_is_settled_takes_nothing_in_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """The latest stay open to late ones; older ones are told anew, all of them."""
    monkeypatch.setattr(result_tape, "_OPEN", 2)
    fills = [made(number, Side.BUY if number % 3 else Side.SELL, 1000 + number) for number in range(9)]
    tape = ResultTape(ETH_SWAP)
    assert all(tape.add(one) for one in (*fills[1:7], fills[8]))
    assert tape.results == TradeResults(ETH_SWAP).apply_all([*fills[1:7], fills[8]])
    assert tape.add(fills[7])
    assert tape.results == TradeResults(ETH_SWAP).apply_all(fills[1:])
    assert not tape.add(fills[0])
    assert tape.results == TradeResults(ETH_SWAP).apply_all(fills[1:])
    assert ResultTape(ETH_SWAP, fills).results == TradeResults(ETH_SWAP).apply_all(fills)
