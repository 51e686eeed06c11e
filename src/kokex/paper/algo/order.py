"""An algo order as the exchange keeps it."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from kokex.paper.algo.terms import Attachment, Leg, Slicing, Trail
from kokex.paper.instruments import Instrument

LIVE_STATES = ("live", "partially_effective")
ADVANCED_TYPES = ("move_order_stop", "twap", "smart_iceberg")
"""Types that are told on the channel algo-advance."""
_SOURCES = {
    "trigger": "6",
    "conditional": "7",
    "oco": "7",
    "move_order_stop": "25",
    "twap": "13",
    "smart_iceberg": "13",
}


@dataclass(slots=True, kw_only=True)
class AlgoOrder:
    """Mutable life of one algo order. Quantities in lots; types and states are OKX's."""

    algo_id: int
    account_uid: str
    instrument: Instrument
    order_type: str
    side: str
    trade_mode: str
    position_side: str
    lots: int = 0
    """Quantity; 0 where the size is `budget` or the whole position."""
    budget: Decimal | None = None
    """Quote currency to spend, for a spot market buy."""
    whole_position: bool = False
    """`closeFraction` 1: the size is the position's when it triggers."""
    client_id: str = ""
    tag: str = ""
    currency: str = ""
    target_currency: str = ""
    reduce_only: bool = False
    ends_with_position: bool = False
    """Canceled when its position is closed otherwise."""
    had_position: bool = False
    fits_balance: bool = False
    """Spot: a quantity that the balance does not allow is cut instead of refused."""

    take_profit: Leg | None = None
    stop_loss: Leg | None = None
    trigger: Leg | None = None
    immediate: str = ""
    """`advanceOrdType` of a trigger order: fok, ioc, or neither."""
    trail: Trail | None = None
    slicing: Slicing | None = None
    attached: list[Attachment] = field(default_factory=list)
    """What a trigger order's child brings along."""

    parent_id: int = 0
    """The ordinary order that brought it along, 0 where it was placed by itself."""

    leverage: Decimal | None = None
    placed_price: Decimal
    """Last price when it was placed."""
    created_ms: int
    updated_ms: int
    state: str = "live"
    triggered_ms: int | None = None
    order_ids: list[int] = field(default_factory=list)
    actual_lots: int = 0
    actual_price: Decimal | None = None
    actual_side: str = ""
    """tp or sl: the leg that triggered."""
    fail_code: str = ""
    request_id: str = ""
    amend_result: str = ""

    @property
    def is_live(self) -> bool:
        """Whether it still waits or works."""
        return self.state in LIVE_STATES

    @property
    def is_buy(self) -> bool:
        """Whether it buys."""
        return self.side == "buy"

    @property
    def is_advanced(self) -> bool:
        """Whether it belongs to the channel algo-advance."""
        return self.order_type in ADVANCED_TYPES

    @property
    def source(self) -> str:
        """`source` of its child orders."""
        return _SOURCES[self.order_type]

    @property
    def position_key(self) -> tuple[str, str, str]:
        """The position that its child changes: instrument, margin mode, position side."""
        return (self.instrument.inst_id, self.trade_mode, self.position_side)

    @property
    def closes(self) -> bool:
        """Whether its child can only reduce a position."""
        if not self.instrument.is_swap:
            return False
        return self.reduce_only or (
            self.position_side != "net" and self.is_buy == (self.position_side == "short")
        )

    @property
    def legs(self) -> tuple[Leg, ...]:
        """Every trigger with a fixed price; the stop-loss goes first."""
        return tuple(leg for leg in (self.stop_loss, self.take_profit, self.trigger) if leg is not None)

    def touch(self, now_ms: int) -> None:
        """Stamp an update; times of one algo order's updates always differ."""
        self.updated_ms = max(now_ms, self.updated_ms + 1)
