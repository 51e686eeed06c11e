"""Moments that return every day, and hours in which an agent is left alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokex.domain.errors import ConfigurationError
from kokex.domain.quiet_hours import QuietHours
from kokex.domain.schedule import Schedule

SCHEDULES = st.sampled_from(["1m", "15m", "1h", "4h", "1d", "09:30", "00:00,23:59", "16:00,09:30"])
MOMENTS = st.integers(0, 3 * 86_400).map(
    lambda one: datetime(2026, 2, 27, tzinfo=UTC) + timedelta(seconds=one)
)


def at(text: str, day: int = 1) -> datetime:
    return datetime.fromisoformat(f"2026-01-{day:02}T{text}+00:00")


@pytest.mark.parametrize(
    ("text", "kept"),
    [("15m", "15m"), (" 1H ", "1h"), ("1d", "1d"), ("24h", "24h"), ("16:00, 09:30", "09:30,16:00")],
)
def test_what_people_write(text: str, kept: str) -> None:
    assert Schedule.parse(text).text == kept


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7h",
        "0m",
        "2d",
        "1441m",
        "-5m",
        "15",
        "9:30",
        "24:00",
        "12:60",
        "09:30,09:30",
        "0 9 * * *",
        "soon",
    ],
)
def test_what_cannot_be_meant_is_named(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"schedule '.*(15m, 1h|divide a day)"):
        Schedule.parse(text)


def test_an_interval_counts_from_midnight() -> None:
    quarter = Schedule.parse("15m")
    assert quarter.next_after(at("10:07:30")) == at("10:15")
    assert quarter.next_after(at("10:15")) == at("10:30")
    assert quarter.next_after(at("23:59")) == at("00:00", day=2)
    assert quarter.due_between(at("10:15"), at("10:29:59")) == (None, 0)
    assert quarter.due_between(at("10:14:59"), at("10:15")) == (at("10:15"), 1)


def test_times_of_the_day_over_midnight() -> None:
    daily = Schedule.parse("09:30,16:00")
    assert daily.next_after(at("16:00")) == at("09:30", day=2)
    assert daily.due_between(at("16:00"), at("09:29", day=2)) == (None, 0)
    assert daily.due_between(at("09:00"), at("09:30", day=3)) == (at("09:30", day=3), 5)


def test_a_clock_that_was_put_back_makes_nothing_due() -> None:
    assert Schedule.parse("15m").due_between(at("11:00"), at("10:00")) == (None, 0)


@given(SCHEDULES, MOMENTS, st.integers(0, 100_000))
def test_due_moments_are_the_ones_that_follow_each_other(text: str, start: datetime, seconds: int) -> None:
    """`due_between` counts exactly the moments that `next_after` walks over."""
    schedule, end = (
        Schedule.parse(text),
        start + timedelta(seconds=min(seconds, 3600 if text == "1m" else seconds)),
    )
    walked, moment = [], schedule.next_after(start)
    while moment <= end:
        walked.append(moment)
        moment = schedule.next_after(moment)
    assert schedule.due_between(start, end) == (walked[-1] if walked else None, len(walked))


def test_quiet_hours_over_midnight() -> None:
    """The end is not in them."""
    night = QuietHours.parse("22:00-06:00")
    assert night.ends(at("21:59:59")) is None
    assert night.ends(at("22:00")) == at("06:00", day=2)
    assert night.ends(at("05:59:59", day=2)) == at("06:00", day=2)
    assert night.ends(at("06:00", day=2)) is None


def test_quiet_hours_within_a_day() -> None:
    noon = QuietHours.parse(" 12:00-13:30 ")
    assert noon.text == "12:00-13:30"
    assert noon.ends(at("13:29")) == at("13:30")
    assert noon.ends(at("13:30")) is None
    assert noon.ends(at("11:00")) is None


@pytest.mark.parametrize("text", ["", "22:00", "22-6", "22:00-22:00", "22:00-25:00", "22:00--06:00"])
def test_quiet_hours_that_cannot_be_meant(text: str) -> None:
    with pytest.raises(
        ConfigurationError, match=r"quiet hours '.*' cannot be read; write two different times"
    ):
        QuietHours.parse(text)
