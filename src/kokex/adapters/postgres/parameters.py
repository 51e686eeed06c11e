"""Binary parameters for the journal's statements: arrays built in one pass, without a walk through general adapters.

PostgreSQL's binary array: dimensions, null flag, element type, then length and lower bound of the dimension, then each element
behind its own length. (Documented in the server's `array_recv`.)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from struct import Struct
from typing import Any, ClassVar

import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format

_HEADER = Struct("!iiIii")
_length = Struct("!i").pack
_bigint_item = Struct("!iq").pack
_double_item = Struct("!id").pack
_BOOLEANS = {True: b"\x00\x00\x00\x01\x01", False: b"\x00\x00\x00\x01\x00"}
_NULL = _length(-1)
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)

_BOOLEAN_OID, _BOOLEAN_ARRAY_OID = 16, 1000
_DOUBLE_OID, _DOUBLE_ARRAY_OID = 701, 1022
_MOMENT_OID, _MOMENT_ARRAY_OID = 1184, 1185
_TEXT_OID, _TEXT_ARRAY_OID = 25, 1009
_BIGINT_OID, _BIGINT_ARRAY_OID = 20, 1016
_JSONB_OID, _JSONB_ARRAY_OID = 3802, 3807
_JSONB_VERSION = b"\x01"


class Parameter(bytes):
    """A value in the wire's form.

    Attributes:
        oid: the number of its type.
    """

    oid: ClassVar[int]


class TextArray(Parameter):
    """A `text[]` parameter."""

    oid = _TEXT_ARRAY_OID

    @classmethod
    def of(cls, values: Iterable[str | None]) -> TextArray:
        """Encode texts."""
        return cls.of_encoded([None if value is None else value.encode() for value in values])

    @classmethod
    def of_few(cls, values: Sequence[str | None]) -> TextArray:
        """Encode texts of which there are few different ones: each once."""
        items = {value: _NULL if value is None else _text_item(value.encode()) for value in set(values)}
        return cls(_array(_TEXT_OID, [items[value] for value in values]))

    @classmethod
    def of_numbers(cls, values: Iterable[Decimal | None]) -> TextArray:
        """Encode numbers, to be cast to `numeric[]`: their text is all there is to them, to the last digit."""
        return cls.of_encoded([None if value is None else str(value).encode() for value in values])

    @classmethod
    def of_encoded(cls, values: list[bytes | None] | list[bytes]) -> TextArray:
        """Texts that are in UTF-8 already."""
        items = [_NULL if value is None else _text_item(value) for value in values]
        return cls(_array(_TEXT_OID, items))


class JsonbArray(Parameter):
    """A `jsonb[]` parameter."""

    oid = _JSONB_ARRAY_OID

    @classmethod
    def of(cls, documents: Iterable[bytes]) -> JsonbArray:
        """Encode JSON documents."""
        items = [_length(len(one) + 1) + _JSONB_VERSION + one for one in documents]
        return cls(_array(_JSONB_OID, items))


class BigintArray(Parameter):
    """A `bigint[]` parameter."""

    oid = _BIGINT_ARRAY_OID

    @classmethod
    def of(cls, values: Iterable[int | None]) -> BigintArray:
        """Encode whole numbers."""
        items = [_NULL if value is None else _bigint_item(8, value) for value in values]
        return cls(_array(_BIGINT_OID, items))

    @classmethod
    def of_few(cls, values: Sequence[int | None]) -> BigintArray:
        """Encode numbers of which there are few different ones: each once."""
        items = {value: _NULL if value is None else _bigint_item(8, value) for value in set(values)}
        return cls(_array(_BIGINT_OID, [items[value] for value in values]))


class DoubleArray(Parameter):
    """A `double precision[]` parameter."""

    oid = _DOUBLE_ARRAY_OID

    @classmethod
    def of(cls, values: Iterable[float | None]) -> DoubleArray:
        """Encode numbers."""
        return cls(
            _array(_DOUBLE_OID, [_NULL if value is None else _double_item(8, value) for value in values])
        )


class BooleanArray(Parameter):
    """A `boolean[]` parameter."""

    oid = _BOOLEAN_ARRAY_OID

    @classmethod
    def of(cls, values: Iterable[bool | None]) -> BooleanArray:
        """Encode truths."""
        return cls(_array(_BOOLEAN_OID, [_NULL if value is None else _BOOLEANS[value] for value in values]))


class MomentArray(Parameter):
    """A `timestamptz[]` parameter."""

    oid = _MOMENT_ARRAY_OID

    @classmethod
    def of(cls, values: Iterable[datetime]) -> MomentArray:
        """Encode aware moments, to the microsecond."""
        return cls(_array(_MOMENT_OID, [_bigint_item(8, _microseconds(value)) for value in values]))


class JsonbDocument(Parameter):
    """A `jsonb` parameter."""

    oid = _JSONB_OID

    @classmethod
    def of(cls, document: bytes) -> JsonbDocument:
        """Wrap one JSON document."""
        return cls(_JSONB_VERSION + document)


def register(connection: psycopg.AsyncConnection[Any]) -> None:
    """Teach `connection` these parameters."""
    for kind, dumper in _DUMPERS.items():
        connection.adapters.register_dumper(kind, dumper)


def _array(element: int, items: Sequence[bytes]) -> bytes:
    """`items` with their lengths in front."""
    return _HEADER.pack(1, 1, element, len(items), 1) + b"".join(items)


def _text_item(value: bytes) -> bytes:
    return _length(len(value)) + value


def _microseconds(moment: datetime) -> int:
    """Since 2000, as PostgreSQL counts."""
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


class _Ready(Dumper):
    """Passes bytes that are in the wire's form already."""

    format = Format.BINARY

    def dump(self, obj: bytes) -> bytes:
        return obj


def _dumper(kind: type[Parameter]) -> type[Dumper]:
    return type(f"_{kind.__name__}Dumper", (_Ready,), {"oid": kind.oid})


_DUMPERS: dict[type[Parameter], type[Dumper]] = {
    kind: _dumper(kind)
    for kind in (TextArray, JsonbArray, BigintArray, DoubleArray, BooleanArray, MomentArray, JsonbDocument)
}
