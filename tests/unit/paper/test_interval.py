"""Where candles begin."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from kokex.domain.errors import ConfigurationError
from kokex.paper.market.interval import find_bar, parse_bar

AT = datetime(2026, 8, 19, 13, 37, 5, tzinfo=UTC)  # a Wednesday


def start(name: str) -> datetime:
    return datetime.fromtimestamp(parse_bar(name).start_of(int(AT.timestamp() * 1000)) / 1000, UTC)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("1s", datetime(2026, 8, 19, 13, 37, 5, tzinfo=UTC)),
        ("15m", datetime(2026, 8, 19, 13, 30, tzinfo=UTC)),
        ("4H", datetime(2026, 8, 19, 12, tzinfo=UTC)),
        ("6H", datetime(2026, 8, 19, 10, tzinfo=UTC)),  # 18:00 in UTC+8
        ("6Hutc", datetime(2026, 8, 19, 12, tzinfo=UTC)),
        ("1D", datetime(2026, 8, 18, 16, tzinfo=UTC)),  # midnight in UTC+8
        ("1Dutc", datetime(2026, 8, 19, tzinfo=UTC)),
        ("1W", datetime(2026, 8, 16, 16, tzinfo=UTC)),  # Monday in UTC+8
        ("1Wutc", datetime(2026, 8, 17, tzinfo=UTC)),
        ("1M", datetime(2026, 7, 31, 16, tzinfo=UTC)),
        ("1Mutc", datetime(2026, 8, 1, tzinfo=UTC)),
        ("3Mutc", datetime(2026, 7, 1, tzinfo=UTC)),
    ],
)
def test_alignment(name: str, expected: datetime) -> None:
    """Six hours and longer follow UTC+8, their utc variants UTC."""
    assert start(name) == expected


@pytest.mark.parametrize("name", ["1m", "6H", "5D", "1W", "1M", "3Mutc"])
def test_bars_tile_time(name: str) -> None:
    """The bar after one begins where it ends, over two years."""
    bar = parse_bar(name)
    at = bar.start_of(int(AT.timestamp() * 1000))
    for _ in range(24):
        following = bar.end_of(at)
        assert bar.start_of(following) == following
        assert bar.start_of(following - 1) == at
        at = following


def test_case_matters_and_nonsense_is_named() -> None:
    """1m is a minute, 1M a month, 7m nothing."""
    assert parse_bar("1m").length_ms == 60_000
    assert parse_bar("1M").months == 1
    assert find_bar("7m") is None
    with pytest.raises(ConfigurationError, match="'7m'"):
        parse_bar("7m")
