"""How large the stops of a holding may be: together no more than is held, so that none sells what is not the plan's."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from kokex.domain.account_reports import StopReport
from kokex.domain.instrument import Instrument


def oversized(held: Decimal, stops: Sequence[StopReport], instrument: Instrument) -> dict[str, Decimal]:
    """New quantities of the stops that are too large, by stop id; zero where nothing is left for one, or too little for an order.

    What was sold is taken to be what was bought first: the newest stops keep their size, older ones have what is left. Together they
    are as much as is held, in whole lots, or as much as they were; none grows.

    Args:
        held: base currency that the plan holds.
        stops: those that sell it, oldest first.
    """
    left = instrument.round_quantity(max(held, Decimal(0)))
    changes: dict[str, Decimal] = {}
    for stop in reversed(stops):
        if stop.quantity is None:
            continue
        size = min(stop.quantity, left)
        if size < instrument.min_quantity:
            size = Decimal(0)
        left -= size
        if size < stop.quantity:
            changes[stop.stop_id] = size
    return changes
