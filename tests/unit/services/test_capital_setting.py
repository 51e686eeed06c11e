"""The use of capital as a person writes it."""

from __future__ import annotations

from dataclasses import fields
from decimal import Decimal
from typing import Any

import pytest

from kokex.domain.capital import CapitalSettings, SizingMethod
from kokex.domain.errors import ConfigurationError
from kokex.services.capital_setting import _PARSERS, with_capital


@pytest.mark.parametrize(
    ("setting", "name", "value"),
    [
        ("sizing=kelly", "sizing", SizingMethod.KELLY),
        ("Sizing = Volatility-Target", "sizing", SizingMethod.VOLATILITY_TARGET),
        ("fixed_notional=500", "fixed_notional", Decimal(500)),
        ("kelly-fraction=25%", "kelly_fraction", Decimal("0.25")),
        ("avg_orders_per_batch=3", "avg_orders_per_batch", 3),
        ("trailing_stop=5%", "trailing_stop", Decimal("0.05")),
        ("trailing_stop=none", "trailing_stop", None),
    ],
)
def test_a_setting(setting: str, name: str, value: Any) -> None:
    """Units are told, and the others stay."""
    changed = with_capital(CapitalSettings(batch_step=Decimal("0.003")), [setting])
    assert getattr(changed, name) == value
    assert changed.batch_step == Decimal("0.003")


def test_every_setting_can_be_written() -> None:
    """None is out of a person's reach."""
    assert set(_PARSERS) == {field.name for field in fields(CapitalSettings)}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["sizing=martingale"], "'martingale' is unknown; use one of edge, fixed, volatility_target, kelly"),
        (["kelly=1"], "there is no capital setting 'kelly'; the settings are: sizing,"),
        (["trailing_stop"], "is not of the form name=value"),
        (["trailing_stop=5 percent"], "trailing_stop: '5 percent' is not a number"),
        (["trailing_stop=500%"], "trailing_stop 5 must be a share of more than 0 and less than 1"),
        (["kelly_fraction=NaN"], "is out of range"),
        (["avg_orders_per_batch=2.5"], "must be a whole number of 1 or more"),
        (["avg_orders_per_batch=50"], "avg_orders_per_batch 50 must be between 1 and 20"),
        (["sizing=fixed"], "sizing fixed needs fixed_notional"),
        (["batch_step=1%", "batch-step=2%"], "batch_step is set twice"),
    ],
)
def test_what_cannot_be(settings: list[str], words: str) -> None:
    """Each says what can."""
    with pytest.raises(ConfigurationError) as caught:
        with_capital(CapitalSettings(), settings)
    assert words in str(caught.value)
