"""The record of a turn: whole where it is of a sensible size, bounded always, and honest about what was cut."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from kokex.domain.decision import Action, Decision, ModelCall, ToolCall, Transcript, Trigger, Turn
from kokex.domain.plan import TriggerKind
from kokex.services import decision_record
from kokex.services.decision_record import LONGEST, WHOLE, calls_kept_whole, notes_of
from tests.builders import START, plan

USER = Trigger(TriggerKind.USER, "user:1", START, text="why?")


def call(result: dict[str, Any]) -> ToolCall:
    return ToolCall("get_positions", {}, result, 0.1, START)


def turn(transcript: Transcript | None = None) -> Turn:
    return Turn(1, plan(), (USER,), START, transcript=transcript or Transcript())


def test_a_turn_of_the_built_in_policy() -> None:
    """What woke it and the plan's settings; no context, no messages."""
    notes = notes_of(turn(), Decision(Action.HOLD, "nothing", tool_calls=(call({"quantity": "1"}),)))
    assert notes.record["triggers"][0]["message_of_the_owner"] == "why?"
    assert notes.record["plan"]["agent"]["triggers"] == ["forecast", "order_event", "price_alert", "user"]
    assert {"context", "model_calls", "cut"}.isdisjoint(notes.record)
    assert notes.tool_calls[0].result == {"quantity": "1"} and notes.tokens_in is None
    assert calls_kept_whole(notes.tool_calls)


def test_a_failed_turn_has_the_calls_of_its_transcript() -> None:
    """There is no decision to take them from."""
    transcript = Transcript(tool_calls=[call({"quantity": "1"})], attempt=2)
    notes = notes_of(replace(turn(transcript), resumed=True), None)
    assert len(notes.tool_calls) == 1
    assert (notes.record["attempt"], notes.record["resumed"]) == (2, True)


def test_tokens_are_added_up_where_they_are_known() -> None:
    """Unknown is not 0."""
    calls = [ModelCall((), None, 1.0, 10, None), ModelCall((), None, 1.0, 5, None)]
    notes = notes_of(turn(Transcript(model_calls=calls)), None)
    assert (notes.tokens_in, notes.tokens_out) == (15, None)


def test_a_long_result_is_cut_and_says_so() -> None:
    """What became of an order stays readable."""
    long = {"status": "accepted", "client_order_id": "KX1", "rows": ["x" * 100] * (LONGEST // 50)}
    notes = notes_of(turn(Transcript(tool_calls=[call(long)])), None)
    [kept] = notes.tool_calls
    assert kept.result["status"] == "accepted" and kept.result["client_order_id"] == "KX1"
    assert kept.result["characters"] == len(json.dumps(long)) and len(kept.result["cut"]) == LONGEST
    assert notes.record["cut"] == 1 and not calls_kept_whole(notes.tool_calls)


def test_a_record_is_bounded_however_much_happened() -> None:
    """Tool results, messages, context and arguments together."""
    huge = "y" * (2 * LONGEST)
    message = {
        "role": "assistant",
        "content": huge,
        "tool_calls": [{"name": "place_order", "arguments": {"side": huge}, "id": "1"}],
        "invalid_tool_calls": [{"name": "x", "arguments": huge, "id": "2"}],
    }
    transcript = Transcript(
        context={"system_prompt": huge, "turn_message": huge, "prompt_version": 3},
        model_calls=[ModelCall((message,), message, 1.0)] * 50,
        tool_calls=[call({"rows": huge})] * 50,
    )
    notes = notes_of(turn(transcript), None)
    size = len(json.dumps(notes.record, default=str)) + sum(
        len(json.dumps(one.result)) for one in notes.tool_calls
    )
    assert size < 1.5 * WHOLE and notes.record["cut"] > 100
    assert notes.record["context"]["prompt_version"] == 3


def test_what_is_short_is_cut_nowhere() -> None:
    """Also after the room is used up there is a little for each."""
    room = decision_record._Room()
    room.left = 0
    assert room.text("short") == "short" and room.result({"a": 1}) == {"a": 1} and room.cut == 0
