"""A batch on its way into the journal, as the parameters of the writer's statement. Built before the connection is taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import msgspec

from kokex.adapters.postgres import event_data
from kokex.adapters.postgres.parameters import BigintArray, JsonbArray, JsonbDocument, TextArray
from kokex.adapters.postgres.projection import fill_rows, head_rows, order_key, order_rounds
from kokex.ports.store import JournalEntry

EventKey: TypeAlias = tuple[int, str, str, str]
"""Plan, order, event type, event key: what keeps an event single."""

Parameters: TypeAlias = dict[str, Any]

_encoder = msgspec.json.Encoder()


class JournalBatch:
    """Entries, each event once, in order.

    Attributes:
        parameters: of `journal_sql.APPEND`.
        later_orders: parameters of `journal_sql.MOVE_ORDERS`, for the rare order that takes more than one step.
    """

    def __init__(self, entries: Sequence[JournalEntry]) -> None:
        keys = [_key(entry) for entry in entries]
        self._first: dict[EventKey, int] = {}
        for index, key in enumerate(keys):
            self._first.setdefault(key, index)
        self._keys = keys
        self._entries = [entries[index] for index in self._first.values()]
        order_keys = [order_key(entry) for entry in self._entries]
        rounds = [{"orders": _document(rows)} for rows in order_rounds(self._entries, order_keys)]
        self.later_orders: list[Parameters] = rounds[1:]
        self.parameters: Parameters = {
            **_columns(self._entries, list(self._first)),
            **rounds[0],
            "event_data": JsonbArray.of([event_data.encode(entry) for entry in self._entries]),
            "fills": _document(fill_rows(self._entries, order_keys)),
            "heads": _document(head_rows(self._entries)),
        }

    def keep_raw_as_text(self) -> None:
        """Encode again, with raw JSON that PostgreSQL cannot hold kept as a text."""
        encoded = [event_data.encode(entry, raw_as_text=True) for entry in self._entries]
        self.parameters["event_data"] = JsonbArray.of(encoded)

    def numbered(self, numbers: dict[EventKey, int]) -> list[int | None]:
        """The journal's number for each entry that was given; None for one that is not in `numbers` or came before."""
        return [
            numbers.get(key) if self._first[key] == index else None for index, key in enumerate(self._keys)
        ]


def _key(entry: JournalEntry) -> EventKey:
    classified = entry.classified
    return entry.plan_id, classified.update.order_id, classified.event_type, classified.event_key


def _columns(entries: Sequence[JournalEntry], keys: Sequence[EventKey]) -> Parameters:
    return {
        "plan_ids": BigintArray.of([key[0] for key in keys]),
        "order_ids": TextArray.of([key[1] for key in keys]),
        "event_types": TextArray.of([key[2] for key in keys]),
        "event_keys": TextArray.of([key[3] for key in keys]),
        "account_ids": BigintArray.of([entry.account_id for entry in entries]),
        "inst_ids": TextArray.of([entry.classified.update.inst_id for entry in entries]),
        "sides": TextArray.of([entry.classified.update.side for entry in entries]),
    }


def _document(rows: Sequence[object]) -> JsonbDocument:
    return JsonbDocument.of(_encoder.encode(rows))
