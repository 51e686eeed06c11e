"""Instruments, tickers, candles and the exchange's clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from kokex.adapters.okx.parse.market import (
    parse_candle,
    parse_funding_rate,
    parse_instrument,
    parse_order_book,
    parse_server_time,
    parse_ticker,
)
from kokex.adapters.okx.parse.scalars import interval_of, milliseconds
from kokex.domain.errors import DataError
from kokex.domain.instrument import InstrumentKind
from kokex.domain.market import BookLevel
from tests.unit.okx.okx_fakes import item

D = Decimal


def test_a_spot_instrument_has_its_steps() -> None:
    """`maxMktSz` of spot is in USDT, so it is no largest quantity."""
    found = parse_instrument(item("rest_instruments_spot.json"))
    assert found is not None and found.kind is InstrumentKind.SPOT and found.tradable
    assert (found.base_currency, found.quote_currency) == ("ETH", "USDT")
    assert (found.tick_size, found.lot_size, found.min_quantity) == (D("0.01"), D("0.000001"), D("0.0001"))
    assert found.contract_value == 1 and found.exchange_code == 200102
    assert found.max_limit_quantity == D(999999999) and found.max_market_quantity is None


def test_a_listing_without_steps_is_left_out() -> None:
    """New listings have blank numbers before they open."""
    assert parse_instrument(item("rest_instruments_spot.json", 1)) is None


def test_a_suspended_instrument_is_known_but_not_tradable() -> None:
    """Its code may be a string."""
    found = parse_instrument(item("rest_instruments_spot.json", 2))
    assert found is not None and not found.tradable and found.exchange_code == 17


def test_a_linear_swap_takes_its_currencies_from_its_family() -> None:
    """`baseCcy` and `quoteCcy` are blank for contracts."""
    found = parse_instrument(item("rest_instruments_swap.json"))
    assert found is not None and found.kind is InstrumentKind.SWAP
    assert (found.base_currency, found.quote_currency, found.settle_currency) == ("BTC", "USDT", "USDT")
    assert found.contract_value == D("0.01") and found.max_market_quantity == D(12000)


def test_inverse_swaps_are_left_out() -> None:
    """Their value is in dollars: another arithmetic."""
    assert parse_instrument(item("rest_instruments_swap.json", 1)) is None


def test_an_order_book_has_its_levels_best_first() -> None:
    """Numbers of orders and sequence are not read."""
    book = parse_order_book(item("rest_books.json"), "ETH-USDT")
    assert book.asks == (BookLevel(D("2000.6"), D(11)), BookLevel(D("2000.7"), D("0.5")))
    assert book.bids == (BookLevel(D("2000.4"), D(5)),) and milliseconds(book.occurred_at) == 1795000000123


def test_a_funding_rate_may_be_below_zero() -> None:
    """What OKX leaves blank is unknown."""
    found = parse_funding_rate(item("rest_funding_rate.json"))
    assert found.rate == D("-0.0000182221218054") and found.last_rate == D("0.0000145824401745")
    assert found.next_due_at is not None and found.next_due_at - found.due_at == timedelta(hours=8)
    blank = parse_funding_rate(item("rest_funding_rate.json", 1))
    assert blank.next_due_at is blank.last_rate is blank.occurred_at is None


def test_a_ticker_may_lack_a_side() -> None:
    """An empty book side is unknown, not zero."""
    ticker = parse_ticker(item("rest_ticker.json"))
    assert (ticker.last, ticker.bid, ticker.ask) == (D("2000.5"), D("2000.4"), D("2000.6"))
    assert milliseconds(ticker.occurred_at) == 1795000000123
    assert parse_ticker(item("ws_ticker_one_sided.json")).ask is None


def test_candles_of_spot_and_swaps_count_volume_in_base() -> None:
    """Spot: `vol`. Contracts: `volCcy`. Amount is `volCcyQuote` for both."""
    forming = parse_candle(item("rest_candles.json"), InstrumentKind.SPOT)
    closed = parse_candle(item("rest_candles.json", 1), InstrumentKind.SPOT)
    assert not forming.closed and closed.closed
    assert closed.open_time == datetime.fromtimestamp(1794996000, UTC)
    assert (closed.open, closed.high, closed.low, closed.close) == (1999.0, 2002.5, 1998.1, 2001.0)
    assert (closed.volume, closed.amount) == (100.25, 200500.5)
    swap = parse_candle(item("rest_candles_swap.json"), InstrumentKind.SWAP)
    assert (swap.volume, swap.amount) == (10.4037, 1069603.34883)


def test_a_short_candle_row_is_refused() -> None:
    """Index candles have six values; taken for ours they would lie about volume."""
    with pytest.raises(DataError, match="9 values"):
        parse_candle(b'["1794996000000","1","1","1","1","1"]', InstrumentKind.SPOT)


def test_a_bar_is_the_interval_of_its_name() -> None:
    """Days of UTC and of UTC+8 have names of their own, here as there."""
    assert [str(interval_of(name)) for name in ("1m", "1M", "1D", "1Dutc")] == ["1m", "1M", "1D", "1Dutc"]
    assert interval_of("1Dutc") != interval_of("1D")


@pytest.mark.parametrize("bar", ["1d", "7H", "1Hutc", "", "utc"])
def test_bars_that_are_not_ours_are_refused(bar: str) -> None:
    """Case and alignment matter."""
    with pytest.raises(DataError):
        interval_of(bar)


def test_the_exchange_tells_the_time_in_milliseconds() -> None:
    """`public/time`."""
    assert parse_server_time(b'{"ts":"1795000000123"}') == datetime.fromtimestamp(1795000000.123, UTC)
