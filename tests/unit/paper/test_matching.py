"""Price-time priority, partial fills and order types."""

from __future__ import annotations

from decimal import Decimal

import pytest

from kokex.paper import PaperExchange
from kokex.paper.matching.order import Order
from tests.unit.paper.trading import SPOT, SWAP, Trader, account_config, paper_config, trader


@pytest.fixture
def one() -> Trader:
    return trader()


def two_traders() -> tuple[Trader, Trader]:
    exchange = PaperExchange(paper_config(accounts=(account_config("one"), account_config("two"))))
    return Trader(exchange, "one"), Trader(exchange, "two")


def filled(order: Order) -> Decimal:
    return order.instrument.size(order.filled_lots)


def test_a_resting_order_waits_behind_what_was_there(one: Trader) -> None:
    """A print at its price first uses up the outside lots that were earlier."""
    bid = one.best_bid()
    ahead = one.outside(ask=False, ticks=bid)
    order = one.placed(sz="1", px=one.price(bid))
    assert order.queue_ahead == ahead > 0
    one.print(bid, ahead - 1, buy=False)
    assert (order.filled_lots, order.queue_ahead) == (0, 1)
    one.print(bid, 1 + 400_000, buy=False)
    assert filled(order) == Decimal("0.4")
    assert order.state == "partially_filled"
    one.print(bid, 10_000_000, buy=False)
    assert (order.state, filled(order)) == ("filled", Decimal(1))


def test_a_print_of_the_other_side_or_a_worse_price_leaves_it_alone(one: Trader) -> None:
    """Buyers at the ask and sellers above do not reach a bid."""
    bid = one.best_bid()
    order = one.placed(sz="1", px=one.price(bid - 5))
    one.print(bid + 3, 10**9, buy=True)
    one.print(bid, 10**9, buy=False)
    assert order.filled_lots == 0


def test_earlier_comes_first_at_one_price_and_better_first_of_all() -> None:
    """Two accounts: price beats time, time beats size."""
    one, two = two_traders()
    bid = one.best_bid()
    late_but_better = bid + 1
    first = one.placed(sz="1", px=one.price(bid))
    second = two.placed(sz="5", px=two.price(bid))
    better = two.placed(sz="2", px=two.price(late_but_better))
    one.print(bid, first.queue_ahead + 2_500_000, buy=False)
    assert (filled(better), filled(first), filled(second)) == (Decimal(2), Decimal("0.5"), 0)
    one.print(bid, 1_500_000, buy=False)
    assert (filled(first), filled(second)) == (Decimal(1), Decimal(1))


def test_clients_trade_with_each_other_in_priority() -> None:
    """A taker meets the better-priced client before the outside book, at the maker's price."""
    one, two = two_traders()
    inside = one.best_ask() - 1
    maker = one.placed(side="sell", sz="0.7", px=one.price(inside))
    taker = two.placed(sz="1", px=two.price(one.best_ask()))
    assert maker.state == "filled"
    assert maker.last_fill is not None
    assert maker.last_fill.exec_type == "M"
    assert filled(taker) == Decimal(1)
    assert two.pushes(taker)[1]["fillPx"] == one.price(inside)
    assert two.pushes(taker)[1]["tradeId"] == one.pushes(maker)[-1]["tradeId"]


def test_a_taker_walks_levels_and_takes_no_more_than_each_has(one: Trader) -> None:
    """One fill a level, at the level's price, until the limit stops it; the rest rests."""
    book = one.exchange.floor.books[SPOT]
    (first, lots), (second, more), *_ = book.outside.levels(ask=True)
    item = one.exchange.instruments[SPOT]
    order = one.placed(sz=str(item.size(lots + more + 1_000_000)), px=one.price(second))
    fills = [push for push in one.pushes(order) if push["tradeId"]]
    assert [push["fillPx"] for push in fills] == [str(item.price(first)), str(item.price(second))]
    assert order.filled_lots == lots + more
    assert order.state == "partially_filled"
    assert one.states(order) == ["live", "partially_filled", "partially_filled"]
    assert one.outside(ask=True, ticks=first) == 0


def test_the_market_moving_through_fills_at_the_orders_price(one: Trader) -> None:
    """When the outside book crosses a resting order, what it offers fills the order as maker."""
    bid = one.best_bid()
    order = one.placed(sz="0.01", px=one.price(bid - 50))
    one.print(bid - 200, 1, buy=False)
    assert order.state == "filled"
    assert order.average_price == order.instrument.price(bid - 50)


@pytest.mark.parametrize("order_type", ["ioc", "fok", "limit", "post_only", "market"])
def test_how_each_type_ends_when_the_book_is_thin(one: Trader, order_type: str) -> None:
    """IOC drops the rest, FOK takes nothing, limit rests, post-only never takes, market goes on."""
    ask = one.best_ask()
    offered = one.exchange.instruments[SPOT].size(one.outside(ask=True, ticks=ask))
    fields = {} if order_type == "market" else {"px": one.price(ask)}
    order = one.placed(ordType=order_type, sz=str(offered + 1), tgtCcy="base_ccy", **fields)
    expected = {
        "ioc": ("canceled", "14", offered),
        "fok": ("canceled", "13", 0),
        "limit": ("partially_filled", "", offered),
        "post_only": ("canceled", "31", 0),
        "market": ("filled", "", offered + 1),
    }
    assert (order.state, order.cancel_source, filled(order)) == expected[order_type]


def test_post_only_that_would_take_is_pushed_as_canceled_alone(one: Trader) -> None:
    """OKX since mid-2026: no live before it."""
    order = one.placed(ordType="post_only", sz="1", px=one.price(one.best_ask()))
    assert one.states(order) == ["canceled"]
    resting = one.placed(ordType="post_only", sz="1", px=one.price(one.best_ask() - 1))
    assert one.states(resting) == ["live"]


def test_fok_fills_completely_when_it_can(one: Trader) -> None:
    """Several levels at once are fine."""
    order = one.placed(ordType="fok", sz="10", px=one.price(one.best_ask() + 3000))
    assert order.state == "filled"


def test_optimal_limit_ioc_is_for_perpetuals(one: Trader) -> None:
    """It takes up to the price band there and is refused on spot."""
    assert one.placed(instId=SWAP, ordType="optimal_limit_ioc", sz="3").state == "filled"
    assert one.place(ordType="optimal_limit_ioc", sz="3")["sCode"] == "51000"


def test_a_market_buy_spends_quote_and_never_more(one: Trader) -> None:
    """The size is quote currency; the fill count is lots that fit."""
    order = one.placed(ordType="market", sz="5000")
    spent = order.filled_value * order.instrument.lot
    assert order.state == "filled"
    assert order.target_currency == "quote_ccy"
    assert Decimal(5000) - Decimal("0.01") < spent <= 5000
    assert one.pushes(order)[-1]["sz"] == "5000"


def test_self_trade_prevention() -> None:
    """Each mode cancels whom it says, and no one trades with himself."""
    for mode, states in {
        "cancel_maker": ("canceled", "partially_filled"),
        "cancel_taker": ("live", "canceled"),
        "cancel_both": ("canceled", "canceled"),
    }.items():
        one = trader()
        inside = one.best_ask() - 1
        maker = one.placed(side="sell", sz="1", px=one.price(inside))
        taker = one.placed(sz="20", px=one.price(inside + 1), stpMode=mode)
        assert (maker.state, taker.state) == states
        assert maker.filled_lots == 0
        ended = maker if mode == "cancel_maker" else taker
        assert ended.cancel_source == "32"


def test_fok_with_an_own_order_in_the_way_takes_all_or_nothing(one: Trader) -> None:
    """A taker that its own order would stop does not fill in part first."""
    ask = one.best_ask()
    one.placed(side="sell", sz="1", px=one.price(ask + 1))
    order = one.placed(ordType="fok", sz="20", px=one.price(ask + 3000), stpMode="cancel_taker")
    assert (order.state, order.cancel_source, order.filled_lots) == ("canceled", "13", 0)


def test_amending_size_down_keeps_the_place_and_price_loses_it() -> None:
    """Priority is lost by a new price or a larger size only."""
    one, two = two_traders()
    bid = one.best_bid() + 1
    first = one.placed(sz="1", px=one.price(bid))
    second = two.placed(sz="1", px=two.price(bid))
    assert one.amend(first, newSz="0.6")["sCode"] == "0"
    one.print(bid, 600_000, buy=False)
    assert (first.state, second.filled_lots) == ("filled", 0)
    third = one.placed(sz="1", px=one.price(bid))
    two.amend(second, newSz="2")
    one.print(bid, third.queue_ahead + 1_000_000, buy=False)
    assert (third.state, second.filled_lots) == ("filled", 0)


def test_amend_semantics(one: Trader) -> None:
    """newSz counts what is filled; reqId and amendResult come in the push; a smaller size ends the order as filled."""
    bid = one.best_bid() + 1
    order = one.placed(sz="1", px=one.price(bid))
    one.print(bid, 400_000, buy=False)
    answer = one.amend(order, newSz="0.8", reqId="r9")
    assert (answer["sCode"], answer["reqId"]) == ("0", "r9")
    push = one.pushes(order)[-1]
    assert (push["amendResult"], push["reqId"], push["amendSource"], push["sz"]) == ("0", "r9", "1", "0.8")
    assert order.remaining_lots == 400_000
    one.amend(order, newSz="0.3")
    assert (order.state, filled(order)) == ("filled", Decimal("0.4"))
    assert one.amend(order, newSz="2")["sCode"] == "51503"
    fresh = one.placed(sz="1", px=one.price(bid - 100))
    one.amend(fresh, newPx=one.price(one.best_ask() + 5))
    assert fresh.filled_lots > 0


def test_cxl_on_fail_cancels_a_healthy_order_after_a_bad_amend(one: Trader) -> None:
    """As OKX warns."""
    order = one.placed(sz="1", px=one.price(one.best_bid() - 10))
    assert one.amend(order, newSz="0.0000001")["sCode"] == "51020"
    assert order.state == "live"
    assert one.amend(order, newSz="0.0000001", cxlOnFail=True)["sCode"] == "51020"
    assert order.state == "canceled"


def test_updates_of_one_order_never_share_a_time(one: Trader) -> None:
    """State changes can be told apart by order, state and update time."""
    order = one.placed(sz="1", px=one.price(one.best_bid() - 10))
    for step in range(5):
        one.amend(order, newPx=one.price(one.best_bid() - 11 - step))
    one.cancel(order)
    times = [int(push["uTime"]) for push in one.pushes(order)]
    assert len(set(times)) == len(times)
    assert times == sorted(times)
    assert order.created_ms == times[0]


def test_a_fill_is_told_once_and_in_its_own_words(one: Trader) -> None:
    """Fill fields describe this update; the fee of the order is cumulative, the fill's its own."""
    order = one.placed(ordType="market", side="sell", sz="20")
    pushes = [push for push in one.pushes(order) if push["tradeId"]]
    assert len(pushes) > 1
    assert sum(Decimal(push["fillSz"]) for push in pushes) == 20
    assert sum(Decimal(push["fillFee"]) for push in pushes) == Decimal(pushes[-1]["fee"])
    assert one.pushes(order)[0]["avgPx"] == "0"
    assert {push["feeCcy"] for push in pushes} == {"USDT"}
