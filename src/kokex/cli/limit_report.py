"""How a plan's limits were changed, for people and programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from kokex.cli.output import say, say_table, when
from kokex.cli.risk_report import value_words
from kokex.domain.limits import RiskLimits
from kokex.ports.risk import LimitChange


def differences(before: RiskLimits, after: RiskLimits) -> dict[str, tuple[Any, Any]]:
    """Value before and after, by the limit's name; those of protections among them."""
    old, new = _flat(before), _flat(after)
    return {name: (old[name], new[name]) for name in new if old[name] != new[name]}


def change_document(change: LimitChange) -> dict[str, Any]:
    """As JSON-ready values."""
    return {
        "version": change.version,
        "changed_by": change.by,
        "reason": change.reason,
        "changed_at": change.at,
        "changes": {
            name: {"before": old, "after": new}
            for name, (old, new) in differences(change.before, change.after).items()
        },
    }


def print_changes(changes: list[LimitChange]) -> None:
    """For a person."""
    if not changes:
        say("The limits are those that the plan was created with.")
        return
    rows = [
        (
            str(change.version),
            when(change.at),
            change.by,
            name,
            value_words(old),
            value_words(new),
            change.reason,
        )
        for change in changes
        for name, (old, new) in differences(change.before, change.after).items()
    ]
    if not rows:
        say("Nothing is different from before.")
        return
    say_table("Changes of limits", ("version", "when", "by", "limit", "from", "to", "reason"), rows)


def _flat(limits: RiskLimits) -> dict[str, Any]:
    values = asdict(limits)
    return {**values, **values.pop("protections")}
