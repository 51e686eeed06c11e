"""What commands write as JSON can be read by any program."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from kokex.cli.output import json_line
from kokex.domain.limits import RiskLimits


def test_values_of_the_domain_are_written_plainly() -> None:
    """Money as text, times in UTC, durations in seconds, sets in order."""
    document = {
        "money": Decimal("1E+3"),
        "at": datetime(2026, 1, 2, 3, tzinfo=UTC),
        "period": timedelta(minutes=5),
        "words": frozenset({"b", "a"}),
    }
    read = json.loads(json_line(document))
    assert read["money"] == "1000"
    assert read["at"].startswith("2026-01-02T03:00:00")
    assert (read["period"], read["words"]) == (300, ["a", "b"])


def test_limits_can_be_written() -> None:
    """Every limit a plan has."""
    read = json.loads(json_line(asdict(RiskLimits())))
    assert read["protections"]["rest"] == 4 * 3600
    assert read["sides"] == ["buy", "sell"]


def test_what_is_no_value_of_ours_is_refused() -> None:
    """A programming error is told, not guessed."""
    with pytest.raises(TypeError, match="object cannot be written as JSON"):
        json_line({"x": object()})
