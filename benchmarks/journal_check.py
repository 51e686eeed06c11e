"""Whether the journal holds what was sent: everything, once, each order's events in order, each account's in the order of the wire."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import psycopg

from benchmarks.frames import FIRST_ORDER, STAGES, frame_number

_KINDS = {"live": "live", "partially_filled": "partial", "filled": "done"}


class JournalError(Exception):
    """The journal differs from what was sent."""


def check_journal(database_url: str, frames: int) -> None:
    """Compare the journal of a run with the `frames` pushes that began with order 0.

    Raises:
        JournalError: events are missing, doubled, or out of their order.
    """
    stages = {kind: stage for stage, kind in _KINDS.items()}
    with psycopg.connect(database_url) as connection:
        rows: Sequence[tuple[str, str, int]] = connection.execute(
            "SELECT order_id, event_type, account_id FROM order_event_logs ORDER BY id"
        ).fetchall()
    by_account: dict[int, list[int]] = {}
    for order_id, event_type, account_id in rows:
        if int(order_id) >= FIRST_ORDER:
            number = frame_number(int(order_id), stages[event_type.rpartition("_")[2]], 0)
            by_account.setdefault(account_id, []).append(number)
    found = [number for numbers in by_account.values() for number in numbers]
    if len(found) != frames or set(found) != set(range(frames)):
        raise JournalError(
            f"{frames} events were sent; the journal holds {len(found)}, {len(set(found))} of them different"
        )
    steps: dict[str, list[str]] = {}
    for order_id, event_type, _ in rows:
        steps.setdefault(order_id, []).append(stages[event_type.rpartition("_")[2]])
    for order_id, stages_seen in steps.items():
        if stages_seen != list(STAGES):
            raise JournalError(f"order {order_id} was journalled as {', '.join(stages_seen)}")
    moved = sum(1 for numbers in by_account.values() for before, after in pairwise(numbers) if after < before)
    if moved:
        raise JournalError(f"{moved} events were journalled out of the order in which they were sent")
