"""Noticing executions that were not pushed, or pushed late.

OKX v5: `accFillSz` counts all that an order has filled, a push tells of one execution at most, and a market order of spot may
become `filled` with none at all (`fillSz` "0", no `tradeId`). Where the count grows by more than the push tells, something
is missing: its size is the difference, its price and fee are known over REST.
"""

from __future__ import annotations

from collections import OrderedDict
from decimal import Decimal

from kokex.domain.order import OrderStatus, OrderUpdate

_KEPT = 10_000
_ZERO = Decimal(0)


class FillGaps:
    """What each order has filled, as pushed; the orders heard of last are kept."""

    def __init__(self, kept: int = _KEPT) -> None:
        self._kept = kept
        self._filled: OrderedDict[str, Decimal] = OrderedDict()

    def forget(self) -> None:
        """The connection was lost: what happens meanwhile is asked for anyway."""
        self._filled.clear()

    def is_late(self, update: OrderUpdate) -> bool:
        """Whether a push of the order that had filled more came before this one."""
        before = self._filled.get(update.order_id)
        return before is not None and update.filled_quantity < before

    def note(self, update: OrderUpdate) -> str | None:
        """Take note of a push; what it proves to be missing, in words, or None.

        An order that was not heard of before may have filled before we listened, which was asked for then; only a full fill
        without an execution is taken for a gap.
        """
        told = update.fill.quantity if update.fill is not None else _ZERO
        before = self._filled.get(update.order_id)
        filled = update.filled_quantity
        self._filled[update.order_id] = filled if before is None else max(filled, before)
        self._filled.move_to_end(update.order_id)
        if len(self._filled) > self._kept:
            self._filled.popitem(last=False)
        if before is None:
            before = _ZERO if update.status is OrderStatus.FILLED and not told else filled - told
        missing = filled - before - told
        if missing <= 0:
            return None
        if update.status is OrderStatus.FILLED and not told:
            self._filled[update.order_id] = before  # told again, it proves the same
        return f"order {update.order_id} of {update.inst_id} has filled {missing:f} of which no execution was pushed"
