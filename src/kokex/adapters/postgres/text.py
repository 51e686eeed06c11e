"""Text and JSON made fit for PostgreSQL, which has no place for the NUL character and for half a surrogate pair.

What a model or an exchange writes can hold either; losing a record over it would be worse than losing the character.
"""

from __future__ import annotations

from typing import Any

import msgspec

_REPLACEMENT = "\ufffd"
_NUL = b"\\u0000"
_encode = msgspec.json.Encoder().encode


def storable_text(text: str) -> str:
    """`text` with what PostgreSQL cannot keep replaced by U+FFFD."""
    if text.isascii() and "\x00" not in text:
        return text
    return text.replace("\x00", _REPLACEMENT).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def storable_json(value: Any) -> Any:
    """`value` as plain JSON values (decimals and moments as text), every text fit to be kept."""
    return _clean(msgspec.to_builtins(value))


def storable_document(value: Any) -> bytes:
    """`storable_json` of `value`, encoded; nearly every value is fit as it is."""
    try:
        encoded = _encode(value)
    except UnicodeEncodeError:
        encoded = _NUL
    return _encode(storable_json(value)) if _NUL in encoded else encoded


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return storable_text(value)
    if isinstance(value, dict):
        return {storable_text(str(name)): _clean(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    return value
