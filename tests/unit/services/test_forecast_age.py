"""When a forecast is too old to add risk on: by the market's time and by ours."""

from __future__ import annotations

from datetime import timedelta

from kokex.services.forecast_age import ForecastAges
from tests.unit.langchain.fake_toolbox import START, FakeClock, plan

NOON = START
LATER = START + timedelta(hours=2, seconds=1)


def test_a_plan_that_never_had_one_is_not_held_by_it() -> None:
    """It is the candles' business then, and the agent's."""
    ages = ForecastAges(FakeClock())
    assert not ages.knows(1) and ages.staleness(plan(), LATER) is None


def test_both_clocks_must_agree() -> None:
    """A market that runs thousands of times faster is beyond two intervals at once; ours must have waited a minute too."""
    clock = FakeClock()
    ages = ForecastAges(clock)
    ages.seen(1, NOON)
    assert ages.staleness(plan(), LATER) is None
    clock.seconds += 61
    assert ages.staleness(plan(), NOON + timedelta(hours=2)) is None
    assert ages.staleness(plan(), None) is None
    told = ages.staleness(plan(), LATER)
    assert told is not None and "2025-06-01 00:00:00 UTC" in told and "plan test" in told


def test_a_newer_one_ends_it_and_an_older_one_does_not() -> None:
    """By its origin, not by when it was seen."""
    clock = FakeClock()
    ages = ForecastAges(clock)
    ages.seen(1, NOON)
    clock.seconds += 61
    ages.seen(1, NOON - timedelta(hours=1))
    ages.seen(1, NOON)
    assert ages.staleness(plan(), LATER) is not None
    ages.seen(1, NOON + timedelta(hours=1))
    assert ages.staleness(plan(), LATER) is None
