"""What is kept of a turn: everything it was told, asked and got, within a bounded size.

A result or message that is too long is cut, and says so where it stands; `cut` in the record counts them. A turn's record never
grows past about `WHOLE` characters of results and messages together.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import lru_cache
from typing import Any

from kokex.domain.decision import Decision, ModelCall, ToolCall, Turn
from kokex.domain.figures import evidence, not_found, of_order
from kokex.domain.plan import Plan
from kokex.domain.trigger_facts import trigger_facts
from kokex.ports.store import TurnNotes

VERSION = 1
LONGEST = 64_000
"""Characters of one tool result (as JSON) or one message that are kept."""
WHOLE = 1_000_000
"""Characters of all results and messages of a turn that are kept."""
_LEAST = 200
"""What is kept of a result or message even where nothing is left of the whole."""


class _Room:
    """What is left of the record's size."""

    def __init__(self) -> None:
        self.left = WHOLE
        self.cut = 0

    def text(self, text: str) -> str:
        """`text`, cut where it is too long."""
        most = max(_LEAST, min(LONGEST, self.left))
        self.left -= min(len(text), most)
        if len(text) <= most:
            return text
        self.cut += 1
        return f"{text[:most]} [cut: {most} of {len(text)} characters kept]"

    def result(self, result: Mapping[str, Any]) -> dict[str, Any]:
        """`result`, or its beginning as text under `cut`; a refusal's code and status stay."""
        text = json.dumps(result, ensure_ascii=False, default=str)
        most = max(_LEAST, min(LONGEST, self.left))
        self.left -= min(len(text), most)
        if len(text) <= most:
            return dict(result)
        self.cut += 1
        kept = {name: result[name] for name in _KEPT if isinstance(result.get(name), str | int | float)}
        return {name: str(value)[:_LEAST] for name, value in kept.items()} | {
            "cut": text[:most],
            "characters": len(text),
        }


_WITH_REASONS = ("place_order", "amend_order", "close_position")
_KEPT = ("client_order_id", "status", "amend", "cancel", "code")


def notes_of(turn: Turn, decision: Decision | None) -> TurnNotes:
    """The record of a turn that ended with `decision`, or without one."""
    transcript, room = turn.transcript, _Room()
    calls = transcript.tool_calls if decision is None else decision.tool_calls
    kept = tuple(replace(call, result=room.result(call.result)) for call in calls)
    record: dict[str, Any] = {
        "version": VERSION,
        "triggers": [trigger_facts(trigger) for trigger in turn.triggers],
        "plan": _plan(turn.plan),
    }
    if transcript.attempt > 1 or turn.resumed:
        record |= {"attempt": transcript.attempt, "resumed": turn.resumed}
    if transcript.model is not None:
        record["model"] = transcript.model
    if transcript.settings:
        record["settings"] = transcript.settings
    if transcript.context:
        record["context"] = {
            name: room.text(value) if isinstance(value, str) else value
            for name, value in transcript.context.items()
        }
    if transcript.model_calls:
        record["model_calls"] = [_model_call(call, room) for call in transcript.model_calls]
    flagged = _not_read(turn, decision, calls)
    if flagged:
        record["figures_not_read"] = flagged
    if room.cut:
        record["cut"] = room.cut
    return TurnNotes(
        record,
        kept,
        _sum(call.tokens_in for call in transcript.model_calls),
        _sum(call.tokens_out for call in transcript.model_calls),
    )


def _not_read(turn: Turn, decision: Decision | None, calls: Sequence[ToolCall]) -> dict[str, list[str]]:
    """Figures that a model's reasons quote and that it had not read: of the decision, and of each order that went out."""
    if not turn.transcript.context:
        return {}
    flagged: dict[str, list[str]] = {}
    for number, call in enumerate(calls, 1):
        reason = call.arguments.get("reason")
        if call.name in _WITH_REASONS and isinstance(reason, str) and "client_order_id" in call.result:
            read = evidence(turn.transcript.context, calls[: number - 1])
            missing = not_found(reason, [*read, *of_order(call.arguments)])
            if missing:
                flagged[f"order of tool {number}"] = list(missing)
    if decision is not None and decision.model == turn.transcript.model and turn.transcript.model_calls:
        missing = not_found(decision.reason, evidence(turn.transcript.context, calls))
        if missing and "no_model" not in turn.transcript.context:
            flagged["reason"] = list(missing)
    return flagged


@lru_cache(maxsize=64)
def _plan(plan: Plan) -> Mapping[str, Any]:
    """The plan's settings of that moment, under which the turn can be run again."""
    agent = asdict(plan.agent)
    sets = {name: sorted(value) for name, value in agent.items() if isinstance(value, frozenset)}
    return {
        "name": plan.name,
        "inst_id": plan.inst_id,
        "interval": str(plan.interval),
        "status": plan.status.value,
        "limits": asdict(plan.limits),
        "agent": agent | sets,
        "capital": asdict(plan.capital),
    }


def _model_call(call: ModelCall, room: _Room) -> dict[str, Any]:
    return asdict(call) | {
        "asked": [_message(message, room) for message in call.asked],
        "answer": None if call.answer is None else _message(call.answer, room),
    }


def _message(message: Mapping[str, Any], room: _Room) -> dict[str, Any]:
    calls = {
        name: [
            one | {"arguments": room.result(one["arguments"])}
            if isinstance(one["arguments"], dict)
            else one | {"arguments": room.text(str(one["arguments"]))}
            for one in message[name]
        ]
        for name in ("tool_calls", "invalid_tool_calls")
        if name in message
    }
    return dict(message) | {"content": room.text(message["content"])} | calls


def _sum(numbers: Iterable[int | None]) -> int | None:
    """The sum of those that are known; None where none is."""
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None


def calls_kept_whole(calls: Iterable[ToolCall]) -> bool:
    """Whether no result of a kept turn was cut."""
    return all("characters" not in call.result or "cut" not in call.result for call in calls)
