"""What a turn that was cut short had come to, read from its kept conversation. Imported only where a model is configured."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from kokex.domain.decision import ToolCall

CONTINUED_WITHIN: Final = timedelta(seconds=60)
"""A conversation that stood still for longer is not gone on with: what the model meant to do was meant for another market."""
_STEP: Final = "next_step"


@dataclass(frozen=True, slots=True)
class Kept:
    """A conversation as it was kept last.

    Attributes:
        messages: so far.
        calls: tool calls that were answered, those included.
        step: number of the next command.
        waiting: ids of the calls of the last message that were not.
        state: the graph's whole state.
        ended: whether the model had given its final answer.
        at: when it was kept (UTC).
    """

    messages: tuple[BaseMessage, ...]
    calls: tuple[ToolCall, ...]
    step: int
    waiting: tuple[str, ...]
    state: dict[str, Any]
    ended: bool
    at: datetime

    @property
    def beginning(self) -> str:
        """The message that the turn began with."""
        return next(one.text for one in self.messages if isinstance(one, HumanMessage))


async def kept_conversation(graph: Any, config: dict[str, Any], now: datetime) -> Kept | None:
    """What there is to go on with; None where nothing was kept, or too long ago.

    Raises:
        StoreUnavailableError: the database cannot be reached.
    """
    snapshot = await graph.aget_state(config)
    messages = tuple(snapshot.values.get("messages") or ())
    if not messages or snapshot.created_at is None:
        return None
    at = datetime.fromisoformat(snapshot.created_at)
    if now - at > CONTINUED_WITHIN:
        return None
    everything = (*messages, *_under_way(snapshot.tasks))
    results = {one.tool_call_id: one for one in everything if isinstance(one, ToolMessage)}
    said = next((one for one in reversed(messages) if isinstance(one, AIMessage)), None)
    asked = [call["id"] or "" for call in said.tool_calls] if said else []
    return Kept(
        messages,
        tuple(_call(one.artifact) for one in results.values() if one.artifact),
        max((one.artifact[_STEP] for one in results.values() if one.artifact), default=0),
        tuple(identity for identity in asked if identity not in results),
        snapshot.values,
        not snapshot.next,
        at,
    )


def as_artifact(call: ToolCall, step: int) -> dict[str, Any]:
    """A tool call as its message carries it beside the words for the model, and the number of the command after it."""
    at = None if call.asked_at is None else call.asked_at.isoformat()
    return {
        "name": call.name,
        "arguments": call.arguments,
        "result": call.result,
        "seconds": call.seconds,
        "asked_at": at,
        _STEP: step,
    }


def _call(artifact: dict[str, Any]) -> ToolCall:
    at = artifact["asked_at"]
    return ToolCall(
        artifact["name"],
        artifact["arguments"],
        artifact["result"],
        artifact["seconds"],
        None if at is None else datetime.fromisoformat(at),
    )


def _under_way(tasks: Any) -> list[BaseMessage]:
    """Messages of the step's tasks that were done when the turn was cut short."""
    found: list[BaseMessage] = []
    for task in tasks:
        result = task.result or {}
        messages = result.get("messages") if isinstance(result, dict) else None
        found += messages or []
    return found
