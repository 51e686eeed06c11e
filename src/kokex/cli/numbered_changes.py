"""Numbered changes of what a plan was given, for people and programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kokex.cli.output import when
from kokex.cli.risk_report import value_words
from kokex.ports.permissions import CapitalChange
from kokex.ports.risk import LimitChange

Differences = Mapping[str, tuple[Any, Any]]
"""Value before and after, by the name of what changed."""


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Differences:
    """What is another value after than before."""
    return {name: (before[name], after[name]) for name in after if before[name] != after[name]}


def change_document(change: LimitChange | CapitalChange, changed: Differences) -> dict[str, Any]:
    """As JSON-ready values."""
    return {
        "version": change.version,
        "changed_by": change.by,
        "reason": change.reason,
        "changed_at": change.at,
        "changes": {name: {"before": old, "after": new} for name, (old, new) in changed.items()},
    }


def change_rows(change: LimitChange | CapitalChange, changed: Differences) -> list[tuple[str, ...]]:
    """Version, when, by whom, what, before, after and why: a row for each value."""
    return [
        (
            str(change.version),
            when(change.at),
            change.by,
            name,
            value_words(old),
            value_words(new),
            change.reason,
        )
        for name, (old, new) in changed.items()
    ]
