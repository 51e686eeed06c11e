"""A batch on its way into the journal, as the parameters of the writer's statement."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, TypeAlias

import msgspec

from kokex.adapters.postgres import event_data
from kokex.adapters.postgres.parameters import BigintArray, JsonbArray, JsonbDocument, TextArray
from kokex.adapters.postgres.projection import OrderRow, fill_rows, head_rows, order_key, order_rounds
from kokex.ports.store import JournalEntry

EventKey: TypeAlias = tuple[int, str, str, str]
"""Plan, order, event type, event key: what keeps an event single."""

Parameters: TypeAlias = dict[str, Any]

_encoder = msgspec.json.Encoder()


CHUNK = 128
"""Entries that are encoded at a stretch: a few milliseconds, in which the server works on the chunk before."""


class JournalBatch:
    """Entries, each event once, in order, in chunks."""

    def __init__(self, entries: Sequence[JournalEntry]) -> None:
        self._keys = [_key(entry) for entry in entries]
        self._first: dict[EventKey, int] = {}
        for index, key in enumerate(self._keys):
            self._first.setdefault(key, index)
        unique = list(self._first.items())
        self.chunks = [
            JournalChunk([key for key, _ in part], [entries[index] for _, index in part])
            for part in (unique[start : start + CHUNK] for start in range(0, len(unique), CHUNK))
        ]

    @property
    def is_one_statement(self) -> bool:
        """Whether a single statement writes it."""
        return len(self.chunks) == 1 and not self.chunks[0].later_orders

    def keep_raw_as_text(self) -> None:
        """Encode again, with raw JSON that PostgreSQL cannot hold kept as a text."""
        for chunk in self.chunks:
            chunk.encode_events(raw_as_text=True)

    def numbered(self, numbers: dict[EventKey, int]) -> list[int | None]:
        """The journal's number for each entry that was given; None for one that is not in `numbers` or came before."""
        return [
            numbers.get(key) if self._first[key] == index else None for index, key in enumerate(self._keys)
        ]


class JournalChunk:
    """Entries of one statement, encoded when they are first asked for."""

    def __init__(self, keys: Sequence[EventKey], entries: Sequence[JournalEntry]) -> None:
        self._keys = keys
        self._entries = entries

    @cached_property
    def parameters(self) -> Parameters:
        """Of `journal_sql.APPEND`."""
        entries, keys = self._entries, self._keys
        return {
            "plan_ids": BigintArray.of([key[0] for key in keys]),
            "order_ids": TextArray.of([key[1] for key in keys]),
            "event_types": TextArray.of([key[2] for key in keys]),
            "event_keys": TextArray.of([key[3] for key in keys]),
            "account_ids": BigintArray.of([entry.account_id for entry in entries]),
            "inst_ids": TextArray.of([entry.classified.update.inst_id for entry in entries]),
            "sides": TextArray.of([entry.classified.update.side for entry in entries]),
            "event_data": JsonbArray.of([event_data.encode(entry) for entry in entries]),
            "orders": _document(self._order_rounds[0]),
            "fills": _document(fill_rows(entries, self._order_keys)),
            "heads": _document(head_rows(entries)),
        }

    @property
    def later_orders(self) -> list[Parameters]:
        """Of `journal_sql.MOVE_ORDERS`, for the rare order that takes more than one step."""
        return [{"orders": _document(rows)} for rows in self._order_rounds[1:]]

    def encode_events(self, *, raw_as_text: bool) -> None:
        """Encode `event_data` again."""
        encoded = [event_data.encode(entry, raw_as_text=raw_as_text) for entry in self._entries]
        self.parameters["event_data"] = JsonbArray.of(encoded)

    @cached_property
    def _order_keys(self) -> list[str]:
        return [order_key(entry) for entry in self._entries]

    @cached_property
    def _order_rounds(self) -> list[list[OrderRow]]:
        return order_rounds(self._entries, self._order_keys)


def _key(entry: JournalEntry) -> EventKey:
    classified = entry.classified
    return entry.plan_id, classified.update.order_id, classified.event_type, classified.event_key


def _document(rows: Sequence[object]) -> JsonbDocument:
    return JsonbDocument.of(_encoder.encode(rows))
