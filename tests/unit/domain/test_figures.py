"""Figures in a text: found however they are rounded, not found however they are dressed up."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as some

from kokex.domain.figures import not_found

EVIDENCE = [
    {
        "last": "3118.10",
        "candles": [["2026-01-01T00:00:00.000Z", 3101.25, 3125.5]],
        "probability_up": 0.6187,
        "expected_return": -0.0033,
        "spread": 0.0145,
        "fees": {"ETH": "-0.0001"},
        "allow_short": False,
        "none": None,
    },
    'The owner: "never above 4200".',
]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Nothing to say, in 3 sentences over 10 candles.",
        "The last price is 3118.10, about 3118, 3,118 or 3120 USDT.",
        "probability_up 0.62, or 0.619, or 62%, or 61.9 %, or 61.87 percent.",
        "A chance of 38% that it falls, 0.38.",
        "Expected -0.33% (-33 bps) from here; a loss of 0.33%.",
        "A fee of 0.0001 ETH; 3.1k is held; at 2026-07-14T09:31:00Z or 12:45, on 4H candles, for 15m.",
        "Your limit of 4200 stands; the high was 3125.5 and the range 3101.25-3125.50.",
        "$3118.1 and 3118.1USDT and 3.1181e3",
    ],
)
def test_what_was_read_is_found(text: str) -> None:
    """Rounded, as a percentage, with separators, with a unit."""
    assert not_found(text, EVIDENCE) == ()


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("The price is 3218.10.", ["3218.10"]),
        ("The price is 3118.40.", ["3118.40"]),
        ("probability_up 0.72", ["0.72"]),
        ("probability_up 0.6100", ["0.6100"]),
        ("61.2% up", ["61.2%"]),
        ("expected +0.33%", ["+0.33%"]),
        ("a price of -3118.10", ["-3118.10"]),
        ("3218USDT, $3218, USDT3218", ["3218", "$3218"]),
        (
            "\uff13\uff12\uff11\uff18 and \u0663\u0662\u0661\u0668",
            ["\uff13\uff12\uff11\uff18", "\u0663\u0662\u0661\u0668"],
        ),
        ("31.181", ["31.181"]),
        ("311810", ["311810"]),
        ("99% sure and 250 bps", ["99%", "250 bps"]),
        ("3,218.10 or 3.3k", ["3,218.10", "3.3k"]),
        ("3.2e3", ["3.2e3"]),
        ("11 of 12", ["11", "12"]),
    ],
)
def test_what_was_not_read_is_not_found(text: str, quoted: list[str]) -> None:
    """Close, scaled, with another sign, with a unit stuck to it, in other scripts."""
    assert list(not_found(text, EVIDENCE)) == quoted


def test_without_evidence_nothing_is_found() -> None:
    """And nothing is asked of a text without figures."""
    assert not_found("price 3118.1", []) == ("3118.1",)
    assert not_found("hold", []) == ()


@given(some.decimals(min_value="0.001", max_value="1e7", places=4), some.integers(0, 4))
def test_a_number_is_found_however_it_is_rounded(number: Decimal, places: int) -> None:
    """To any number of decimals."""
    rounded = round(number, places)
    assert not_found(f"about {rounded:f}.", [{"price": str(number)}]) == ()


@given(some.decimals(min_value="0.01", max_value="0.99", places=4))
def test_a_share_is_found_as_a_percentage(share: Decimal) -> None:
    """With one decimal."""
    assert not_found(f"{share * 100:.1f} %", [{"share": float(share)}]) == ()


@given(some.decimals(min_value="100", max_value="1e6", places=2), some.decimals("0.02", "0.5", places=2))
def test_a_number_that_is_off_by_more_than_its_last_digit_is_not_found(number: Decimal, off: Decimal) -> None:
    """Told with two decimals, it is not the one that was read."""
    assert not_found(f"{number + off:f}", [str(number)]) != ()


@given(some.text(max_size=200))
def test_any_text_can_be_checked(text: str) -> None:
    """Whatever it holds; what was read only takes figures off the list."""
    assert set(not_found(text, [text])) <= set(not_found(text, []))
