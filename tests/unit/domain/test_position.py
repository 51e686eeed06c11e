"""A plan's book adds up to the last digit."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from kokex.domain.instrument import Side
from kokex.domain.position import PlanBook
from tests.builders import ETH, ETH_SWAP, fill


def test_a_spot_buy_pays_its_fee_in_base_and_a_sell_in_quote() -> None:
    """OKX v5: fees in base on a spot buy."""
    bought = PlanBook(ETH).apply(
        fill(quantity=Decimal(1), price=Decimal(2000), fee=Decimal("-0.001"), fee_currency="ETH")
    )
    assert (bought.quantity, bought.cash) == (Decimal("0.999"), Decimal(-2000))
    sold = bought.apply(
        fill(
            2,
            side=Side.SELL,
            quantity=Decimal("0.999"),
            price=Decimal(2100),
            fee=Decimal("-2.0979"),
            fee_currency="USDT",
        )
    )
    assert sold.quantity == 0
    assert sold.pnl(Decimal(1)) == Decimal("0.999") * 2100 - Decimal("2.0979") - 2000
    assert dict(sold.fees) == {"ETH": Decimal("-0.001"), "USDT": Decimal("-2.0979")}


def test_a_short_swap_gains_when_the_price_falls() -> None:
    """Contracts times contract value times price."""
    book = PlanBook(ETH_SWAP).apply(
        fill(
            inst_id="ETH-USDT-SWAP",
            side=Side.SELL,
            quantity=Decimal(10),
            fee=Decimal("-1"),
            fee_currency="USDT",
        )
    )
    assert book.quantity == -10
    assert book.pnl(Decimal(1900)) == Decimal(10) * Decimal("0.1") * 100 - 1


amounts = st.decimals("0.000001", "50", places=6, allow_nan=False)
prices = st.decimals("0.01", "99999", places=2, allow_nan=False)


@given(st.lists(st.tuples(st.sampled_from(Side), amounts, prices, st.booleans()), max_size=30), prices)
def test_profit_is_cash_plus_value_whatever_the_order(trades: list, mark: Decimal) -> None:
    """The sum does not depend on the order of the fills, and equals the sum done by hand."""
    fills = [
        fill(
            number,
            side=side,
            quantity=quantity,
            price=price,
            fee=-(quantity if in_base else quantity * price) / 1000,
            fee_currency="ETH" if in_base else "USDT",
        )
        for number, (side, quantity, price, in_base) in enumerate(trades)
    ]
    book = PlanBook(ETH).apply_all(fills)
    by_hand = sum(
        (
            one.side.sign * one.quantity * (mark - one.price)
            + one.fee * (mark if one.fee_currency == "ETH" else 1)
            for one in fills
        ),
        Decimal(0),
    )
    assert book.pnl(mark) == by_hand
    assert PlanBook(ETH).apply_all(reversed(fills)).pnl(mark) == by_hand
