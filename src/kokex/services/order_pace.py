"""How fast a plan orders: what the gate let through in the last day."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from kokex.domain.instrument import Side
from kokex.domain.risk.state import RecentOrder

REMEMBERED = timedelta(hours=24)
"""No limit looks further back."""
_ROOM = 1000
"""Orders beyond `REMEMBERED` that may pile up before they are forgotten."""


@dataclass(slots=True)
class OrderPace:
    """Orders let through, oldest first, by our clock."""

    _times: list[datetime] = field(default_factory=list)
    _orders: list[RecentOrder | None] = field(default_factory=list)

    def add(self, side: Side, price: Decimal | None, at: datetime, name: str = "") -> None:
        """An order was let through, or a change of one; `price` None: it is counted, but no later one can repeat it."""
        at = max(at, self._times[-1]) if self._times else at
        self._times.append(at)
        self._orders.append(None if price is None else RecentOrder(side, price, at, name))
        old = bisect_left(self._times, at - REMEMBERED)
        if old > _ROOM:
            del self._times[:old]
            del self._orders[:old]

    def without(self, at: datetime) -> OrderPace:
        """The same, where one order of that very moment was never let through."""
        index = bisect_left(self._times, at)
        if index == len(self._times) or self._times[index] != at:
            return self
        times, orders = list(self._times), list(self._orders)
        del times[index], orders[index]
        return OrderPace(times, orders)

    def since(self, moment: datetime) -> int:
        """How many at or after `moment` (a day back at most)."""
        return len(self._times) - bisect_left(self._times, moment)

    def today(self, now: datetime) -> int:
        """How many in the UTC day of `now`."""
        midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return self.since(midnight)

    def lately(self, now: datetime, period: timedelta) -> tuple[RecentOrder, ...]:
        """Those of the last `period` (a day at most), oldest first."""
        first = bisect_left(self._times, now - period)
        return tuple(order for order in self._orders[first:] if order is not None)
