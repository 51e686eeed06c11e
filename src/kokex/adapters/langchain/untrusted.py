"""Texts from outside, as a language model is shown them: JSON that cannot end its own fence, without characters that nobody sees.

Names of instruments and forecasters, tags and reasons of orders, notes and results of tools are data. They go to a model inside JSON, every
text bounded; backticks and angle brackets are escaped, so that no text closes the fence around it or opens a role of its own.
What keeps a model that obeys such a text from harm is not this but the risk gate.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final
from unicodedata import category

LONGEST_TEXT: Final = 4000
"""Characters of one text that are shown."""
LONGEST_DATA: Final = 60_000
"""Characters of one tool's result, or of what woke a turn."""
_DEEPEST = 12
_ESCAPED = {ord(sign): f"\\u{ord(sign):04x}" for sign in "`<>"}
_HIDDEN = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})
"""Control and format characters (zero width, direction, tags), private use, surrogates, separators of lines."""


def data_text(value: Any, *, indent: int | None = None) -> str:
    """`value` as JSON for a model's eyes."""
    text = json.dumps(_plain(value), ensure_ascii=False, default=str, indent=indent).translate(_ESCAPED)
    if len(text) <= LONGEST_DATA:
        return text
    note = f"{len(text)} characters are too many to show; ask for less"
    return json.dumps(
        {"error": note, "code": "too_long", "beginning": text[:LONGEST_TEXT]}, ensure_ascii=False
    )


def visible(text: str) -> str:
    """`text` without what nobody would see, and not longer than `LONGEST_TEXT`; line breaks and tabs stay."""
    if not text.isascii() or not text.isprintable():
        text = "".join(sign for sign in text if sign in "\n\t" or category(sign) not in _HIDDEN)
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}... (cut)"


def _plain(value: Any, depth: int = 0) -> Any:
    if isinstance(value, str):
        return visible(value)
    if depth == _DEEPEST:
        return visible(str(value))
    if isinstance(value, Mapping):
        return {visible(str(name)): _plain(one, depth + 1) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one, depth + 1) for one in value]
    return value
