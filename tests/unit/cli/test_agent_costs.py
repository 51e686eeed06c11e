"""What models cost: a plan's budget as a person gives it, and what the sums do not say."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from kokex.cli.agent_costs import remarks
from kokex.cli.plan_settings import agent_settings
from kokex.domain.errors import ConfigurationError
from kokex.domain.spending import Budget, Price, Spending


def test_a_plan_s_own_budget() -> None:
    """Zero is one: no model is asked for it."""
    assert agent_settings("", None, None, 60, 5).daily_budget_usd is None
    assert agent_settings("", None, None, 60, 5, None, Decimal(0)).daily_budget_usd == 0
    with pytest.raises(ConfigurationError, match=r"-1 must be 0 or more"):
        agent_settings("", None, None, 60, 5, None, Decimal(-1))


def test_unpriced_and_estimated_requests_are_said() -> None:
    """And nothing where there are none."""
    row = Spending(1, date(2026, 1, 31), None, "small", 9, 90, 45, Decimal(1), 2, 3)
    unpriced, estimated = remarks([row])
    assert unpriced.startswith("2 requests have no known cost") and "3 requests are estimated" in estimated
    assert remarks([]) == []


def test_prices_and_budgets_are_exact() -> None:
    """For a million tokens; a budget is spent when it is reached."""
    assert Price(Decimal("0.28"), Decimal("0.42")).of(1_000_000, 3) == Decimal("0.28000126")
    budget = Budget(platform_usd=Decimal(3), plan_usd=Decimal(2))
    assert budget.spent({1: Decimal("1.99"), 2: Decimal(1)}, 1) is None
    assert "the plan's" in (budget.spent({1: Decimal(2)}, 1) or "")
    assert "the platform's" in (budget.spent({1: Decimal(1), 2: Decimal(2)}, 1) or "")
