"""A stop that follows the best price since entry and never goes back: pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Trail:
    """The best price that a holding has seen.

    Attributes:
        since: when the holding began, by the exchange's clock.
        sign: +1 for a long holding, -1 for a short one.
        best: highest price since then for a long holding, lowest for a short one.
        hit_at: when the stop was hit, by the exchange's clock; from then on the holding is ended, whatever the price does.
    """

    since: datetime
    sign: int
    best: Decimal
    hit_at: datetime | None = None

    def see(self, price: Decimal) -> Trail:
        """After `price`: the best moves only in the holding's favour."""
        better = price > self.best if self.sign > 0 else price < self.best
        return replace(self, best=price) if better else self

    def level(self, share: Decimal) -> Decimal:
        """The price at which a stop of that share is hit."""
        return self.best * (1 - self.sign * share)

    def judge(self, share: Decimal, price: Decimal, at: datetime) -> Trail:
        """After `price`, with `hit_at` set where the stop of that share is hit by it."""
        seen = self.see(price)
        hit = self.sign * (price - seen.level(share)) <= 0
        return replace(seen, hit_at=at) if hit and seen.hit_at is None else seen

    def meet(self, other: Trail) -> Trail:
        """What two records of one holding tell together: the better price, and the earlier hit."""
        hits = [moment for moment in (self.hit_at, other.hit_at) if moment is not None]
        return replace(self.see(other.best), hit_at=min(hits, default=None))
