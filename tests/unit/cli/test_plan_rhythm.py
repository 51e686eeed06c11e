"""Words for when a plan's agent is woken."""

from __future__ import annotations

import pytest

from kokex.cli.plan_rhythm import rhythm_rows, with_rhythm
from kokex.cli.plan_settings import agent_settings
from kokex.domain.errors import ConfigurationError
from kokex.domain.plan import AgentSettings, TriggerKind
from kokex.domain.quiet_hours import QuietHours
from kokex.domain.schedule import Schedule


def test_a_schedule_is_a_trigger() -> None:
    """Beside the standard ones, or beside those that were named."""
    alone = with_rhythm(AgentSettings(), "16:00, 09:30", 30.0, "22:00-06:00")
    assert alone.triggers == AgentSettings().triggers | {TriggerKind.SCHEDULE}
    assert (alone.schedule, alone.debounce_seconds) == (Schedule("09:30,16:00"), 30.0)
    assert alone.quiet_hours == QuietHours("22:00-06:00")
    named = with_rhythm(agent_settings("", ["user"], None, 60, 5), "15m", None, None)
    assert named.triggers == {TriggerKind.USER, TriggerKind.SCHEDULE}


def test_nothing_said_changes_nothing() -> None:
    assert with_rhythm(AgentSettings(), None, None, None) == AgentSettings()
    assert rhythm_rows(AgentSettings()) == [("agent's turn", "120 s and 25 tool calls at most")]


@pytest.mark.parametrize(
    ("triggers", "schedule", "debounce", "quiet", "words"),
    [
        (["schedule"], None, None, None, "trigger schedule needs its moments: add --schedule 15m"),
        (None, "*/5 * * * *", None, None, r"schedule '\*/5 \* \* \* \*' cannot be read"),
        (None, "7h", None, None, "schedule '7h' does not divide a day"),
        (None, None, 3601.0, None, "debounce 3601 s is more than 3600 s"),
        (None, None, None, "22-6", "quiet hours '22-6' cannot be read"),
    ],
)
def test_wrong_words_are_named(
    triggers: list[str] | None, schedule: str | None, debounce: float | None, quiet: str | None, words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words):
        with_rhythm(agent_settings("", triggers, None, 60, 5), schedule, debounce, quiet)


def test_what_a_person_is_shown() -> None:
    shown = dict(rhythm_rows(with_rhythm(AgentSettings(), "1h", 5.0, "22:00-06:00")))
    assert shown["schedule"] == "1h (UTC)"
    assert shown["waits for more"] == "5 s, for what can wait"
    assert shown["quiet hours"] == "22:00-06:00 (UTC)"
