"""Binary parameters for the journal's statement: arrays and JSON built in one pass, without a walk through general adapters.

PostgreSQL's binary array: dimensions, null flag, element type, then length and lower bound of the dimension, then each element
behind its own length. (Documented in the server's `array_recv`.)
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct
from typing import Any

import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format

_HEADER = Struct("!iiIii")
_LENGTH = Struct("!i")
_BIGINT = Struct("!iq")

_TEXT_OID, _TEXT_ARRAY_OID = 25, 1009
_BIGINT_OID, _BIGINT_ARRAY_OID = 20, 1016
_JSONB_OID, _JSONB_ARRAY_OID = 3802, 3807
_JSONB_VERSION = b"\x01"


class TextArray(bytes):
    """A `text[]` parameter."""

    @classmethod
    def of(cls, values: Iterable[str]) -> TextArray:
        """Encode `values`, none of them None."""
        return cls(_array(_TEXT_OID, [value.encode() for value in values]))


class JsonbArray(bytes):
    """A `jsonb[]` parameter."""

    @classmethod
    def of(cls, documents: Iterable[bytes]) -> JsonbArray:
        """Encode JSON documents."""
        return cls(_array(_JSONB_OID, [_JSONB_VERSION + document for document in documents]))


class BigintArray(bytes):
    """A `bigint[]` parameter."""

    @classmethod
    def of(cls, values: list[int]) -> BigintArray:
        """Encode `values`, none of them None."""
        header = _HEADER.pack(1, 0, _BIGINT_OID, len(values), 1)
        return cls(header + b"".join([_BIGINT.pack(8, value) for value in values]))


class JsonbDocument(bytes):
    """A `jsonb` parameter."""

    @classmethod
    def of(cls, document: bytes) -> JsonbDocument:
        """Wrap one JSON document."""
        return cls(_JSONB_VERSION + document)


def register(connection: psycopg.AsyncConnection[Any]) -> None:
    """Teach `connection` these parameters."""
    for kind, dumper in _DUMPERS.items():
        connection.adapters.register_dumper(kind, dumper)


def _array(element: int, items: list[bytes]) -> bytes:
    parts = [_HEADER.pack(1, 0, element, len(items), 1)]
    for item in items:
        parts.append(_LENGTH.pack(len(item)))
        parts.append(item)
    return b"".join(parts)


class _Ready(Dumper):
    """Passes bytes that are in the wire's form already."""

    format = Format.BINARY

    def dump(self, obj: bytes) -> bytes:
        return obj


class _TextArrayDumper(_Ready):
    oid = _TEXT_ARRAY_OID


class _JsonbArrayDumper(_Ready):
    oid = _JSONB_ARRAY_OID


class _BigintArrayDumper(_Ready):
    oid = _BIGINT_ARRAY_OID


class _JsonbDumper(_Ready):
    oid = _JSONB_OID


_DUMPERS: dict[type[bytes], type[Dumper]] = {
    TextArray: _TextArrayDumper,
    JsonbArray: _JsonbArrayDumper,
    BigintArray: _BigintArrayDumper,
    JsonbDocument: _JsonbDumper,
}
