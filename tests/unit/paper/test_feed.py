"""The feed: files come out as they went in, synthetic candles continue them, and history answers in OKX's pages."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from kokex.domain.errors import ConfigurationError
from kokex.paper import PaperConfig
from kokex.paper.market.candle import Candle
from kokex.paper.market.feed import MarketFeed
from kokex.paper.market.history import candle_from_ticks
from kokex.paper.market.interval import parse_bar
from tests.unit.paper.trading import SPOT, SWAP, paper_config

HOUR = 3_600_000
FIRST = 1_704_067_200_000
BTC_SWAP = "BTC-USDT-SWAP"


def write_file(
    path: Path, count: int, *, volume: str = "12.3456", decimals: int = 2
) -> list[tuple[str, ...]]:
    rows = []
    price = Decimal(2000)
    for index in range(count):
        close = price + Decimal((index * 7919) % 41 - 20) / 4 + Decimal(1).scaleb(-decimals)
        high, low = max(price, close) + Decimal("1.5"), min(price, close) - Decimal("2.25")
        cells = (str(FIRST + index * HOUR), str(price), str(high), str(low), str(close), volume, "")
        rows.append(cells)
        price = close
    body = "\n".join(",".join(cells) for cells in rows)
    path.write_text(f"ts,open,high,low,close,volume,amount\n{body}\n")
    return rows


def file_config(path: Path, **changes: object) -> PaperConfig:
    return paper_config(candles={SPOT: path}, **changes)


def shown(feed: MarketFeed, candle: Candle, index: int = 0) -> tuple[Decimal, ...]:
    item = feed.strands[index].instrument
    prices = (item.price(ticks) for ticks in (candle.open, candle.high, candle.low, candle.close))
    return (*prices, item.size(candle.volume))


def test_a_file_comes_out_as_it_went_in(tmp_path: Path) -> None:
    """Every row, past and live, to the last digit of price and volume."""
    rows = write_file(tmp_path / "c.csv", 30)
    feed = MarketFeed(file_config(tmp_path / "c.csv", warmup_candles=10))
    assert feed.start_ms == FIRST + 10 * HOUR
    feed.skip_to(FIRST + 30 * HOUR)
    candles = feed.strands[0].history.between(FIRST, FIRST + 30 * HOUR)
    assert [shown(feed, candle) for candle in candles] == [
        tuple(Decimal(cell) for cell in cells[1:6]) for cells in rows
    ]


def test_ticks_of_a_live_candle_draw_it(tmp_path: Path) -> None:
    """What was printed tick by tick is the candle that is filed, for every instrument."""
    write_file(tmp_path / "c.csv", 30)
    feed = MarketFeed(file_config(tmp_path / "c.csv", warmup_candles=10))
    end = feed.start_ms + 3 * HOUR - 1
    printed: dict[int, list[object]] = {0: [], 1: []}
    times = []
    for index, tick in feed.until(end):
        printed[index].append(tick)
        times.append(tick.at_ms)
    assert times == sorted(times)
    for index, strand in enumerate(feed.strands):
        for step in range(3):
            start = feed.start_ms + step * HOUR
            ticks = [tick for tick in printed[index] if start <= tick.at_ms < start + HOUR]  # type: ignore[attr-defined]
            drawn = candle_from_ticks(strand.instrument, start, ticks)  # type: ignore[arg-type]
            [filed] = strand.history.between(start, start + HOUR)
            assert (drawn.open, drawn.high, drawn.low, drawn.close, drawn.volume) == (
                filed.open,
                filed.high,
                filed.low,
                filed.close,
                filed.volume,
            )


def test_synthetic_candles_continue_a_file(tmp_path: Path) -> None:
    """The first candle after the file opens at its last close, on spot; the perpetual stays close by."""
    rows = write_file(tmp_path / "c.csv", 30)
    feed = MarketFeed(file_config(tmp_path / "c.csv", warmup_candles=10))
    feed.skip_to(FIRST + 33 * HOUR)
    spot, swap = (strand.history.between(FIRST + 30 * HOUR, FIRST + 31 * HOUR)[0] for strand in feed.strands)
    assert feed.strands[0].instrument.price(spot.open) == Decimal(rows[-1][4])
    assert abs(swap.close / spot.close - 1) < 0.005


def test_a_file_can_be_the_past(tmp_path: Path) -> None:
    """With `candles_as_history` the live market starts where the file ends."""
    rows = write_file(tmp_path / "c.csv", 30)
    feed = MarketFeed(file_config(tmp_path / "c.csv", candles_as_history=True))
    assert feed.start_ms == FIRST + 30 * HOUR
    assert feed.strands[0].history.first_ms == FIRST
    assert shown(feed, feed.strands[0].history.between(FIRST, FIRST + HOUR)[0])[0] == Decimal(rows[0][1])


def test_a_start_within_the_file_and_before_it(tmp_path: Path) -> None:
    """A start inside is honoured, one before the first candle refused."""
    write_file(tmp_path / "c.csv", 30)
    inside = datetime.fromtimestamp((FIRST + 20 * HOUR) / 1000, UTC)
    assert MarketFeed(file_config(tmp_path / "c.csv", start=inside)).start_ms == FIRST + 20 * HOUR
    with pytest.raises(ConfigurationError, match="before the first candle"):
        MarketFeed(file_config(tmp_path / "c.csv", start=datetime(2020, 1, 1, tzinfo=UTC)))


def test_finer_files_refine_the_instrument(tmp_path: Path) -> None:
    """A file with more decimals than the product's tick is not rounded."""
    rows = write_file(tmp_path / "c.csv", 12, decimals=4, volume="3.1234567")
    feed = MarketFeed(file_config(tmp_path / "c.csv", warmup_candles=2))
    assert feed.strands[0].instrument.tick == Decimal("0.0001")
    feed.skip_to(FIRST + 12 * HOUR)
    last = feed.strands[0].history.between(FIRST + 11 * HOUR, FIRST + 12 * HOUR)[0]
    assert shown(feed, last) == tuple(Decimal(cell) for cell in rows[11][1:6])


def test_a_perpetuals_file_leads_its_spot(tmp_path: Path) -> None:
    """A file for the perpetual moves spot with it."""
    write_file(tmp_path / "c.csv", 30)
    feed = MarketFeed(paper_config(candles={SWAP: tmp_path / "c.csv"}, warmup_candles=10))
    feed.skip_to(FIRST + 20 * HOUR)
    spot, swap = (strand.history.between(FIRST + 15 * HOUR, FIRST + 16 * HOUR)[0] for strand in feed.strands)
    assert feed.strands[1].instrument.price(swap.open) > 1900
    assert abs(swap.close / spot.close - 1) < 0.005


def test_volume_is_invented_only_where_it_is_blank(tmp_path: Path) -> None:
    """Blank volume becomes a plausible one, since nothing trades without it."""
    write_file(tmp_path / "c.csv", 20, volume="")
    feed = MarketFeed(file_config(tmp_path / "c.csv", warmup_candles=5))
    feed.skip_to(FIRST + 10 * HOUR)
    assert all(
        candle.volume > 0 for candle in feed.strands[0].history.between(FIRST + 5 * HOUR, FIRST + 10 * HOUR)
    )


def test_the_same_config_is_the_same_market() -> None:
    """Two feeds agree tick by tick; stopping early and going on changes nothing."""
    one, two = MarketFeed(paper_config()), MarketFeed(paper_config())
    end = one.start_ms + 3 * HOUR
    whole = list(one.until(end))
    pieces = []
    for step in range(1, 181):
        pieces.extend(two.until(two.start_ms + step * HOUR // 60))
    assert whole == pieces


def test_bars_shorter_than_the_base_come_from_ticks() -> None:
    """Minutes of an hour add up to it; a minute without trades repeats the price before."""
    feed = MarketFeed(paper_config())
    now = feed.start_ms + 2 * HOUR - 1
    feed.skip_to(now)
    history = feed.strands[0].history
    minutes = history.page(
        parse_bar("1m"), older_than=feed.start_ms + HOUR, newer_than=feed.start_ms - 1, limit=300, now_ms=now
    )
    [hour] = history.between(feed.start_ms, feed.start_ms + HOUR)
    assert len(minutes) == 60
    assert sum(minute.volume for minute in minutes) == hour.volume
    assert max(minute.high for minute in minutes) == hour.high
    assert (minutes[-1].open, minutes[0].close) == (hour.open, hour.close)
    for later, earlier in itertools.pairwise(minutes):
        if not later.volume:
            assert later.open == later.close == earlier.close


def test_longer_bars_are_merged_and_the_newest_may_be_forming() -> None:
    """A day is made of its hours, as far as it has come."""
    feed = MarketFeed(paper_config(warmup_candles=100))
    now = feed.start_ms + 90 * 60_000
    feed.skip_to(now)
    history = feed.strands[0].history
    page = history.page(parse_bar("1Dutc"), older_than=1 << 60, newer_than=-1, limit=2, now_ms=now)
    hours = history.between(page[0].start_ms, page[0].start_ms + 24 * HOUR)
    assert len(hours) == 2
    assert (page[0].open, page[0].close) == (hours[0].open, hours[-1].close)
    assert page[0].amount == sum(hour.amount for hour in hours)
    assert page[1].start_ms == page[0].start_ms - 24 * HOUR
