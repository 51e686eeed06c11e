"""A kept decision, run again and compared with what it was."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import unified_diff
from typing import Any

from kokex.domain.decision import Decision, ToolCall, Turn, TurnStatus
from kokex.domain.errors import StateError
from kokex.domain.plan import Plan
from kokex.ports.replay import Replayed, Replayer, ReplayWish
from kokex.ports.store import Store, TurnRecord
from kokex.services.decision_record import calls_kept_whole
from kokex.services.triggers import rebuild


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a decision was and what it came to this time.

    Attributes:
        difference: lines of a diff; empty where both are identical.
        whole: every input was kept whole, so that an identical decision is to be expected.
    """

    record: TurnRecord
    notes: Mapping[str, Any]
    replayed: Replayed
    difference: tuple[str, ...]
    whole: bool

    @property
    def identical(self) -> bool:
        """Whether it came out the same."""
        return not self.difference


async def replay(store: Store, replayer: Replayer, number: int, wish: ReplayWish) -> Comparison:
    """Run decision `number` again on its recorded inputs. Nothing is kept and nothing reaches the exchange.

    Raises:
        NotFoundError: there is no such decision.
        StateError: it is still running, or was made before records were kept.
        ConfigurationError: a model is to be asked and none is configured.
    """
    record = await store.turns.get(number)
    notes = await store.turns.notes(number)
    if record.status is TurnStatus.RUNNING:
        raise StateError(f"decision {number} is still being made; wait for its end")
    if not notes:
        raise StateError(
            f"decision {number} was made before records were kept, or was cut short; it cannot be run again"
        )
    plan = await _as_it_was(store, await store.plans.get(record.plan_id), record)
    triggers = await rebuild(store, record, plan)
    turn = Turn(number, plan, triggers, record.started_at, bool(notes.get("resumed")))
    replayed = await replayer.run(turn, record, notes, wish)
    before = description(record.decision, record.tool_calls)
    after = description(replayed.decision, tuple(replayed.transcript.tool_calls))
    difference = tuple(unified_diff(before, after, "as it was", "as it came out now", lineterm="", n=1))
    whole = calls_kept_whole(record.tool_calls) and not notes.get("cut")
    return Comparison(record, notes, replayed, difference, whole)


async def _as_it_was(store: Store, plan: Plan, record: TurnRecord) -> Plan:
    """`plan` with the use of its capital that was valid when the turn began; what is in the turn's own record comes before that."""
    for change in await store.plans.capital_changes(plan.id):
        if change.at > record.started_at:
            return replace(plan, capital=change.before)
    return plan


def description(decision: Decision | None, calls: tuple[ToolCall, ...]) -> list[str]:
    """A decision in lines that are the same for the same decision: its tool calls, then what it came to."""
    lines = []
    for number, call in enumerate(calls, 1):
        lines.append(f"tool {number}: {call.name} {_json(call.arguments)}")
        lines.append(f"result {number}: {_json(call.result)}")
    if decision is None:
        return [*lines, "no decision: the turn failed"]
    return [
        *lines,
        f"action: {decision.action.value}",
        f"confidence: {decision.confidence}",
        f"reason: {decision.reason}",
        f"would change its mind: {decision.change_of_mind}",
    ]


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
