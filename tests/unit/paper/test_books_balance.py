"""Whatever clients do, the exchange's books balance to the last digit."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from kokex.paper import PaperExchange
from kokex.paper.matching.order import Order
from tests.unit.paper.trading import SPOT, SWAP, Trader, account_config, paper_config

LEGAL = {
    "": {"live", "canceled", "filled"},
    "live": {"live", "partially_filled", "filled", "canceled"},
    "partially_filled": {"partially_filled", "filled", "canceled"},
    "filled": set(),
    "canceled": set(),
}


class Trading(RuleBasedStateMachine):
    """Two accounts trade at random on spot and a perpetual while the market moves."""

    @initialize(seed=st.integers(0, 50))
    def open(self, seed: int) -> None:
        accounts = (account_config("one"), account_config("two", USDT="20000", ETH="3"))
        self.exchange = PaperExchange(paper_config(seed=seed, accounts=accounts))
        self.traders = [Trader(self.exchange, "one"), Trader(self.exchange, "two")]

    @rule(
        who=st.integers(0, 1),
        inst_id=st.sampled_from([SPOT, SWAP]),
        side=st.sampled_from(["buy", "sell"]),
        order_type=st.sampled_from(["limit", "post_only", "ioc", "fok", "market"]),
        offset=st.integers(-60, 60),
        size=st.sampled_from(["0.01", "0.5", "1.37", "4", "12.5"]),
        stp=st.sampled_from(["cancel_maker", "cancel_taker", "cancel_both"]),
        reduce_only=st.booleans(),
    )
    def place(self, who: int, inst_id: str, offset: int, size: str, **fields: Any) -> None:
        trader = self.traders[who]
        request: dict[str, Any] = {
            "instId": inst_id,
            "side": fields["side"],
            "ordType": fields["order_type"],
            "sz": size,
            "stpMode": fields["stp"],
            "reduceOnly": fields["reduce_only"] and inst_id == SWAP,
        }
        if fields["order_type"] == "market":
            request["tgtCcy"] = "base_ccy"
        else:
            request["px"] = trader.price(trader.best_bid(inst_id) + offset, inst_id)
        answer = trader.place(**request)
        assert answer["sCode"] in ("0", "50016", "51008", "51112", "51169"), answer

    @rule(who=st.integers(0, 1), quote=st.sampled_from(["15", "999.99", "7000"]))
    def buy_for_quote(self, who: int, quote: str) -> None:
        self.traders[who].place(ordType="market", sz=quote)

    @rule(who=st.integers(0, 1), pick=st.integers(0, 50))
    def cancel(self, who: int, pick: int) -> None:
        order = self._pick(who, pick)
        if order is not None:
            assert self.traders[who].cancel(order)["sCode"] == "0"

    @rule(
        who=st.integers(0, 1),
        pick=st.integers(0, 50),
        offset=st.integers(-40, 40),
        size=st.sampled_from(["0.3", "2", "9"]),
        both=st.booleans(),
    )
    def amend(self, who: int, pick: int, offset: int, size: str, both: bool) -> None:
        order = self._pick(who, pick)
        if order is not None:
            trader = self.traders[who]
            inst_id = order.instrument.inst_id
            change = {"newPx": trader.price(trader.best_bid(inst_id) + offset, inst_id)}
            if both:
                change["newSz"] = size
            assert trader.amend(order, **change)["sCode"] in ("0", "51008", "51112", "51506", "51511")

    @rule(minutes=st.integers(1, 200))
    def let_time_pass(self, minutes: int) -> None:
        self.exchange.advance(self.exchange.now_ms + minutes * 60_000)

    @rule(who=st.integers(0, 1), leverage=st.sampled_from(["1", "3", "20"]))
    def set_leverage(self, who: int, leverage: str) -> None:
        self.traders[who].account.leverage[(SWAP, "cross", "net")] = Decimal(leverage)

    @invariant()
    def balances_are_the_sum_of_their_bills(self) -> None:
        """Cash is what came in plus what every fill and fee moved."""
        for trader in self.traders:
            sums: dict[str, Decimal] = defaultdict(Decimal)
            for bill in self.exchange.records.bills[trader.account.uid]:
                sums[bill.currency] += bill.change
                assert bill.balance == sums[bill.currency]
            assert dict(sums) == trader.account.cash

    @invariant()
    def balances_follow_from_the_fills(self) -> None:
        """The same, computed from fills and funding alone."""
        for trader in self.traders:
            expected = defaultdict(Decimal, trader.account.initial)
            for fill in self.exchange.records.fills[trader.account.uid]:
                expected[fill.fee_currency] += fill.fee
                if fill.inst_id == SPOT:
                    sign = 1 if fill.side == "buy" else -1
                    expected["ETH"] += sign * fill.quantity
                    expected["USDT"] -= sign * fill.quantity * fill.price
                else:
                    expected["USDT"] += fill.pnl
            covered = sum(
                (bill.change for bill in self.exchange.records.bills[trader.account.uid] if bill.kind == "9"),
                Decimal(0),
            )
            expected["USDT"] += covered + trader.account.funding
            assert dict(expected) == trader.account.cash

    @invariant()
    def nothing_is_negative_and_holds_are_the_open_orders(self) -> None:
        """No balance below zero, none frozen beyond what there is, frozen equals the sum over open orders."""
        for trader in self.traders:
            account = trader.account
            held: dict[str, Decimal] = defaultdict(Decimal)
            margin = Decimal(0)
            for order in self.exchange.records.open_orders(account.uid):
                if order.instrument.is_swap:
                    margin += order.reserved
                else:
                    paid = order.instrument.notional(order.ticks or 0, order.remaining_lots)
                    needed = paid if order.is_buy else order.instrument.lot * order.remaining_lots
                    assert order.reserved == needed
                    held["USDT" if order.is_buy else "ETH"] += needed
            assert account.order_margin == margin
            for currency, amount in account.cash.items():
                assert amount >= 0, (currency, amount)
                assert account.frozen.get(currency, Decimal(0)) == held[currency]
                assert held[currency] <= amount

    @invariant()
    def orders_are_never_over_filled_and_agree_with_their_fills(self) -> None:
        """Quantities, fees and values of an order are those of its fills."""
        for trader in self.traders:
            quantity: dict[int, Decimal] = defaultdict(Decimal)
            fee: dict[int, Decimal] = defaultdict(Decimal)
            for fill in self.exchange.records.fills[trader.account.uid]:
                quantity[fill.order_id] += fill.quantity
                fee[fill.order_id] += fill.fee
            for order in self.exchange.records.orders_of(trader.account.uid):
                assert order.instrument.size(order.filled_lots) == quantity[order.order_id]
                assert order.fee == fee[order.order_id]
                if order.budget is None:
                    assert order.filled_lots <= order.lots
                    assert (order.state == "filled") <= (order.filled_lots == order.lots)
                else:
                    assert order.filled_value * order.instrument.lot <= order.budget

    @invariant()
    def orders_live_legal_lives(self) -> None:
        """Every step that was pushed is one that may follow the last, and filled quantity never shrinks."""
        for trader in self.traders:
            last: dict[str, tuple[str, Decimal]] = {}
            for event in self.exchange.records.events[trader.account.uid]:
                state, done = last.get(event.order_id, ("", Decimal(0)))
                assert event.state in LEGAL[state], (state, event.state)
                assert Decimal(event.filled) >= done
                last[event.order_id] = (event.state, Decimal(event.filled))
            for order in self.exchange.records.orders_of(trader.account.uid):
                assert last[str(order.order_id)][0] == order.state

    @invariant()
    def the_book_is_not_crossed(self) -> None:
        """No client rests at a price that the outside book would trade at."""
        for book in self.exchange.floor.books.values():
            ask, bid = book.outside.best(ask=True), book.outside.best(ask=False)
            assert ask is not None
            assert bid is not None
            assert all((order.ticks or 0) < ask[0] for order in book.resting(ask=False))
            assert all((order.ticks or 0) > bid[0] for order in book.resting(ask=True))

    @invariant()
    def positions_are_the_sum_of_their_fills(self) -> None:
        """Signed contracts of all fills, and their money, are in the position and the realised pnl."""
        for trader in self.traders:
            contracts = value = pnl = Decimal(0)
            for fill in self.exchange.records.fills[trader.account.uid]:
                if fill.inst_id == SWAP:
                    sign = 1 if fill.side == "buy" else -1
                    contracts += sign * fill.quantity
                    value += sign * fill.quantity * fill.price
                    pnl += fill.pnl
            item = self.exchange.instruments[SWAP]
            position = trader.account.positions.get((SWAP, "cross", "net"))
            lots, cost = (position.lots, position.cost) if position is not None else (0, Decimal(0))
            assert item.size(lots) == contracts
            assert pnl == trader.account.realised
            assert cost * item.lot_value - value * item.contract_value == pnl

    def _pick(self, who: int, pick: int) -> Order | None:
        pending = self.exchange.records.open_orders(self.traders[who].account.uid)
        return pending[pick % len(pending)] if pending else None


TestTrading = Trading.TestCase
TestTrading.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
