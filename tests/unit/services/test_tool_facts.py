"""What tools write down: numbers that a tool takes again as they stand."""

from __future__ import annotations

from decimal import Decimal

import pytest

from kokex.adapters.langchain.arguments import PriceAlertArguments
from kokex.services.toolbox.facts import decimal_text


@pytest.mark.parametrize(
    ("value", "text"),
    [(Decimal("4.246E-7"), "0.0000004246"), (Decimal("1E+3"), "1000"), (Decimal("0.350"), "0.350")],
)
def test_small_and_round_numbers_are_plain_digits(value: Decimal, text: str) -> None:
    """A tool refuses exponents, so none may be shown to who uses it."""
    assert decimal_text(value) == text
    assert PriceAlertArguments.model_validate({"price": text, "direction": "above"}).price == value
