"""What one turn may do at most: an order budget that is drawn up before the agent is asked, from the plan's state alone.

Nothing that an agent reads during a turn (news, tags of orders, notes, results of tools) can add to it. Untrusted text can only take
away: a turn that was told of any may be given less.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from kokex.domain.instrument import Side


@dataclass(frozen=True, slots=True)
class Grant:
    """The budget of a turn. What reduces the holding does not count against `notional`.

    Attributes:
        sides: directions that may add to a holding.
        notional: quote currency of new exposure that the turn's orders may add, together.
        orders: how many orders it may ask for.
    """

    sides: frozenset[Side]
    notional: Decimal
    orders: int

    def spend(self, notional: Decimal) -> Grant:
        """After an order that was let through and adds `notional` of exposure (zero where it reduces)."""
        return replace(self, notional=self.notional - notional, orders=self.orders - 1)

    def meet(self, other: Grant) -> Grant:
        """What both allow: never more than either."""
        return Grant(
            self.sides & other.sides, min(self.notional, other.notional), min(self.orders, other.orders)
        )
