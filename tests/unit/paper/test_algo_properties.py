"""Whatever the market and the clients do: stops trigger once, books balance, trailing stops follow the extreme."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from kokex.paper.algo.terms import Trail
from tests.unit.paper.test_books_balance import Trading
from tests.unit.paper.trading import SPOT, SWAP

WRONG_SIDE = [str(code) for code in (*range(51277, 51281), 51300, *range(51302, 51309))]
PRICES = st.lists(st.integers(500, 1500), min_size=1, max_size=60)


@given(PRICES, st.integers(1, 400), st.booleans(), st.none() | st.integers(500, 1500))
@settings(max_examples=200, deadline=None)
def test_a_trailing_stop_is_reached_where_the_price_came_back_far_enough(
    prices: list[int], spread: int, sells: bool, active: int | None
) -> None:
    """The same as looking at the whole path at once: from activation on, the first price that far from the best."""
    trail = Trail(
        sells=sells,
        ratio=None,
        spread=Decimal(spread),
        active_price=None if active is None else Decimal(active),
    )
    reached = next((index for index, price in enumerate(prices) if trail.follow(Decimal(price))), None)
    sign = 1 if sells else -1
    signed = [sign * price for price in prices]
    started = 0
    if active is not None:
        started = next((index for index, price in enumerate(signed) if price >= sign * active), len(prices))
    expected = next(
        (
            index
            for index in range(started, len(prices))
            if max(signed[started : index + 1]) - signed[index] >= spread
        ),
        None,
    )
    assert reached == expected
    if reached is None and started < len(prices):
        assert trail.extreme == sign * max(signed[started:])


@given(PRICES, st.sampled_from(["0.01", "0.05", "0.3"]))
@settings(max_examples=100, deadline=None)
def test_a_ratio_is_counted_from_the_extreme(prices: list[int], ratio: str) -> None:
    """The trigger of a sell never falls while the stop is alive."""
    trail = Trail(sells=True, ratio=Decimal(ratio), spread=None)
    last = Decimal(0)
    for price in prices:
        reached = trail.follow(Decimal(price))
        trigger = trail.trigger_price
        assert trigger is not None
        assert trigger >= last
        assert trigger == trail.extreme * (1 - Decimal(ratio))  # type: ignore[operator]
        assert reached == (price <= trigger)
        if reached:
            return
        last = trigger


class AlgoTrading(Trading):
    """The random traders of the books' own test, with algo orders in their hands."""

    @initialize()
    def begin(self) -> None:
        self.last_states: dict[int, str] = {}

    @rule(
        who=st.integers(0, 1),
        inst_id=st.sampled_from([SPOT, SWAP]),
        side=st.sampled_from(["buy", "sell"]),
        kind=st.sampled_from(["conditional", "oco", "trigger", "move_order_stop", "twap", "smart_iceberg"]),
        distance=st.integers(1, 4000),
        limit=st.booleans(),
        source=st.sampled_from(["last", "mark", "index"]),
        size=st.sampled_from(["0.02", "0.7", "3"]),
        reduce_only=st.booleans(),
    )
    def place_algo(self, who: int, inst_id: str, side: str, kind: str, distance: int, **more: Any) -> None:
        trader = self.traders[who]
        here = trader.best_bid(inst_id)
        above, below = trader.price(here + distance, inst_id), trader.price(here - distance, inst_id)
        profit, loss = (above, below) if side == "sell" else (below, above)
        source = more["source"] if inst_id == SWAP else "last"
        fields: dict[str, Any] = {
            "instId": inst_id,
            "tdMode": "cross" if inst_id == SWAP else "cash",
            "side": side,
            "ordType": kind,
            "sz": more["size"],
            "tgtCcy": "base_ccy",
            "reduceOnly": more["reduce_only"],
            "cxlOnClosePos": more["reduce_only"] and inst_id == SWAP and kind in ("conditional", "oco"),
            "slTriggerPx": loss,
            "slTriggerPxType": source,
            "slOrdPx": loss if more["limit"] else "-1",
            "tpTriggerPx": profit,
            "tpOrdPx": profit if more["limit"] else "-1",
            "triggerPx": above,
            "orderPx": above if more["limit"] else "-1",
            "callbackSpread": trader.price(distance, inst_id),
            "szLimit": "0.02",
            "pxLimit": trader.price(here, inst_id),
            "pxVar": "0.001",
            "timeInterval": "600",
            "lmtOrderNumber": "1",
            "aggressiveness": "mid",
        }
        code = self.exchange.run(lambda: self.exchange.algo_desk.place(trader.account, fields))["sCode"]
        assert code in ("0", *WRONG_SIDE), code

    @rule(who=st.integers(0, 1), inst_id=st.sampled_from([SPOT, SWAP]), distance=st.integers(20, 2000))
    def place_guarded(self, who: int, inst_id: str, distance: int) -> None:
        trader = self.traders[who]
        here = trader.best_bid(inst_id)
        guard = {
            "slTriggerPx": trader.price(here - 100 - distance, inst_id),
            "slOrdPx": "-1",
            "tpTriggerPx": trader.price(here + distance, inst_id),
            "tpOrdPx": "-1",
        }
        price = trader.price(here - 3, inst_id)
        answer = trader.place(instId=inst_id, sz="0.5", px=price, attachAlgoOrds=[guard])
        assert answer["sCode"] in ("0", "51008"), answer

    @rule(who=st.integers(0, 1), pick=st.integers(0, 30))
    def cancel_algo(self, who: int, pick: int) -> None:
        account = self.traders[who].account
        live = self.exchange.algo_orders.live(account.uid)
        if live:
            algo = live[pick % len(live)]
            request = {"instId": algo.instrument.inst_id, "algoId": str(algo.algo_id)}
            done = self.exchange.run(lambda: self.exchange.algo_desk.cancel(account, request))
            assert (done["sCode"], algo.state) == ("0", "canceled")

    @invariant()
    def a_stop_triggers_once_and_one_leg_of_two(self) -> None:
        """One child at most, and none before the trigger; slices never add up to more than the whole."""
        for trader in self.traders:
            orders = self.exchange.records.orders_of(trader.account.uid)
            for algo in self.exchange.algo_orders.of(trader.account.uid):
                made = [order for order in orders if order.algo_id == algo.algo_id]
                assert [order.order_id for order in made] == algo.order_ids
                if algo.slicing is not None:
                    assert sum(order.filled_lots for order in made) <= algo.lots
                    assert sum(order.is_open for order in made) <= (1 if algo.is_live else 0)
                    continue
                assert len(made) == (1 if algo.state == "effective" else 0)
                assert bool(algo.fail_code) == (algo.state == "order_failed")
                assert all(order.side == algo.side for order in made)

    @invariant()
    def what_is_over_stays_over(self) -> None:
        """Terminal states of algo orders never change."""
        for algo in self.exchange.algo_orders.orders.values():
            before = self.last_states.get(algo.algo_id, "live")
            assert before in ("live", "partially_effective") or before == algo.state
            self.last_states[algo.algo_id] = algo.state

    @invariant()
    def every_guard_is_of_what_was_filled(self) -> None:
        """An order that brought a guard along and filled has one of exactly that size, and no other has any."""
        for trader in self.traders:
            orders = self.exchange.records.orders_of(trader.account.uid)
            expected = {
                order.order_id: order.filled_lots
                for order in orders
                if order.attached and not order.is_open and order.filled_lots
            }
            guards = [algo for algo in self.exchange.algo_orders.of(trader.account.uid) if algo.parent_id]
            assert {algo.parent_id: algo.lots for algo in guards} == expected
            assert len(guards) == len(expected)


TestAlgoTrading = AlgoTrading.TestCase
TestAlgoTrading.settings = settings(max_examples=20, stateful_step_count=30, deadline=None)
