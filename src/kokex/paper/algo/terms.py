"""What an algo order waits for. Pure values: nothing here knows of accounts or books."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from kokex.paper.decimals import ONE


@dataclass(frozen=True, slots=True)
class Leg:
    """A trigger and what is ordered once it is reached."""

    trigger_price: Decimal
    rising: bool
    """Whether it waits for the price to rise to it (or to fall to it)."""
    order_price: Decimal | None
    """None orders at market."""
    source: str = "last"
    """Which price is watched: last, mark or index."""

    def reached(self, price: Decimal) -> bool:
        """Whether a price is at the trigger or beyond it."""
        return price >= self.trigger_price if self.rising else price <= self.trigger_price


@dataclass(slots=True)
class Trail:
    """A trailing stop: it follows the best price seen and is reached when the price has come back far enough.

    OKX v5: a sell triggers at the highest price less the callback, a buy at the lowest plus the callback, counted
    from the activation price on, or from the start where there is none.
    """

    sells: bool
    ratio: Decimal | None
    spread: Decimal | None
    active_price: Decimal | None = None
    extreme: Decimal | None = None
    """Best price since activation; None before it."""

    @property
    def trigger_price(self) -> Decimal | None:
        """Price at which it would be reached now, None before activation."""
        if self.extreme is None:
            return None
        back = self.spread if self.spread is not None else self.extreme * (self.ratio or ONE)
        return self.extreme - back if self.sells else self.extreme + back

    def follow(self, price: Decimal) -> bool:
        """Take in a price; whether the stop is reached."""
        if self.extreme is None:
            if self.active_price is not None and not self._beyond(price, self.active_price):
                return False
            self.extreme = price
        elif self._beyond(price, self.extreme):
            self.extreme = price
        trigger = self.trigger_price
        assert trigger is not None
        return price <= trigger if self.sells else price >= trigger

    def _beyond(self, price: Decimal, other: Decimal) -> bool:
        return price >= other if self.sells else price <= other


@dataclass(slots=True)
class Slicing:
    """A large order in small ones: so much at a time, within a price limit.

    For twap the next slice waits for its time, for an iceberg for the end of the last one.
    """

    slice_lots: int
    limit_price: Decimal | None
    interval_ms: int = 0
    ratio: Decimal | None = None
    """How far beyond the best price a twap slice may take, as a share."""
    spread: Decimal | None = None
    """The same as a distance."""
    aggressiveness: str = ""
    """Where an iceberg slice is priced: conservative, mid or radical."""
    splits: int = 1
    """Iceberg: the count of limit orders asked for; shown, while one is out at a time."""
    next_ms: int = 0
    filled_lots: int = 0
    open_order: int | None = None


@dataclass(slots=True)
class Attachment:
    """Take-profit and stop-loss, or a trailing stop, that an order brings along; made once it has filled."""

    attachment_id: int
    client_id: str
    take_profit: Leg | None
    stop_loss: Leg | None
    trail: Trail | None
