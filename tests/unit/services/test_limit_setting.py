"""Limits as a person writes them."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from kokex.domain.errors import ConfigurationError
from kokex.domain.instrument import Side
from kokex.domain.limits import Protections, RiskLimits
from kokex.services.limit_setting import _PARSERS, with_settings


@pytest.mark.parametrize(
    ("setting", "name", "value"),
    [
        ("max_order_notional=500", "max_order_notional", Decimal(500)),
        ("Max-Order-Share = 25%", "max_order_share", Decimal("0.25")),
        ("price_collar=0.02", "price_collar", Decimal("0.02")),
        ("max_leverage=3", "max_leverage", Decimal(3)),
        ("max_orders_per_day=none", "max_orders_per_day", None),
        ("repeat_period=90", "repeat_period", timedelta(seconds=90)),
        ("repeat_period=15m", "repeat_period", timedelta(minutes=15)),
        ("sides=buy", "sides", frozenset({Side.BUY})),
        ("allow_short=yes", "allow_short", True),
        ("capital=1000", "capital", Decimal(1000)),
        ("max_single_order_ratio=20%", "max_single_order_ratio", Decimal("0.2")),
        ("max_single_order_ratio=1", "max_single_order_ratio", Decimal(1)),
        ("max_single_order_ratio=none", "max_single_order_ratio", None),
        ("cash_reserve=0", "cash_reserve", Decimal(0)),
        ("approval_notional=0", "approval_notional", Decimal(0)),
        ("approval_notional=none", "approval_notional", None),
        ("approval_period=2h", "approval_period", timedelta(hours=2)),
    ],
)
def test_a_limit(setting: str, name: str, value: Any) -> None:
    """Units are told, and the others stay."""
    changed = with_settings(RiskLimits(max_open_orders=7), [setting])
    assert getattr(changed, name) == value
    assert changed.max_open_orders == 7


def test_protections() -> None:
    """By the same names, several at once."""
    changed = with_settings(RiskLimits(), ["max_daily_loss=50", "rest=1d", "stop_guard=2"])
    assert changed.protections == Protections(
        max_daily_loss=Decimal(50), rest=timedelta(days=1), stop_guard=2
    )


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("max_order=5", "there is no limit 'max_order'; the limits are: sides,"),
        ("max_order_notional", "is not of the form name=value"),
        ("max_order_notional=-5", "must be more than 0, in quote currency"),
        ("max_order_notional=5 USDT", "is not a number"),
        ("max_order_notional=NaN", "is no amount of money"),
        ("max_order_notional=none", "is not a number"),
        ("price_collar=5", "must be a share between 0 and 1, such as 0.05 or 5%"),
        ("max_single_order_ratio=0", "must be a share of more than 0 and at most 1, such as 0.2 or 20%"),
        ("max_single_order_ratio=101%", "must be a share of more than 0 and at most 1"),
        ("max_open_orders=2.5", "must be a whole number of 1 or more"),
        ("max_open_orders=0", "must be a whole number of 1 or more"),
        ("repeat_period=2d", "must be at most 24h"),
        ("rest=4 weeks", "is not a number"),
        ("sides=long", "must be buy, sell or buy,sell"),
        ("allow_short=maybe", "must be yes or no"),
        ("max_leverage=1000", "at most 125 times"),
    ],
)
def test_what_cannot_be(setting: str, words: str) -> None:
    """One sentence that says what can."""
    with pytest.raises(ConfigurationError, match=words.replace("(", r"\(")):
        with_settings(RiskLimits(), [setting])


def test_a_name_twice() -> None:
    """Which of the two would be a guess."""
    with pytest.raises(ConfigurationError, match="set twice"):
        with_settings(RiskLimits(), ["capital=1", "capital=2"])


def test_every_limit_can_be_set() -> None:
    """But those of approvals, which nothing asks for."""
    names = {field.name for kind in (RiskLimits, Protections) for field in fields(kind)}
    assert set(_PARSERS) == names - {"protections"}
