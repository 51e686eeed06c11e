"""Prices as they are kept: the newest by the exchange's time, for as long as it is fresh."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from kokex.domain.account import Ticker
from kokex.services.market_data.watching import FRESH_SECONDS, Watching
from tests.builders import START
from tests.fakes.clock import ManualClock

PLACE = ("paper:1", "ETH-USDT")


def ticker(minute: int, last: int) -> Ticker:
    price = Decimal(last)
    return Ticker("ETH-USDT", price, price, price, START + timedelta(minutes=minute))


def test_an_older_price_does_not_take_the_place_of_a_fresh_one() -> None:
    """A REST cache that lags cannot turn the clock back."""
    watching = Watching(ManualClock())
    watching.hear("paper:1", ticker(5, 2000))
    watching.hear("paper:1", ticker(4, 1900))
    assert watching.fresh_ticker(PLACE) == ticker(5, 2000)
    watching.hear("paper:1", ticker(5, 2001))
    assert watching.fresh_ticker(PLACE) == ticker(5, 2001)


async def test_once_the_known_price_is_stale_any_is_better() -> None:
    """The exchange's clock may have been set back for good."""
    clock = ManualClock()
    watching = Watching(clock)
    watching.hear("paper:1", ticker(5, 2000))
    await clock.advance(FRESH_SECONDS + 1)
    watching.hear("paper:1", ticker(1, 1900))
    assert watching.fresh_ticker(PLACE) == ticker(1, 1900)
