"""A batch on its way into the journal, as the parameters of the writer's statements."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TypeAlias

import msgspec

from kokex.adapters.postgres import event_data
from kokex.adapters.postgres.journal_columns import Parameters, fill_columns, head_columns, order_columns
from kokex.adapters.postgres.parameters import BigintArray, JsonbArray, JsonbDocument, TextArray
from kokex.adapters.postgres.projection import Projection
from kokex.ports.store import JournalEntry

EventKey: TypeAlias = tuple[int, str, str, str]
"""Plan, order, event type, event key: what keeps an event single."""

_encode = msgspec.json.Encoder().encode

CHUNK = 512
"""Entries that are encoded at a stretch: a few milliseconds, in which the server works on the chunk before."""


class JournalBatch:
    """Entries, each event once, in order, in chunks; and what they make of orders and fills together.

    Attributes:
        keys: of the entries that were given.
    """

    def __init__(self, entries: Sequence[JournalEntry]) -> None:
        self.keys = [_key(entry) for entry in entries]
        self._first: dict[EventKey, int] = {}
        for index, key in enumerate(self.keys):
            self._first.setdefault(key, index)
        unique = list(self._first.items())
        self.chunks = [
            JournalChunk([key for key, _ in part], [entries[index] for _, index in part])
            for part in (unique[start : start + CHUNK] for start in range(0, len(unique), CHUNK))
        ]

    @property
    def size(self) -> int:
        """How many different events."""
        return len(self._first)

    @cached_property
    def projection(self) -> Projection:
        """What the entries say of orders, fills and heads."""
        projection = Projection()
        for chunk in self.chunks:
            projection.add(chunk.entries)
        return projection

    @property
    def is_one_statement(self) -> bool:
        """Whether `journal_sql.APPEND` writes it."""
        return len(self.chunks) == 1 and len(self.projection.order_rounds) == 1

    @property
    def parameters(self) -> Parameters:
        """Of `journal_sql.APPEND`."""
        (orders,) = self.projection.order_rounds
        return {
            **self.chunks[0].parameters,
            "orders": _document(orders),
            "fills": _document(self.projection.fill_rows),
            "heads": _document(self.projection.head_rows),
        }

    @property
    def orders(self) -> list[Parameters]:
        """Of `journal_sql.MOVE_ORDERS`, once for nearly every batch."""
        return [order_columns(rows) for rows in self.projection.order_rounds]

    @property
    def fills(self) -> Parameters:
        """Of `journal_sql.KEEP_FILLS`."""
        return fill_columns(self.projection.fill_rows)

    @property
    def heads(self) -> Parameters:
        """Of `journal_sql.MOVE_HEADS`."""
        return head_columns(self.projection.head_rows)

    def mend_raw(self) -> None:
        """Replace what PostgreSQL cannot hold in the exchange's JSON."""
        for chunk in self.chunks:
            chunk.mend_raw()

    def numbered(self, numbers: dict[EventKey, int]) -> list[int | None]:
        """The journal's number for each entry that was given; None for one that is not in `numbers` or came before."""
        return [
            numbers.get(key) if self._first[key] == index else None for index, key in enumerate(self.keys)
        ]


class JournalChunk:
    """Entries that are encoded together, when they are asked for."""

    def __init__(self, keys: Sequence[EventKey], entries: Sequence[JournalEntry]) -> None:
        self.keys = keys
        self.entries = entries
        self._raws: list[bytes] | None = None

    @property
    def raws(self) -> list[bytes]:
        """The exchange's JSON."""
        return self._raws or [entry.classified.update.raw for entry in self.entries]

    @property
    def parameters(self) -> Parameters:
        """Of `journal_sql.INSERT_EVENTS`."""
        return {
            **self.key_columns,
            "account_ids": BigintArray.of([entry.account_id for entry in self.entries]),
            "inst_ids": TextArray.of([entry.classified.update.inst_id for entry in self.entries]),
            "sides": TextArray.of([entry.classified.update.side for entry in self.entries]),
            "event_data": JsonbArray.of([event_data.encode(entry) for entry in self.entries]),
            "raws": TextArray.of_encoded(self.raws),
        }

    @property
    def key_columns(self) -> Parameters:
        """Of `journal_sql.NUMBERS`."""
        plan_ids, order_ids, event_types, event_keys = zip(*self.keys, strict=True)
        return {
            "plan_ids": BigintArray.of(plan_ids),
            "order_ids": TextArray.of(order_ids),
            "event_types": TextArray.of(event_types),
            "event_keys": TextArray.of(event_keys),
        }

    def mend_raw(self) -> None:
        """Replace what PostgreSQL cannot hold in `raws`."""
        self._raws = [event_data.raw_text(entry.classified.update.raw) for entry in self.entries]


def _document(rows: Sequence[object]) -> JsonbDocument:
    return JsonbDocument.of(_encode(rows))


def _key(entry: JournalEntry) -> EventKey:
    classified = entry.classified
    return entry.plan_id, classified.update.order_id, classified.event_type, classified.event_key
