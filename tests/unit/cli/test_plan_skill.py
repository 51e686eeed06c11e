"""The skill of a plan's forecasts, in words."""

from __future__ import annotations

from kokex.cli.plan_report import _skill, skill_words
from kokex.domain.forecast_skill import NO_DIFFERENCE, TOO_FEW, ForecastSkill
from tests.builders import START


def test_too_few_are_counted() -> None:
    """Without a figure."""
    skill = ForecastSkill(12, 3, TOO_FEW, START, START)
    assert skill_words(skill) == (
        "too few to say: 12 of 30 forecasts have come to their horizon, 3 of 10 without overlap"
    )
    assert _skill(skill)["crps"] is None and _skill(skill)["coverage"] is None


def test_figures_stand_beside_the_baseline_s() -> None:
    """With the verdict first; keys of JSON are text."""
    skill = ForecastSkill(
        100, 40, NO_DIFFERENCE, START, START, 90, 1.25, 1.2, 0.51, {50: 0.48, 90: 0.9}, {50: 0.5, 90: 0.91}
    )
    words = skill_words(skill)
    assert words.startswith("no difference from the baseline")
    assert "CRPS 1.25 % of the price, the baseline's 1.2 %" in words
    assert "direction right in 51% of 90" in words and "90 % band held 90% of 100" in words
    assert _skill(skill)["coverage"] == {"50": 0.48, "90": 0.9}
