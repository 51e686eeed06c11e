"""A decision and the same decision run again: what `kokex decision replay` tells."""

from __future__ import annotations

from textwrap import fill
from typing import Any

from kokex.cli.output import say, say_table
from kokex.domain.decision import Decision, ToolCall
from kokex.ports.replay import ReplayWish
from kokex.services.replaying import Comparison

_WIDTH = 60


def document(comparison: Comparison) -> dict[str, Any]:
    """As JSON-ready values."""
    record, again = comparison.record, comparison.replayed
    return {
        "decision": record.id,
        "identical": comparison.identical,
        "record_is_whole": comparison.whole,
        "difference": list(comparison.difference),
        "as_it_was": _document(record.decision, record.error, record.tool_calls),
        "as_it_came_out_now": _document(again.decision, again.error, tuple(again.transcript.tool_calls)),
    }


def print_comparison(comparison: Comparison, wish: ReplayWish) -> None:
    """For a person."""
    record, again = comparison.record, comparison.replayed
    if wish.anew:
        before = _rows(record.decision, record.error, record.tool_calls)
        after = _rows(again.decision, again.error, tuple(again.transcript.tool_calls))
        rows = [
            (name, before.get(name, "-"), after.get(name, "-")) for name in dict.fromkeys([*before, *after])
        ]
        say_table(
            f"Decision {record.id}, run again on its recorded inputs; nothing was sent to the exchange",
            ("", "as it was", "as it came out now"),
            rows,
        )
        return
    if comparison.identical:
        what = (
            "with the model's recorded answers"
            if comparison.notes.get("context")
            else "by the built-in policy"
        )
        end = "it fails where it failed" if record.decision is None else "it comes out identical"
        say(f"Decision {record.id}, run again {what}: {end}, tool call by tool call.")
        return
    say(f"Decision {record.id} came out differently:")
    if not comparison.whole:
        say("(long results of this decision were cut in the record, so it cannot be expected to be the same)")
    for line in comparison.difference:
        say(line)
    if again.error:
        say(f"this time the turn failed: {again.error}")


def _document(decision: Decision | None, error: str | None, calls: tuple[ToolCall, ...]) -> dict[str, Any]:
    return {
        "action": decision.action if decision else None,
        "confidence": decision.confidence if decision else None,
        "reason": decision.reason if decision else None,
        "change_of_mind": decision.change_of_mind if decision else None,
        "model": decision.model if decision else None,
        "error": error,
        "tool_calls": [{"name": one.name, "arguments": one.arguments, "result": one.result} for one in calls],
    }


def _rows(decision: Decision | None, error: str | None, calls: tuple[ToolCall, ...]) -> dict[str, str]:
    rows = {
        f"tool {number}": _folded(
            f"{one.name}({', '.join(f'{name}={value}' for name, value in one.arguments.items() if value is not None)})"
            + (f" -> {one.result['code']}" if "code" in one.result else "")
        )
        for number, one in enumerate(calls, 1)
    }
    if decision is None:
        return rows | {"failed": _folded(error or "-")}
    return rows | {
        "decided by": decision.model,
        "action": decision.action.value,
        "confidence": "-" if decision.confidence is None else f"{decision.confidence:.2f}",
        "reason": _folded(decision.reason),
        "would change its mind": _folded(decision.change_of_mind or "-"),
    }


def _folded(text: str) -> str:
    """`text` in lines that stand side by side with others."""

    return fill(" ".join(text.split()), _WIDTH)
