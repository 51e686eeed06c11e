"""An order as the exchange keeps it."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from kokex.paper.algo.terms import Attachment
from kokex.paper.decimals import ZERO, quotient
from kokex.paper.instruments import Instrument

OPEN_STATES = ("live", "partially_filled")
IMMEDIATE_TYPES = ("market", "fok", "ioc", "optimal_limit_ioc")


@dataclass(slots=True)
class LastFill:
    """The latest execution of an order, as its updates describe it."""

    trade_id: str
    ticks: int
    lots: int
    at_ms: int
    exec_type: str
    """T for taker, M for maker."""
    fee: Decimal
    fee_ccy: str
    pnl: Decimal
    mark: Decimal


@dataclass(slots=True, kw_only=True)
class Order:
    """Mutable life of one order. Prices in ticks, quantities in lots; states are OKX's."""

    order_id: int
    account_uid: str
    instrument: Instrument
    side: str
    """buy or sell."""
    order_type: str
    trade_mode: str
    """cash, cross or isolated."""
    position_side: str = "net"
    ticks: int | None = None
    """Limit price; None for a market order."""
    lots: int = 0
    """Total quantity; 0 where the size is `budget`."""
    budget: Decimal | None = None
    """Quote currency to spend, for a spot market order sized in quote."""
    client_order_id: str = ""
    tag: str = ""
    currency: str = ""
    target_currency: str = ""
    reduce_only: bool = False
    stp_mode: str = "cancel_maker"
    leverage: Decimal | None = None
    category: str = "normal"
    created_ms: int = 0

    state: str = "live"
    filled_lots: int = 0
    filled_value: Decimal = ZERO
    """Exact sum of price times lots, in price units."""
    fee: Decimal = ZERO
    """Cumulative, as on the wire: negative is charged."""
    pnl: Decimal = ZERO
    last_fill: LastFill | None = None
    fill_in_update: bool = False
    """Whether the update being pushed is a fill."""
    updated_ms: int = 0
    cancel_source: str = ""
    request_id: str = ""
    amend_result: str = ""
    amend_source: str = ""
    priority: int = 0
    """Arrival number at its price: smaller is earlier."""
    queue_ahead: int = 0
    """Lots of outside liquidity ahead of it at its price."""
    reserved: Decimal = ZERO
    """Spot: cash frozen for it. Swap: margin held for it."""
    opening_lots: int = 0
    """Swap: lots that would open or enlarge a position when it was accepted."""
    algo_id: int = 0
    """The algo order that it comes from, 0 for none."""
    algo_client_id: str = ""
    source: str = ""
    """OKX's `source`: 6 trigger, 7 take-profit or stop-loss, 13 slices, 25 trailing."""
    attached: list[Attachment] = field(default_factory=list)
    """What becomes an algo order once it has filled."""
    closed_wall_ms: int | None = None
    """Wall-clock time of its end: unfilled cancels vanish from history two hours later."""
    fills: int = field(default=0)

    @property
    def is_open(self) -> bool:
        """Whether it can still trade."""
        return self.state in OPEN_STATES

    @property
    def is_buy(self) -> bool:
        """Whether it buys."""
        return self.side == "buy"

    @property
    def remaining_lots(self) -> int:
        """Lots still wanted (0 for an order sized in quote)."""
        return max(0, self.lots - self.filled_lots)

    @property
    def fee_currency(self) -> str:
        """Currency in which the fee is charged (OKX: received currency on spot, settlement on swaps)."""
        if self.instrument.is_swap:
            return self.instrument.quote
        return self.instrument.base if self.is_buy else self.instrument.quote

    @property
    def average_price(self) -> Decimal | None:
        """Mean execution price, None while unfilled."""
        return quotient(self.filled_value, Decimal(self.filled_lots)) if self.filled_lots else None

    @property
    def position_key(self) -> tuple[str, str, str]:
        """The swap position that it changes: instrument, margin mode, position side."""
        return (self.instrument.inst_id, self.trade_mode, self.position_side)

    def touch(self, now_ms: int) -> None:
        """Stamp an update; times of one order's updates always differ."""
        self.updated_ms = max(now_ms, self.updated_ms + 1)

    def wanted_lots(self, ticks: int) -> int:
        """Lots that it would still take at a price."""
        if self.budget is None:
            return self.remaining_lots
        spent = self.filled_value * self.instrument.lot_value
        price = self.instrument.price(ticks) * self.instrument.lot_value
        return int((self.budget - spent) // price)
