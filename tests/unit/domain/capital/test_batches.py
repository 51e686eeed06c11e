"""Batches: sums are exact, prices get better, nothing breaks a step or a limit."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kokex.domain.capital import Batch, BatchOrder, BatchRules, lay_out
from kokex.domain.instrument import Side
from tests.builders import ETH, ETH_SWAP

STEP = Decimal("0.01")


def rules(**changes: Any) -> BatchRules:
    """Three orders, a percent apart."""
    return replace(BatchRules(ETH, 3, STEP, None, Decimal(2000)), **changes)


def test_a_buy_is_laid_out_downwards_and_a_sell_upwards() -> None:
    """Equal orders, the nearest at the price itself; what does not divide goes to the first."""
    batch = lay_out(Side.BUY, Decimal("0.300001"), Decimal(2000), rules())
    assert batch == Batch(
        (
            BatchOrder(Decimal("2000.00"), Decimal("0.100001")),
            BatchOrder(Decimal("1980.00"), Decimal("0.100000")),
            BatchOrder(Decimal("1960.20"), Decimal("0.100000")),
        ),
        Decimal(0),
    )
    sold = lay_out(Side.SELL, Decimal("0.3"), Decimal(2000), rules())
    assert [order.price for order in sold.orders] == [Decimal(2000), Decimal(2020), Decimal("2040.20")]


def test_too_little_for_so_many_is_fewer_orders() -> None:
    """Each at least the least order."""
    batch = lay_out(Side.BUY, Decimal("0.0025"), Decimal(2000), rules())
    assert [order.quantity for order in batch.orders] == [Decimal("0.001250"), Decimal("0.001250")]
    nothing = lay_out(Side.BUY, Decimal("0.0009"), Decimal(2000), rules())
    assert nothing == Batch((), Decimal("0.0009"))


def test_what_no_order_may_carry_is_left() -> None:
    """150 an order: the last price counts for cheaper ones too."""
    batch = lay_out(Side.BUY, Decimal(1), Decimal(2000), rules(most=Decimal(150)))
    assert [order.quantity for order in batch.orders] == [Decimal("0.075000")] * 3
    assert batch.left == Decimal("0.775")
    assert lay_out(Side.BUY, Decimal(1), Decimal(2000), rules(most=Decimal(0))).orders == ()


def test_nothing_outside_the_collar() -> None:
    """Prices that the gate would deny are not asked for."""
    batch = lay_out(Side.BUY, Decimal(1), Decimal(2000), rules(lowest=Decimal(1970)))
    assert [order.price for order in batch.orders] == [Decimal(2000), Decimal(1980)]


@given(
    side=st.sampled_from(Side),
    quantity=st.decimals(0, 10_000, places=8),
    price=st.decimals("0.01", 100_000, places=4),
    count=st.integers(1, 20),
    step=st.decimals("0.0001", "0.5", places=4),
    most=st.none() | st.decimals(0, 10**6, places=2),
    instrument=st.sampled_from((ETH, ETH_SWAP, replace(ETH, max_limit_quantity=Decimal(5)))),
)
def test_batches_sum_exactly_and_keep_every_step_and_limit(
    side: Side,
    quantity: Decimal,
    price: Decimal,
    count: int,
    step: Decimal,
    most: Decimal | None,
    instrument: Any,
) -> None:
    """Whatever is wished."""
    asked = BatchRules(instrument, count, step, most, price, price / 2, price * 2)
    batch = lay_out(side, quantity, price, asked)
    assert batch.quantity + batch.left == quantity
    assert batch.left >= 0
    assert len(batch.orders) <= count
    earlier = None
    for order in batch.orders:
        assert instrument.quantity_fault(order.quantity) is None
        assert instrument.price_fault(order.price) is None
        assert side.sign * (price - order.price) >= 0
        assert asked.lowest <= order.price <= asked.highest
        if most is not None:
            assert instrument.notional(order.quantity, max(order.price, price)) <= most
        if instrument.max_limit_quantity is not None:
            assert order.quantity <= instrument.max_limit_quantity
        if earlier is not None:
            assert side.sign * (earlier - order.price) >= step * earlier
        earlier = order.price
