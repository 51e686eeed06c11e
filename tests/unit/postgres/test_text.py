"""Text and JSON that PostgreSQL would refuse lose a character, not the record."""

from __future__ import annotations

from decimal import Decimal

import pytest

from kokex.adapters.postgres.text import storable_json, storable_text


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("plain", "plain"),
        ("计划 ü 🙂", "计划 ü 🙂"),
        ("a\x00b", "a\ufffdb"),
        ("half \ud83d of a pair", "half \ufffd of a pair"),
    ],
)
def test_text(text: str, kept: str) -> None:
    """Only what cannot be kept is replaced."""
    assert storable_text(text) == kept


def test_json() -> None:
    """At any depth, in names too; decimals become text."""
    assert storable_json({"a\x00": [{"b": "\x00"}, Decimal("1.50"), None, 1.5, True]}) == {
        "a\ufffd": [{"b": "\ufffd"}, "1.50", None, 1.5, True]
    }
