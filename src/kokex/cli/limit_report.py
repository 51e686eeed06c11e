"""How a plan's limits were changed, for people and programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from kokex.cli import numbered_changes
from kokex.cli.numbered_changes import Differences, change_rows, differences
from kokex.cli.output import say, say_table
from kokex.domain.limits import RiskLimits
from kokex.ports.risk import LimitChange


def change_document(change: LimitChange) -> dict[str, Any]:
    """As JSON-ready values; limits of protections are among them."""
    return numbered_changes.change_document(change, _differences(change))


def print_changes(changes: list[LimitChange]) -> None:
    """For a person."""
    if not changes:
        say("The limits are those that the plan was created with.")
        return
    rows = [row for change in changes for row in change_rows(change, _differences(change))]
    if not rows:
        say("Nothing is different from before.")
        return
    say_table("Changes of limits", ("version", "when", "by", "limit", "from", "to", "reason"), rows)


def _differences(change: LimitChange) -> Differences:
    return differences(_flat(change.before), _flat(change.after))


def _flat(limits: RiskLimits) -> dict[str, Any]:
    values = asdict(limits)
    return {**values, **values.pop("protections")}
