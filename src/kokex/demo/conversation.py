"""The messages of a chat-completions request, as the demo's scripted model reads them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

_FENCED: Final = re.compile(r"```json\n(.*?)\n```", re.DOTALL)
"""Texts inside cannot end it: the program escapes their backticks."""

Words = Mapping[str, Any]
Calls = tuple[tuple[str, str], ...]
"""Tools to be called: names, and arguments as the text that goes over the wire."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """What the messages of one turn tell.

    Attributes:
        facts: the JSON object of the turn's opening message that says what woke it.
        results: what each tool answered, oldest first.
        spoken: whether the model has answered before in this turn.
    """

    facts: Words
    results: Mapping[str, tuple[Words, ...]]
    spoken: bool

    @classmethod
    def of(cls, messages: Sequence[Words]) -> Conversation:
        """From the messages of a chat-completions request. What cannot be read is taken for empty."""
        opening = next((_text(one) for one in messages if one.get("role") == "user"), "")
        documents = [_document(text) for text in _FENCED.findall(opening)]
        facts = next((one for one in documents if "woken_by" in one), {})
        names: dict[str, str] = {}
        results: dict[str, tuple[Words, ...]] = {}
        for one in messages:
            for call in one.get("tool_calls") or ():
                names[str(call.get("id"))] = str(call.get("function", {}).get("name"))
            if one.get("role") == "tool":
                name = names.get(str(one.get("tool_call_id")), "")
                results[name] = (*results.get(name, ()), _document(_text(one)))
        spoken = any(one.get("role") == "assistant" for one in messages)
        return cls(facts, results, spoken)

    @property
    def turn(self) -> int | None:
        """The turn's number."""
        number = self.facts.get("turn")
        return number if isinstance(number, int) else None

    @property
    def woken_by(self) -> frozenset[str]:
        """Kinds of triggers."""
        return frozenset(str(one.get("kind")) for one in self.facts.get("woken_by", ()))

    def newest(self, name: str) -> Words:
        """The latest result of a tool; empty before the first."""
        return self.results.get(name, ({},))[-1]

    def missing(self, *names: str) -> Calls:
        """Calls of those of these tools that were not asked yet."""
        return tuple((name, "{}") for name in names if name not in self.results)

    def refusal(self, *names: str) -> str | None:
        """Why one of these tools did not answer; None where all did."""
        return next((str(self.newest(name)["error"]) for name in names if "error" in self.newest(name)), None)


def _text(message: Words) -> str:
    content = message.get("content")
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))
    return content if isinstance(content, str) else ""


def _document(text: str) -> Words:
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}
