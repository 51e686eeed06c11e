"""Which tools a plan's agent has, in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from kokex.cli.output import when
from kokex.domain.errors import ConfigurationError
from kokex.domain.plan import Plan, TradingTool
from kokex.ports.permissions import PermissionChange


def granted_tools(
    trade: bool, names: Iterable[str] | None, watch_only: bool = False
) -> frozenset[TradingTool]:
    """The tools that trade which a person grants: all with `trade`, else those named.

    Raises:
        ConfigurationError: a name that is no tool that trades, or options that contradict each other.
    """
    wanted = [name.strip().lower() for name in names or ()]
    if trade + watch_only + bool(wanted) > 1:
        raise ConfigurationError(
            "use one of --trade (all tools that trade), --tool NAME (these alone), or --watch-only (none)"
        )
    known = {tool.value: tool for tool in TradingTool}
    for name in wanted:
        if name not in known:
            raise ConfigurationError(
                f"{name!r} is no tool that trades; use one of {', '.join(known)} (tools that read need no grant)"
            )
    return frozenset(known.values()) if trade else frozenset(known[name] for name in wanted)


def tools_sentence(plan: Plan) -> str:
    """What the plan's agent may do, in a sentence."""
    granted = sorted(plan.agent.trading_tools)
    if granted:
        return f"Plan {plan.name} may use {', '.join(granted)}, within its limits, and all tools that read."
    return f"Plan {plan.name} can only watch: no tool that trades is granted; `kokex plan tools {plan.name} --trade` grants them."


def tools_document(plan: Plan, changes: Sequence[PermissionChange] | None = None) -> dict[str, Any]:
    """The same for programs; with the changes, where they are given."""
    document: dict[str, Any] = {"trading_tools": sorted(plan.agent.trading_tools)}
    if changes is not None:
        document["changes"] = [
            {
                "version": change.version,
                "changed_at": change.at,
                "changed_by": change.by,
                "before": sorted(change.before),
                "after": sorted(change.after),
                "reason": change.reason,
            }
            for change in changes
        ]
    return document


def change_rows(changes: Sequence[PermissionChange]) -> list[tuple[str, ...]]:
    """Version, when, by whom, before, after and why, oldest first."""
    return [
        (
            str(change.version),
            when(change.at),
            change.by,
            ", ".join(sorted(change.before)) or "none",
            ", ".join(sorted(change.after)) or "none",
            change.reason,
        )
        for change in changes
    ]
