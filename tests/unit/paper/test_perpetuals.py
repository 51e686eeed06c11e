"""Perpetual positions: pnl, margin, modes, liquidation."""

from __future__ import annotations

from decimal import Decimal

import pytest

from kokex.paper.ledger.margin import margin_state
from tests.unit.paper.trading import SWAP, Trader, account_config, trader


@pytest.fixture
def one() -> Trader:
    return trader()


def position(one: Trader, key: tuple[str, str] = ("cross", "net")) -> tuple[int, Decimal]:
    found = one.account.positions[(SWAP, *key)]
    return found.lots, found.average_price


def move(one: Trader, ticks: int) -> None:
    """Let the perpetual's market jump to a price."""
    one.print(ticks, 1, buy=True, inst_id=SWAP)


def test_open_enlarge_reduce_turn_and_close(one: Trader) -> None:
    """Average price moves when enlarging, pnl comes when reducing, and a turn does both."""
    start = one.account.cash["USDT"]
    ask = one.best_ask(SWAP)
    bought = one.placed(instId=SWAP, side="buy", sz="1", px=one.price(ask, SWAP))
    assert position(one) == (100, one.exchange.instruments[SWAP].price(ask))
    sold = one.placed(instId=SWAP, side="sell", ordType="market", sz="3")
    lots, average = position(one)
    assert lots == -200
    assert average == sold.average_price or len(one.pushes(sold)) > 2
    closed = one.placed(instId=SWAP, side="buy", ordType="market", sz="2")
    assert position(one)[0] == 0
    flows = sum(
        (
            sign * order.filled_value * order.instrument.lot_value + order.fee
            for sign, order in ((-1, bought), (1, sold), (-1, closed))
        ),
        Decimal(0),
    )
    assert one.account.cash["USDT"] - start == flows
    assert one.account.realised == sold.pnl + closed.pnl


def test_profit_and_margin_follow_the_mark(one: Trader) -> None:
    """Ten contracts of 0.1 ETH gain 1 USDT a dollar."""
    one.placed(instId=SWAP, side="buy", ordType="market", sz="10")
    average = position(one)[1]
    mark = int(average / Decimal("0.01")) + 5000
    move(one, mark)
    state = margin_state(one.account, one.exchange.marks)
    assert state.unrealised == (Decimal(mark) / 100 - average) * 1
    held = one.account.positions[(SWAP, "cross", "net")]
    notional = Decimal(mark) / 100
    assert abs(held.initial_margin(one.exchange.marks[SWAP]) - notional / 3) < Decimal("1e-9")


def test_leverage_bounds_what_can_be_opened() -> None:
    """With 100 USDT and leverage 3 no more than about 300 USDT can be opened; with 10, more."""
    one = trader(accounts=(account_config(USDT="100"),))
    contracts = str(round(350 / (float(one.exchange.marks[SWAP]) * 0.1), 2))
    fields = {"instId": SWAP, "ordType": "market", "sz": contracts}
    assert one.place(**fields)["sCode"] == "51008"
    one.account.leverage[(SWAP, "cross", "net")] = Decimal(10)
    assert one.place(**fields)["sCode"] == "0"


def test_closing_needs_no_margin() -> None:
    """An account whose margin is used up can still close."""
    one = trader(accounts=(account_config(USDT="110"),))
    contracts = str(round(300 / (float(one.exchange.marks[SWAP]) * 0.1), 2))
    one.placed(instId=SWAP, ordType="market", sz=contracts)
    assert one.place(instId=SWAP, ordType="market", sz="0.2")["sCode"] == "51008"
    assert one.placed(instId=SWAP, side="sell", ordType="market", sz=contracts).state == "filled"


def test_reduce_only_orders_die_with_their_position(one: Trader) -> None:
    """A resting reduce-only order is canceled when there is nothing left for it to reduce."""
    one.placed(instId=SWAP, ordType="market", sz="2")
    stop = one.placed(
        instId=SWAP, side="sell", sz="2", px=one.price(one.best_ask(SWAP) + 500, SWAP), reduceOnly=True
    )
    one.placed(instId=SWAP, side="sell", ordType="market", sz="1")
    assert (stop.state, stop.cancel_source) == ("canceled", "23")
    again = one.placed(
        instId=SWAP, side="sell", sz="1", px=one.price(one.best_ask(SWAP) + 500, SWAP), reduceOnly=True
    )
    one.placed(instId=SWAP, side="sell", ordType="market", sz="1")
    assert (again.state, again.cancel_source) == ("canceled", "17")


def test_long_and_short_at_once() -> None:
    """In long/short mode both sides stand beside each other, and closes cannot exceed them."""
    one = trader()
    one.account.long_short_mode = True
    one.placed(instId=SWAP, side="buy", posSide="long", ordType="market", sz="2")
    one.placed(instId=SWAP, side="sell", posSide="short", ordType="market", sz="1")
    assert position(one, ("cross", "long"))[0] == 200
    assert position(one, ("cross", "short"))[0] == -100
    assert one.place(instId=SWAP, ordType="market", sz="1")["sCode"] == "51000"
    over = one.place(instId=SWAP, side="sell", posSide="long", ordType="market", sz="3")
    assert over["sCode"] == "51112"
    one.placed(instId=SWAP, side="sell", posSide="long", ordType="market", sz="2")
    assert position(one, ("cross", "long"))[0] == 0


def test_isolated_margin_stands_apart(one: Trader) -> None:
    """The margin of an isolated position is not free, and its loss stays its own."""
    before = margin_state(one.account, one.exchange.marks).available
    order = one.placed(instId=SWAP, tdMode="isolated", ordType="market", sz="30")
    after = margin_state(one.account, one.exchange.marks)
    margin = one.account.positions[(SWAP, "isolated", "net")].initial_margin(Decimal(1))
    assert after.available == before - margin + order.fee
    mark = int(one.exchange.marks[SWAP] / Decimal("0.01"))
    move(one, mark * 66 // 100)
    assert one.account.positions[(SWAP, "isolated", "net")].lots == 0
    assert one.account.cash["USDT"] > 90_000


def test_liquidation_closes_everything_and_leaves_no_debt() -> None:
    """When equity is used up orders are canceled, the position closed, and the balance never below zero."""
    one = trader(accounts=(account_config(USDT="1000"),))
    one.account.leverage[(SWAP, "cross", "net")] = Decimal(20)
    contracts = str(round(15_000 / (float(one.exchange.marks[SWAP]) * 0.1), 2))
    one.placed(instId=SWAP, ordType="market", sz=contracts)
    low = int(one.exchange.marks[SWAP] / Decimal("0.01"))
    resting = one.placed(sz="0.05", px=one.price(low * 97 // 100))
    move(one, low * 85 // 100)
    assert position(one)[0] == 0
    assert resting.state == "canceled"
    assert one.account.cash["USDT"] == 0
    events = one.exchange.records.events[one.account.uid]
    last = [event for event in events if event.inst_id == SWAP][-1]
    push = one.pushes(one.exchange.records.orders[int(last.order_id)])[-1]
    assert (push["category"], push["state"], push["tradeId"]) == ("full_liquidation", "filled", "0")
    assert one.exchange.records.fills[one.account.uid][-1].trade_id.startswith("-")
    covered = [bill for bill in one.exchange.records.bills[one.account.uid] if bill.kind == "9"]
    assert len(covered) == 1


def test_a_loss_frees_itself_from_spot_orders() -> None:
    """Cash that a realised loss took cannot stay promised to a spot order."""
    one = trader(accounts=(account_config(USDT="10000"),))
    one.placed(instId=SWAP, ordType="market", sz="20")
    free = margin_state(one.account, one.exchange.marks).available
    mark = int(one.exchange.marks[SWAP] / Decimal("0.01"))
    lots = int(free / (one.exchange.marks[SWAP] * Decimal("0.9")) / Decimal("0.0001")) - 10
    order = one.placed(sz=str(Decimal(lots) * Decimal("0.0001")), px=one.price(mark * 9 // 10))
    move(one, mark * 60 // 100)
    one.placed(instId=SWAP, side="sell", ordType="market", sz="20")
    assert order.state == "canceled"
    assert one.account.cash["USDT"] >= one.account.frozen["USDT"] == 0
