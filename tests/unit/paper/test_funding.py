"""Funding, transfers and added margin: who pays whom, and that nothing is lost on the way."""

from __future__ import annotations

from decimal import Decimal

import pytest

from kokex.domain.errors import ConfigurationError
from kokex.paper import PaperExchange
from tests.unit.paper.trading import SWAP, Trader, account_config, paper_config, trader

EIGHT_HOURS_MS = 8 * 3_600_000


def opposed(rate: str) -> tuple[Trader, Trader]:
    """Two accounts, one long and one short by the same size, before the first funding."""
    accounts = (account_config("one"), account_config("two"))
    exchange = PaperExchange(paper_config(accounts=accounts, funding_rate=Decimal(rate)))
    long, short = Trader(exchange, "one"), Trader(exchange, "two")
    long.placed(instId=SWAP, side="buy", ordType="market", sz="7")
    short.placed(instId=SWAP, side="sell", ordType="market", sz="7")
    return long, short


def to_funding(one: Trader) -> Decimal:
    """Let time pass to just before a funding time, then over it; the mark at which it is charged."""
    exchange = one.exchange
    boundary_ms = (exchange.now_ms // EIGHT_HOURS_MS + 1) * EIGHT_HOURS_MS
    exchange.advance(boundary_ms - 1)
    mark = exchange.marks[SWAP]
    exchange.advance(boundary_ms)
    return mark


@pytest.mark.parametrize("rate", ["0.0001", "-0.003"])
def test_one_side_pays_the_other(rate: str) -> None:
    """Value at the mark times the rate, to the last digit; a negative rate turns the direction."""
    long, short = opposed(rate)
    before = long.account.cash["USDT"], short.account.cash["USDT"]
    mark = to_funding(long)
    paid = mark * 7 * long.exchange.instruments[SWAP].contract_value * Decimal(rate)
    assert long.account.cash["USDT"] == before[0] - paid
    assert short.account.cash["USDT"] == before[1] + paid
    position = long.account.positions[(SWAP, "cross", "net")]
    assert (position.funding, long.account.funding) == (-paid, -paid)
    assert position.realised == position.pnl + position.fee - paid
    bill = long.exchange.records.bills[long.account.uid][-1]
    assert (bill.kind, bill.sub_kind, bill.change) == ("8", "173" if paid > 0 else "174", -paid)


def test_funding_comes_once_each_time() -> None:
    """Three times a day, however the day is cut into steps; not without a position, and not at a rate of 0."""
    one = trader()
    one.placed(instId=SWAP, ordType="market", sz="1")
    for _ in range(48):
        one.exchange.advance(one.exchange.now_ms + 1_800_000)
    charged = [bill for bill in one.exchange.records.bills[one.account.uid] if bill.kind == "8"]
    assert len(charged) == 3
    assert {bill.at_ms % EIGHT_HOURS_MS for bill in charged} == {0}
    one.placed(instId=SWAP, side="sell", ordType="market", sz="1")
    one.exchange.advance(one.exchange.now_ms + 3 * EIGHT_HOURS_MS)
    assert len([bill for bill in one.exchange.records.bills[one.account.uid] if bill.kind == "8"]) == 3
    free, _ = opposed("0")
    free.exchange.advance(free.exchange.now_ms + 3 * EIGHT_HOURS_MS)
    assert free.account.funding == 0


def test_a_new_position_starts_its_own_account() -> None:
    """What the last one paid is not told of the next."""
    one = trader()
    one.placed(instId=SWAP, ordType="market", sz="1")
    to_funding(one)
    one.placed(instId=SWAP, side="sell", ordType="market", sz="1")
    one.placed(instId=SWAP, ordType="market", sz="1")
    assert one.account.positions[(SWAP, "cross", "net")].funding == 0
    assert one.account.funding < 0


def test_a_transfer_is_no_profit() -> None:
    """Equity moves, pnl does not; what is not free stays."""
    one = trader()
    before = one.exchange.books(one.account)
    one.exchange.run(lambda: one.exchange.transfer(one.account, "USDT", Decimal("-2500.5")))
    one.exchange.run(lambda: one.exchange.transfer(one.account, "BTC", Decimal("0.1")))
    after = one.exchange.books(one.account)
    assert (after["balances"]["USDT"], after["balances"]["BTC"]) == ("97499.5", "0.1")
    assert after["pnl"] == before["pnl"] == "0"
    kinds = [(bill.kind, bill.sub_kind) for bill in one.exchange.records.bills[one.account.uid][-2:]]
    assert kinds == [("1", "12"), ("1", "11")]
    with pytest.raises(ConfigurationError, match="not free"):
        one.exchange.transfer(one.account, "USDT", Decimal(-97500))


def test_a_rate_beyond_what_okx_allows_is_refused() -> None:
    """In a sentence that names it."""
    with pytest.raises(ConfigurationError, match=r"0\.01"):
        paper_config(funding_rate=Decimal("0.01"))
