"""Results add up to what the book says, whatever was traded."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from kokex.domain.instrument import Side
from kokex.domain.position import PlanBook
from kokex.domain.results import TradeResults, Worth
from tests.builders import ETH, ETH_SWAP, START, fill


def swap_fill(number: int, side: Side, quantity: str, price: str, order: str = "", fee: str = "0") -> object:
    return fill(
        number,
        inst_id="ETH-USDT-SWAP",
        order_id=order or f"order-{number}",
        side=side,
        quantity=Decimal(quantity),
        price=Decimal(price),
        fee=Decimal(fee),
        fee_currency="USDT",
    )


def test_a_closing_order_is_measured_against_the_average_cost() -> None:
    """Two buys at 2000 and 2200, one sale of all at 2150: a contract is 0.1 ETH."""
    after = TradeResults(ETH_SWAP).apply_all(
        [
            swap_fill(1, Side.BUY, "10", "2000"),
            swap_fill(2, Side.BUY, "10", "2200"),
            swap_fill(3, Side.SELL, "20", "2150", fee="-4"),
        ]
    )
    assert [result.pnl for result in after.results] == [Decimal(2) * 50 - 4]
    assert (after.quantity, after.cost) == (0, 0)


def test_an_order_through_zero_closes_one_side_and_opens_the_other() -> None:
    """Selling 15 of 10 held at 2000 for 2100 earns on 10 and is short 5 at 2100."""
    after = TradeResults(ETH_SWAP).apply_all(
        [swap_fill(1, Side.BUY, "10", "2000"), swap_fill(2, Side.SELL, "15", "2100")]
    )
    assert after.realised == 100
    assert (after.quantity, after.average_price) == (-5, 2100)


def test_fills_of_one_closing_order_are_one_result() -> None:
    """A loss in three pieces is one loss, not a streak of three."""
    after = TradeResults(ETH_SWAP).apply_all(
        [
            swap_fill(1, Side.BUY, "10", "2000"),
            swap_fill(2, Side.SELL, "3", "1990", order="exit"),
            swap_fill(3, Side.SELL, "3", "1980", order="exit"),
            swap_fill(4, Side.SELL, "4", "1970", order="exit"),
        ]
    )
    assert after.losing_streak() == len(after.results) == 1
    assert after.results[0].quantity == 10


def test_a_gain_ends_the_streak() -> None:
    """Loss, loss, gain, loss: a streak of one."""
    fills = []
    for number, exit_price in enumerate(("1990", "1980", "2010", "1999")):
        fills += [
            swap_fill(2 * number, Side.BUY, "1", "2000"),
            swap_fill(2 * number + 1, Side.SELL, "1", exit_price),
        ]
    after = TradeResults(ETH_SWAP).apply_all(fills)
    assert len(after.results) == 4
    assert after.losing_streak() == 1


def test_a_fee_of_no_known_currency_is_cash_for_a_contract() -> None:
    """Contracts held are a number of contracts: no fee takes a part of one away."""
    charged = fill(
        1,
        inst_id="ETH-USDT-SWAP",
        quantity=Decimal(10),
        price=Decimal(2000),
        fee=Decimal(-2),
        fee_currency=None,
    )
    after = TradeResults(ETH_SWAP).apply(charged)
    assert (after.quantity, after.cost) == (10, 2002)


amounts = st.decimals("0.001", "50", places=3, allow_nan=False)
prices = st.decimals("100", "9999", places=2, allow_nan=False)


@given(st.lists(st.tuples(st.sampled_from(Side), amounts, prices, st.booleans()), max_size=25), prices)
def test_realised_and_open_profit_equal_the_books(trades: list, mark: Decimal) -> None:
    """What was realised plus what is open is the book's profit, for spot with fees in base or quote."""
    fills = [
        fill(
            number,
            order_id=f"o{number // 2}",
            side=side,
            quantity=quantity,
            price=price,
            fee=-(quantity if in_base else quantity * price) / 1000,
            fee_currency="ETH" if in_base else "USDT",
        )
        for number, (side, quantity, price, in_base) in enumerate(trades)
    ]
    after, book = TradeResults(ETH).apply_all(fills), PlanBook(ETH).apply_all(fills)
    assert after.quantity == book.quantity
    open_profit = after.quantity * mark - after.cost
    assert abs(after.realised + open_profit - book.pnl(mark)) < Decimal("1e-12")
    assert abs(sum((result.pnl for result in after.results), Decimal(0)) - after.realised) < Decimal("1e-12")


def test_a_day_begins_with_what_the_day_before_ended_with() -> None:
    """A loss over midnight counts from the last mark of the day before; the peak is for ever."""
    worth = Worth.begin(START).mark(Decimal(500), START + timedelta(hours=20))
    assert worth.day_loss(Decimal(300), START + timedelta(hours=21)) == 0
    next_day = worth.mark(Decimal(450), START + timedelta(hours=25))
    assert next_day.day_start == 500
    assert next_day.day_loss(Decimal(380), START + timedelta(hours=26)) == 120
    assert next_day.drawdown(Decimal(380)) == 120
    assert worth.day_loss(Decimal(380), START + timedelta(hours=26)) == 120
    assert worth.mark(Decimal(0), START) is worth


def test_a_holding_begins_with_its_first_execution_and_ends_below_the_least_order() -> None:
    """More of it changes nothing, turning it begins another, and dust of fees is no holding."""
    results = TradeResults(ETH_SWAP)
    seen = []
    for told in (
        swap_fill(1, Side.BUY, "10", "2000"),
        swap_fill(2, Side.BUY, "10", "2200"),
        swap_fill(3, Side.SELL, "15", "2150"),
        swap_fill(4, Side.SELL, "15", "2100"),
        swap_fill(5, Side.BUY, "9.995", "2050"),
    ):
        results = results.apply(told)
        seen.append(None if results.entry is None else (results.entry.price, results.entry.sign))
    long, short = (Decimal(2000), 1), (Decimal(2100), -1)
    assert seen == [long, long, long, short, None]
    bought = TradeResults(ETH).apply_all(
        [fill(1), fill(2, side=Side.SELL, quantity=Decimal("0.0399"), fee=None)]
    )
    assert bought.quantity > 0
    assert bought.entry is None
