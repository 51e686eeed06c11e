"""When a plan's agent is woken: its schedule, its patience and its quiet hours, from words and back."""

from __future__ import annotations

from dataclasses import replace

from kokex.domain.errors import ConfigurationError
from kokex.domain.plan import LONGEST_DEBOUNCE, AgentSettings, TriggerKind
from kokex.domain.quiet_hours import QuietHours
from kokex.domain.schedule import Schedule


def with_rhythm(
    agent: AgentSettings, schedule: str | None, debounce: float | None, quiet_hours: str | None
) -> AgentSettings:
    """`agent`, woken as the words say. A schedule is a trigger without being named as one.

    Raises:
        ConfigurationError: words that cannot be read, or a trigger `schedule` without a schedule.
    """
    if schedule is None and TriggerKind.SCHEDULE in agent.triggers:
        raise ConfigurationError(
            "trigger schedule needs its moments: add --schedule 15m or --schedule 09:30,16:00; the plan was not created"
        )
    if debounce is not None and debounce > LONGEST_DEBOUNCE:
        raise ConfigurationError(
            f"debounce {debounce:g} s is more than {LONGEST_DEBOUNCE:g} s; the plan was not created"
        )
    scheduled = frozenset({TriggerKind.SCHEDULE}) if schedule is not None else frozenset()
    return replace(
        agent,
        triggers=agent.triggers | scheduled,
        schedule=None if schedule is None else Schedule.parse(schedule),
        debounce_seconds=debounce or 0.0,
        quiet_hours=None if quiet_hours is None else QuietHours.parse(quiet_hours),
    )


def rhythm_rows(agent: AgentSettings) -> list[tuple[str, str]]:
    """For `kokex plan show`."""
    rows = [("agent's turn", f"{agent.turn_seconds:g} s and {agent.max_tool_calls} tool calls at most")]
    if agent.schedule is not None:
        rows.append(("schedule", f"{agent.schedule.text} (UTC)"))
    if agent.debounce_seconds:
        rows.append(("waits for more", f"{agent.debounce_seconds:g} s, for what can wait"))
    if agent.quiet_hours is not None:
        rows.append(("quiet hours", f"{agent.quiet_hours.text} (UTC)"))
    return rows
