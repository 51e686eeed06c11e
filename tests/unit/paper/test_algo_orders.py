"""Stops, triggers and trailing stops, on a market that jumps where a test says."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from kokex.paper.algo.order import AlgoOrder
from kokex.paper.matching.order import Order
from tests.unit.paper.trading import SPOT, SWAP, Trader, account_config, trader


@pytest.fixture
def one() -> Trader:
    return trader()


def place(one: Trader, **fields: Any) -> dict[str, Any]:
    """Submit an algo order: a sell on the perpetual unless told otherwise."""
    spot = fields.get("instId") == SPOT
    request = {"instId": SWAP, "tdMode": "cash" if spot else "cross", "side": "sell", "sz": "1", **fields}
    return one.exchange.run(lambda: one.exchange.algo_desk.place(one.account, request))


def placed(one: Trader, **fields: Any) -> AlgoOrder:
    """Submit an algo order that must be accepted."""
    answer = place(one, **fields)
    assert answer["sCode"] == "0", answer
    return one.exchange.algo_orders.orders[int(answer["algoId"])]


def amend(one: Trader, algo: AlgoOrder, **fields: Any) -> str:
    """Amend an algo order; the code of the answer."""
    request = {"instId": algo.instrument.inst_id, "algoId": str(algo.algo_id), **fields}
    code: str = one.exchange.run(lambda: one.exchange.algo_desk.amend(one.account, request))["sCode"]
    return code


def cancel(one: Trader, algo: AlgoOrder) -> str:
    """Cancel an algo order; the code of the answer."""
    request = {"instId": algo.instrument.inst_id, "algoId": str(algo.algo_id)}
    code: str = one.exchange.run(lambda: one.exchange.algo_desk.cancel(one.account, request))["sCode"]
    return code


def jump(one: Trader, price: str | Decimal, inst_id: str = SWAP) -> None:
    """Let the market print at a price."""
    item = one.exchange.instruments[inst_id]
    one.print(int(Decimal(price) / item.tick), 1, buy=True, inst_id=inst_id)


def mark(one: Trader, share: str = "1", inst_id: str = SWAP) -> str:
    """A share of the market's price, on the tick."""
    price = one.exchange.marks[inst_id] * Decimal(share)
    return str(price.quantize(Decimal("0.01")))


def children(one: Trader, algo: AlgoOrder) -> list[Order]:
    """Orders that came from an algo order."""
    orders = one.exchange.records.orders_of(one.account.uid)
    return [order for order in orders if order.algo_id == algo.algo_id]


def lots(one: Trader, mode: str = "cross", side: str = "net") -> int:
    """Signed size of the perpetual position."""
    position = one.account.positions.get((SWAP, mode, side))
    return 0 if position is None else position.lots


def test_a_stop_holds_nothing_and_triggers_once(one: Trader) -> None:
    """At the market when its price is there; the child names it, and a second visit changes nothing."""
    one.placed(instId=SWAP, ordType="market", sz="1")
    margin = one.account.order_margin
    stop = placed(
        one,
        ordType="conditional",
        slTriggerPx=mark(one, "0.99"),
        slOrdPx="-1",
        reduceOnly=True,
        algoClOrdId="s1",
    )
    assert one.account.order_margin == margin
    jump(one, mark(one, "0.995"))
    assert (stop.state, children(one, stop)) == ("live", [])
    jump(one, stop.stop_loss.trigger_price)  # type: ignore[union-attr]
    [child] = children(one, stop)
    assert (stop.state, stop.actual_side, stop.order_ids) == ("effective", "sl", [child.order_id])
    push = one.pushes(child)[0]
    assert (push["algoId"], push["algoClOrdId"], push["source"], push["clOrdId"]) == (
        str(stop.algo_id),
        "s1",
        "7",
        "",
    )
    assert (child.order_type, child.state, lots(one)) == ("market", "filled", 0)
    jump(one, mark(one, "1.02"))
    jump(one, mark(one, "0.95"))
    assert len(children(one, stop)) == 1


def test_both_legs_of_a_conditional_order_run_the_stop_loss_alone(one: Trader) -> None:
    """The take-profit is forgotten (OKX v5), so its price passes without effect."""
    one.placed(instId=SWAP, ordType="market", sz="1")
    both = {
        "slTriggerPx": mark(one, "0.9"),
        "slOrdPx": "-1",
        "tpTriggerPx": mark(one, "1.01"),
        "tpOrdPx": "-1",
    }
    stop = placed(one, ordType="conditional", reduceOnly=True, **both)
    jump(one, mark(one, "1.05"))
    assert (stop.state, lots(one)) == ("live", 100)
    stop_both = placed(one, ordType="oco", reduceOnly=True, **{**both, "tpTriggerPx": mark(one, "1.01")})
    jump(one, mark(one, "1.02"))
    assert (stop_both.state, stop_both.actual_side, lots(one)) == ("effective", "tp", 0)


def test_a_limit_leg_rests_at_its_price(one: Trader) -> None:
    """The child is an ordinary limit order that can be canceled; the algo order is over all the same."""
    price = mark(one, "1.03")
    profit = placed(
        one, instId=SPOT, ordType="conditional", tpTriggerPx=mark(one, "1.02", SPOT), tpOrdPx=price, sz="2"
    )
    jump(one, mark(one, "1.02", SPOT), SPOT)
    [child] = children(one, profit)
    assert (profit.state, profit.actual_side, child.state) == ("effective", "tp", "live")
    assert str(child.instrument.price(child.ticks or 0)) == price
    assert one.account.frozen["ETH"] == 2
    assert one.cancel(child)["sCode"] == "0"


@pytest.mark.parametrize(("share", "rising"), [("1.01", True), ("0.99", False)])
def test_a_trigger_is_crossed_from_where_the_price_was(one: Trader, share: str, rising: bool) -> None:
    """Above it waits for a rise, below it for a fall."""
    order = placed(one, side="buy", ordType="trigger", triggerPx=mark(one, share), orderPx="-1")
    away = mark(one, "0.98") if rising else mark(one, "1.02")
    jump(one, away)
    assert order.state == "live"
    jump(one, order.trigger.trigger_price)  # type: ignore[union-attr]
    [child] = children(one, order)
    assert (order.state, child.source, order.actual_side, lots(one)) == ("effective", "6", "", 100)


def test_a_failed_trigger_says_why(one: Trader) -> None:
    """Nothing to reduce: order_failed with the code that the order would have got."""
    stop = placed(one, ordType="conditional", slTriggerPx=mark(one, "0.99"), slOrdPx="-1", reduceOnly=True)
    jump(one, mark(one, "0.98"))
    assert (stop.state, stop.fail_code, children(one, stop)) == ("order_failed", "51169", [])
    poor = placed(
        one, instId=SPOT, ordType="trigger", triggerPx=mark(one, "0.99", SPOT), orderPx="-1", sz="5000"
    )
    jump(one, mark(one, "0.98", SPOT), SPOT)
    assert poor.state == "effective"
    [child] = children(one, poor)
    assert child.lots * child.instrument.lot == 100


def test_an_oversize_stop_is_cut_to_its_position(one: Trader) -> None:
    """What only reduces cannot turn the position, and must not fail because half is gone already."""
    one.placed(instId=SWAP, ordType="market", sz="3")
    stop = placed(
        one, ordType="conditional", slTriggerPx=mark(one, "0.99"), slOrdPx="-1", reduceOnly=True, sz="3"
    )
    one.placed(instId=SWAP, side="sell", ordType="market", sz="2")
    jump(one, mark(one, "0.98"))
    assert (stop.state, stop.actual_lots, lots(one)) == ("effective", 100, 0)


def test_a_whole_position_and_what_belongs_to_it(one: Trader) -> None:
    """closeFraction takes the size that is there then; when the position goes first, the stop goes with it."""
    assert place(one, ordType="conditional", slTriggerPx=mark(one, "0.9"), slOrdPx="-1", reduceOnly=True, sz="",
                 closeFraction="1")["sCode"] == "51058"  # fmt: skip
    one.placed(instId=SWAP, ordType="market", sz="1")
    whole = {"ordType": "conditional", "slOrdPx": "-1", "reduceOnly": True, "sz": "", "closeFraction": "1"}
    first = placed(one, slTriggerPx=mark(one, "0.95"), **whole)
    assert place(one, slTriggerPx=mark(one, "0.94"), **whole)["sCode"] == "51088"
    one.placed(instId=SWAP, ordType="market", sz="2")
    jump(one, mark(one, "0.949"))
    assert (first.state, first.actual_lots, lots(one)) == ("effective", 300, 0)
    one.placed(instId=SWAP, ordType="market", sz="1")
    second = placed(one, slTriggerPx=mark(one, "0.95"), **whole)
    tied = placed(
        one,
        ordType="conditional",
        slTriggerPx=mark(one, "0.96"),
        slOrdPx="-1",
        reduceOnly=True,
        cxlOnClosePos=True,
    )
    loose = placed(one, ordType="conditional", slTriggerPx=mark(one, "0.96"), slOrdPx="-1", reduceOnly=True)
    one.placed(instId=SWAP, side="sell", ordType="market", sz="1")
    assert (second.state, tied.state, loose.state) == ("canceled", "canceled", "live")


def test_the_index_is_the_spot_pair(one: Trader) -> None:
    """A perpetual's stop on the index does not see the perpetual's own price."""
    one.placed(instId=SWAP, ordType="market", sz="1")
    fields = {"ordType": "conditional", "slOrdPx": "-1", "reduceOnly": True}
    stop = placed(one, slTriggerPx=mark(one, "0.98"), slTriggerPxType="index", **fields)
    jump(one, mark(one, "0.97"))
    assert stop.state == "live"
    jump(one, mark(one, "0.97", SPOT), SPOT)
    assert stop.state == "effective"


def test_a_trailing_stop_follows_the_best_price(one: Trader) -> None:
    """It waits for its activation, rises with the market, and is taken by the first fall deep enough."""
    one.placed(instId=SWAP, ordType="market", sz="1")
    start = Decimal(mark(one))
    trail = placed(
        one, ordType="move_order_stop", callbackSpread="20", activePx=str(start + 10), reduceOnly=True
    )
    assert trail.trail is not None
    jump(one, start - 15)
    assert (trail.state, trail.trail.trigger_price) == ("live", None)
    jump(one, start + 10)
    jump(one, start + 50)
    jump(one, start + 31)
    assert (trail.state, trail.trail.trigger_price) == ("live", start + 30)
    jump(one, start + 30)
    [child] = children(one, trail)
    assert (trail.state, child.source, child.order_type, lots(one)) == ("effective", "25", "market", 0)


def test_attachments_are_made_once_the_order_has_filled(one: Trader) -> None:
    """An oco in the other direction, of what filled; canceled with its parent when nothing did."""
    legs = {
        "tpTriggerPx": mark(one, "1.1"),
        "tpOrdPx": "-1",
        "slTriggerPx": mark(one, "0.8"),
        "slOrdPx": "-1",
    }
    attached = [{"attachAlgoClOrdId": "guard", **legs}]
    resting = one.placed(instId=SWAP, sz="1", px=mark(one, "0.96"), attachAlgoOrds=attached)
    shown = one.pushes(resting)[0]["attachAlgoOrds"][0]
    assert (shown["attachAlgoClOrdId"], Decimal(shown["slTriggerPx"]), shown["slOrdPx"]) == (
        "guard",
        Decimal(legs["slTriggerPx"]),
        "-1",
    )
    one.cancel(resting)
    assert one.exchange.algo_orders.of(one.account.uid) == []
    one.placed(instId=SWAP, ordType="market", sz="2", attachAlgoOrds=attached)
    [guard] = one.exchange.algo_orders.live(one.account.uid)
    assert (guard.order_type, guard.side, guard.client_id, guard.lots) == ("oco", "sell", "guard", 200)
    assert guard.reduce_only
    jump(one, mark(one, "0.79"))
    assert (guard.state, guard.actual_side, lots(one)) == ("effective", "sl", 0)


def test_a_canceled_order_leaves_a_guard_for_what_it_filled(one: Trader) -> None:
    """The part that filled is protected, and no more."""
    ticks = one.best_bid(SWAP) - 5
    attached = [{"slTriggerPx": mark(one, "0.8"), "slOrdPx": "-1"}]
    order = one.placed(instId=SWAP, sz="500", px=one.price(ticks, SWAP), attachAlgoOrds=attached)
    one.print(ticks - 1, 700, buy=False, inst_id=SWAP)
    if order.is_open:
        one.cancel(order)
    assert order.filled_lots > 0
    [guard] = one.exchange.algo_orders.live(one.account.uid)
    assert (guard.order_type, guard.lots) == ("conditional", order.filled_lots)


def test_an_attached_guard_on_spot_sells_what_the_fee_left() -> None:
    """The fee of a spot buy is paid in what it buys, so the whole size is not there to sell."""
    one = trader(accounts=(account_config(USDT="10000"),))
    attached = [{"slTriggerPx": mark(one, "0.9", SPOT), "slOrdPx": "-1"}]
    one.placed(ordType="limit", sz="1", px=mark(one, "1.03", SPOT), attachAlgoOrds=attached)
    [guard] = one.exchange.algo_orders.live(one.account.uid)
    jump(one, mark(one, "0.89", SPOT), SPOT)
    [child] = children(one, guard)
    assert (guard.state, child.instrument.size(child.lots)) == ("effective", Decimal("0.999"))


def test_amending_a_stop(one: Trader) -> None:
    """Size, trigger and order price; 0 takes a leg away; what cannot be amended says so."""
    one.placed(instId=SWAP, ordType="market", sz="1")
    oco = placed(
        one,
        ordType="oco",
        reduceOnly=True,
        slTriggerPx=mark(one, "0.9"),
        slOrdPx="-1",
        tpTriggerPx=mark(one, "1.1"),
        tpOrdPx="-1",
    )
    assert amend(one, oco, newSz="0.5", newSlTriggerPx=mark(one, "0.95"), reqId="r1") == "0"
    assert oco.stop_loss is not None
    assert (oco.lots, str(oco.stop_loss.trigger_price)) == (50, mark(one, "0.95"))
    assert amend(one, oco, newSlTriggerPx=mark(one, "1.05")) == "51280"
    assert amend(one, oco, newTpTriggerPx="0") == "0"
    assert (oco.take_profit, amend(one, oco, newSlTriggerPx="0")) == (None, "51531")
    jump(one, mark(one, "0.94"))
    assert (oco.state, lots(one), amend(one, oco, newSz="1")) == ("effective", 50, "51503")
    trail = placed(one, ordType="move_order_stop", callbackRatio="0.1")
    assert amend(one, trail, newSz="2") == "51506"
    assert (cancel(one, trail), trail.state, cancel(one, trail)) == ("0", "canceled", "51400")


def test_amending_what_an_order_brings_along(one: Trader) -> None:
    """The attachment of a resting order moves with amend-order; an unknown one is refused."""
    attached = [{"attachAlgoClOrdId": "guard", "slTriggerPx": mark(one, "0.8"), "slOrdPx": "-1"}]
    order = one.placed(instId=SWAP, sz="1", px=mark(one, "0.96"), attachAlgoOrds=attached)
    moved = [{"attachAlgoClOrdId": "guard", "newSlTriggerPx": mark(one, "0.85")}]
    assert one.amend(order, attachAlgoOrds=moved, reqId="a1")["sCode"] == "0"
    push = one.pushes(order)[-1]
    assert (push["amendResult"], Decimal(push["attachAlgoOrds"][0]["slTriggerPx"])) == (
        "0",
        Decimal(mark(one, "0.85")),
    )
    assert one.amend(order, attachAlgoOrds=[{"attachAlgoId": "1"}])["sCode"] == "51527"


def test_twap_takes_a_slice_at_a_time(one: Trader) -> None:
    """Equal slices by the market's clock, within the limit, until the whole is done."""
    twap = placed(
        one,
        instId=SPOT,
        side="buy",
        ordType="twap",
        sz="0.5",
        szLimit="0.2",
        pxLimit=mark(one, "1.2", SPOT),
        pxVar="0.01",
        timeInterval="3600",
    )
    seen = {twap.state}
    for _ in range(60):
        one.exchange.advance(one.exchange.now_ms + 600_000)
        seen.add(twap.state)
    assert (twap.state, twap.actual_lots * twap.instrument.lot) == ("effective", Decimal("0.5"))
    assert seen == {"partially_effective", "effective"}
    assert [child.source for child in children(one, twap)] == ["13"] * 3
    assert [child.instrument.size(child.lots) for child in children(one, twap)] == [
        Decimal("0.2"),
        Decimal("0.2"),
        Decimal("0.1"),
    ]


def test_an_iceberg_shows_one_slice_at_a_time(one: Trader) -> None:
    """It follows the market until everything is bought; canceling takes back what is out."""
    fields = {"instId": SPOT, "side": "buy", "ordType": "smart_iceberg", "lmtOrderNumber": "3", "sz": "0.9"}
    radical = placed(one, szLimit="0.3", aggressiveness="radical", **fields)
    one.exchange.advance(one.exchange.now_ms + 24 * 3_600_000)
    assert (radical.state, radical.actual_lots * radical.instrument.lot) == ("effective", Decimal("0.9"))
    shy = placed(one, szLimit="0.3", aggressiveness="conservative", pxLimit=mark(one, "0.5", SPOT), **fields)
    one.exchange.advance(one.exchange.now_ms + 3_600_000)
    assert (shy.state, children(one, shy)) == ("live", [])
    out = placed(one, szLimit="0.3", aggressiveness="conservative", **fields)
    [open_child] = [child for child in children(one, out) if child.is_open]
    assert cancel(one, out) == "0"
    assert (out.state, open_child.state) == ("canceled", "canceled")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"ordType": "conditional"}, "50014"),
        ({"ordType": "conditional", "slTriggerPx": "1"}, "50014"),
        ({"ordType": "conditional", "slTriggerPx": "9000", "slOrdPx": "-1"}, "51280"),
        ({"ordType": "conditional", "tpTriggerPx": "9", "tpOrdPx": "-1"}, "51279"),
        ({"ordType": "conditional", "tpTriggerPx": "9000", "tpOrdPx": "-1", "side": "buy"}, "51277"),
        ({"ordType": "conditional", "slTriggerPx": "9", "slOrdPx": "-1", "side": "buy"}, "51278"),
        ({"ordType": "conditional", "slTriggerPx": "9000", "slOrdPx": "-1", "slTriggerPxType": "mark"}, "51304"),
        ({"ordType": "conditional", "slTriggerPx": "9000", "slOrdPx": "-1", "slTriggerPxType": "index"}, "51308"),
        ({"ordType": "oco", "slTriggerPx": "9", "slOrdPx": "-1"}, "50014"),
        ({"ordType": "trigger", "triggerPx": "9"}, "50014"),
        ({"ordType": "trigger", "triggerPx": "9.001", "orderPx": "-1"}, "51150"),
        ({"ordType": "move_order_stop"}, "50014"),
        ({"ordType": "move_order_stop", "callbackRatio": "1"}, "51311"),
        ({"ordType": "move_order_stop", "callbackRatio": "0.1", "callbackSpread": "5"}, "50016"),
        ({"ordType": "move_order_stop", "callbackRatio": "0.1", "activePx": "9"}, "51258"),
        ({"ordType": "move_order_stop", "callbackRatio": "0.1", "activePx": "9000", "side": "buy"}, "51259"),
        ({"ordType": "chase"}, "51000"),
        ({"ordType": "twap", "szLimit": "2", "pxLimit": "1", "timeInterval": "5", "pxVar": "0.001"}, "51274"),
        ({"ordType": "twap", "szLimit": "1", "pxLimit": "1", "timeInterval": "5", "pxVar": "0.1"}, "51270"),
        ({"ordType": "conditional", "slTriggerPx": "9", "slOrdPx": "-1", "closeFraction": "0.5"}, "51000"),
        ({"ordType": "conditional", "slTriggerPx": "9", "slOrdPx": "8", "sz": "", "closeFraction": "1"}, "51330"),
        ({"ordType": "conditional", "slTriggerPx": "9", "slOrdPx": "-1", "sz": "", "closeFraction": "1"}, "51328"),
        ({"ordType": "conditional", "slTriggerPx": "9", "slOrdPx": "-1", "cxlOnClosePos": "true"}, "51000"),
        ({"ordType": "conditional", "slTriggerPx": "9", "slOrdPx": "-1", "sz": "0.001"}, "51020"),
        ({"instId": SPOT, "ordType": "conditional", "slTriggerPx": "9", "slOrdPx": "-1", "slTriggerPxType": "mark"},
         "51415"),
        ({"instId": SPOT, "ordType": "conditional", "slTriggerPx": "9", "slOrdPx": "-1", "sz": "",
          "closeFraction": "1"}, "51327"),
    ],
)  # fmt: skip
def test_refusals(one: Trader, fields: dict[str, Any], code: str) -> None:
    """OKX's codes, and nothing is kept."""
    assert place(one, **fields)["sCode"] == code
    assert one.exchange.algo_orders.of(one.account.uid) == []


@pytest.mark.parametrize(
    ("side", "leg", "code"),
    [
        ("buy", {"tpTriggerPx": "1", "tpOrdPx": "-1"}, "51046"),
        ("buy", {"slTriggerPx": "9000", "slOrdPx": "-1"}, "51047"),
        ("sell", {"tpTriggerPx": "9000", "tpOrdPx": "-1"}, "51048"),
        ("sell", {"slTriggerPx": "1", "slOrdPx": "-1"}, "51049"),
    ],
)
def test_an_attachment_must_lie_on_its_side_of_the_price(
    one: Trader, side: str, leg: dict[str, str], code: str
) -> None:
    """With a limit price 51046 to 51049, at market 51050 to 51053."""
    limit = one.place(instId=SWAP, side=side, sz="1", px=mark(one), attachAlgoOrds=[leg])
    assert limit["sCode"] == code
    market = one.place(instId=SWAP, side=side, sz="1", ordType="market", attachAlgoOrds=[leg])
    assert market["sCode"] == str(int(code) + 4)


def test_a_name_is_unique_among_the_living(one: Trader) -> None:
    """51065 while it waits; free again afterwards."""
    fields = {"ordType": "trigger", "triggerPx": "9", "orderPx": "-1", "algoClOrdId": "twice"}
    first = placed(one, **fields)
    assert place(one, **fields)["sCode"] == "51065"
    cancel(one, first)
    assert placed(one, **fields).client_id == "twice"


def test_a_trailing_stop_can_come_along(one: Trader) -> None:
    """A callback in `attachAlgoOrds` becomes a trailing stop once the order has filled."""
    attached = [{"attachAlgoClOrdId": "trail", "callbackRatio": "0.05"}]
    one.placed(instId=SWAP, ordType="market", sz="1", attachAlgoOrds=attached)
    [trail] = one.exchange.algo_orders.live(one.account.uid)
    assert (trail.order_type, trail.client_id, trail.side, trail.reduce_only) == (
        "move_order_stop",
        "trail",
        "sell",
        True,
    )
    jump(one, mark(one, "1.1"))
    jump(one, mark(one, "0.96"))
    assert trail.state == "live"
    jump(one, mark(one, "0.98"))
    assert (trail.state, lots(one)) == ("effective", 0)


def test_what_a_trigger_brings_along_guards_its_child(one: Trader) -> None:
    """Attachments of a trigger order pass to the order that it becomes, and from there to a stop."""
    start = Decimal(mark(one))
    guard = [{"slTriggerPx": str(start - 300), "slOrdPx": "-1"}]
    entry = placed(
        one, side="buy", ordType="trigger", triggerPx=str(start + 20), orderPx="-1", attachAlgoOrds=guard
    )
    assert len(entry.attached) == 1
    jump(one, start + 20)
    [stop] = one.exchange.algo_orders.live(one.account.uid)
    assert (entry.state, stop.parent_id, stop.lots) == ("effective", entry.order_ids[0], 100)
    refused = place(one, ordType="move_order_stop", callbackRatio="0.1", attachAlgoOrds=guard)
    assert refused["sCode"] == "51000"


def test_stops_of_long_and_short_stay_apart(one: Trader) -> None:
    """In long/short mode a stop names its side, only reduces it, and leaves the other alone."""
    one.account.long_short_mode = True
    one.placed(instId=SWAP, side="buy", posSide="long", ordType="market", sz="2")
    one.placed(instId=SWAP, side="sell", posSide="short", ordType="market", sz="1")
    fields = {"ordType": "conditional", "slTriggerPx": mark(one, "0.99"), "slOrdPx": "-1", "sz": "5"}
    assert place(one, **fields)["sCode"] == "51000"
    stop = placed(one, posSide="long", **fields)
    whole = placed(
        one,
        side="buy",
        posSide="short",
        ordType="oco",
        sz="",
        closeFraction="1",
        slTriggerPx=mark(one, "1.2"),
        slOrdPx="-1",
        tpTriggerPx=mark(one, "0.9"),
        tpOrdPx="-1",
    )
    jump(one, mark(one, "0.98"))
    assert (stop.state, stop.actual_lots) == ("effective", 200)
    assert (lots(one, side="long"), lots(one, side="short")) == (0, -100)
    jump(one, mark(one, "0.9"))
    assert (whole.state, whole.actual_side, lots(one, side="short")) == ("effective", "tp", 0)
