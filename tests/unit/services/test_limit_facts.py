"""What a tool tells of limits: all of them, and what is left."""

from __future__ import annotations

import json
from dataclasses import fields
from decimal import Decimal

from kokex.domain.grant import Grant
from kokex.domain.instrument import Side
from kokex.domain.limits import Protections, RiskLimits
from kokex.domain.results import Worth
from kokex.domain.risk.state import Performance
from kokex.services.toolbox.limit_facts import left_facts, limit_facts
from tests.builders import START, order, risk_state


def test_every_limit_is_told_by_its_name() -> None:
    """None is no limit; money is text, times are in seconds, sides are words."""
    limits = RiskLimits(
        max_leverage=Decimal(2), capital=Decimal(1000), protections=Protections(max_daily_loss=Decimal(50))
    )
    facts = limit_facts(limits)
    names = {field.name for part in (RiskLimits, Protections) for field in fields(part)} - {"protections"}
    assert {name.removesuffix("_seconds") for name in facts} == names
    assert facts["max_leverage"] == "2" and facts["capital"] == "1000" and facts["max_daily_loss"] == "50"
    assert facts["max_orders_per_day"] is None and facts["allow_short"] is False
    assert facts["sides"] == ["buy", "sell"] and facts["rest_seconds"] == 4 * 3600
    assert json.loads(json.dumps(facts)) == facts


def test_what_is_left_counts_down() -> None:
    """The turn's grant, orders of now and today, and today's loss; never below zero."""
    limits = RiskLimits(
        max_open_orders=2,
        max_orders_per_minute=10,
        max_orders_per_day=100,
        protections=Protections(max_daily_loss=Decimal(50), losing_streak=3),
    )
    worth = Worth(START, Decimal(-20), day_start=Decimal(10), peak=Decimal(10))
    state = risk_state(
        pending=(order(), order(), order()),
        orders_last_minute=4,
        orders_today=40,
        grant=Grant(frozenset({Side.BUY}), Decimal(300), 7),
        performance=Performance(worth, Decimal(-20), losing_streak=1, at=START),
    )
    left = left_facts(limits, state)
    assert left["turn"] == {"sides_that_may_add": ["buy"], "notional": "300", "orders": 7}
    assert (left["open_orders"], left["orders_this_minute"], left["orders_today"]) == (0, 6, 60)
    assert (left["lost_today"], left["daily_loss"], left["losing_streak"]) == ("30", "20", 2)
    assert left["halts"] == [] and left["stale_candles"] is None


def test_what_is_not_limited_or_not_known_is_none() -> None:
    """Never zero, which would say that nothing is left."""
    left = left_facts(RiskLimits(), risk_state())
    assert left["turn"] is left["orders_today"] is left["daily_loss"] is left["lost_today"] is None
