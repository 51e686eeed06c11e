"""The journal's rows as PostgreSQL's binary COPY takes them: half of the server's time of inserting arrays.

COPY knows no conflicts: a row that is there already refuses the whole batch, and the writer inserts it instead.
(The format is documented with the command: a signature, then for each row the number of fields, and each field behind its length.)
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from struct import Struct

from kokex.adapters.postgres import event_data
from kokex.adapters.postgres.journal_batch import JournalChunk

# Who takes an account over waits for transactions that hold this lock: numbers drawn under it are below all that come later.
LOCK = "LOCK TABLE order_event_logs IN ROW EXCLUSIVE MODE"
NUMBERS = "SELECT array_agg(nextval('order_event_logs_id_seq')) FROM generate_series(1, %s)"
COPY = """
COPY order_event_logs (id, plan_id, account_id, event_type, side, inst_id, order_id, event_key, event_data, raw)
FROM STDIN (FORMAT binary)
"""

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"

_ROW = Struct("!hiqiqiq")
_FIELDS = 10
_LENGTH = Struct("!i").pack
_JSONB_VERSION = b"\x01"


def rows(chunk: JournalChunk, numbers: Sequence[int]) -> bytes:
    """The rows of `chunk`, numbered."""
    parts: list[bytes] = []
    add = parts.append
    row = _ROW.pack
    for number, key, entry, raw in zip(numbers, chunk.keys, chunk.entries, chunk.raws, strict=True):
        plan_id, order_id, event_type, event_key = key
        update = entry.classified.update
        order = order_id.encode()
        name = event_key.encode()
        data = event_data.encode(entry)
        add(row(_FIELDS, 8, number, 8, plan_id, 8, entry.account_id))
        add(_constants(event_type, update.side, update.inst_id))
        add(_LENGTH(len(order)))
        add(order)
        add(_LENGTH(len(name)))
        add(name)
        add(_LENGTH(len(data) + 1))
        add(_JSONB_VERSION)
        add(data)
        add(_LENGTH(len(raw)))
        add(raw)
    return b"".join(parts)


@lru_cache(maxsize=4096)
def _constants(*values: str) -> bytes:
    """Fields of which there are few: event type, side and instrument."""
    return b"".join(_LENGTH(len(value)) + value for value in map(str.encode, values))
