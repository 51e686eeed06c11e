"""The use of capital in words."""

from __future__ import annotations

from decimal import Decimal

import pytest

from kokex.cli.plan_capital import capital_document, capital_rows
from kokex.domain.capital import CapitalSettings
from kokex.services.capital_setting import with_capital


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ([], "edge: 25 % to 100 % of the position limit"),
        (["sizing=fixed", "fixed_notional=500"], "fixed: 500 USDT"),
        (["sizing=volatility_target"], "volatility_target: 20 % a year"),
        (["sizing=kelly"], "kelly: 25 % of it, times proven skill; without any nothing"),
        (["sizing=kelly", "unproven_share=2%"], "without any at most 2 % of the capital"),
    ],
)
def test_sizing_in_words(settings: list[str], words: str) -> None:
    """With the figures that it goes by, and none that it does not."""
    rows = dict(capital_rows(with_capital(CapitalSettings(), settings), "USDT"))
    assert words in rows["sizing"]


def test_batches_and_the_trailing_stop() -> None:
    """What is not set says so."""
    rows = dict(capital_rows(CapitalSettings(), "USDT"))
    assert (rows["orders a batch"], rows["trailing stop"]) == ("1", "none")
    changed = with_capital(CapitalSettings(), ["avg_orders_per_batch=3", "trailing_stop=5%"])
    rows = dict(capital_rows(changed, "USDT"))
    assert rows["orders a batch"] == "3, 0.2 % apart"
    assert rows["trailing stop"] == "5 % from the best price since entry"
    assert capital_document(changed)["trailing_stop"] == Decimal("0.05")
