"""What an exchange reports of an account besides its orders: positions, balances, stops, margin, its own list of fills.

A report is one statement of the exchange about one moment, as parsed; what it *means* (a position was opened, a balance
changed) is told by comparing it with the report before: see `kokex.domain.account_events`. Quantities and money are `Decimal`,
`None` where the exchange said nothing; times are the exchange's, UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from kokex.domain.instrument import PositionSide, Side
from kokex.domain.order import Fill

__all__ = [
    "AccountReport",
    "BalanceReport",
    "FillReport",
    "MarginWarning",
    "PositionReport",
    "PositionSide",
    "StopReport",
    "StopState",
]


class StopState(StrEnum):
    """Where a stop (an order that waits at the exchange for a price) is in its life."""

    LIVE = "live"
    TRIGGERED = "triggered"
    CANCELED = "canceled"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class PositionReport:
    """One position. `quantity` is in contracts, negative when short, zero once closed.

    Attributes:
        snapshot: part of a full picture that was asked for or is sent regularly, not news.
        cause: the exchange's word for why it changed (`filled`, `liquidation`, `funding_fee`...); None if not told.
        trade_id: the fill that changed it last; None if not told.
    """

    inst_id: str
    margin_mode: str
    side: PositionSide
    quantity: Decimal
    average_price: Decimal | None
    occurred_at: datetime
    mark_price: Decimal | None = None
    liquidation_price: Decimal | None = None
    margin_ratio: Decimal | None = None
    leverage: Decimal | None = None
    unrealised_pnl: Decimal | None = None
    realised_pnl: Decimal | None = None
    trade_id: str | None = None
    cause: str | None = None
    snapshot: bool = False
    raw: bytes = b"{}"


@dataclass(frozen=True, slots=True)
class BalanceReport:
    """One currency's holding. `total` is what is held, free or frozen; unrealised profit is in `equity` only.

    Attributes:
        cause: the exchange's word for why it changed (`filled`, `transferred`, `funding_fee`...); None if not told.
        trade_ids: the fills that changed it, where told.
        snapshot: part of a full picture that was asked for or is sent regularly, not news.
    """

    currency: str
    total: Decimal | None
    occurred_at: datetime
    available: Decimal | None = None
    frozen: Decimal | None = None
    equity: Decimal | None = None
    cause: str | None = None
    trade_ids: tuple[str, ...] = ()
    snapshot: bool = False
    raw: bytes = b"{}"


@dataclass(frozen=True, slots=True)
class StopReport:
    """A stop-loss, take-profit, trigger, trailing, iceberg or TWAP order that waits at the exchange.

    Attributes:
        order_type: the exchange's word (`conditional`, `oco`, `trigger`, `move_order_stop`, `twap`, `iceberg`...).
        trigger_price: of a plain trigger, or of a trailing stop as it stands now.
        order_ids: the ordinary orders that it became when it was triggered.
        reason: why it failed; None otherwise.
    """

    stop_id: str
    client_stop_id: str | None
    inst_id: str
    side: Side
    order_type: str
    state: StopState
    quantity: Decimal | None
    occurred_at: datetime
    trigger_price: Decimal | None = None
    stop_loss_price: Decimal | None = None
    take_profit_price: Decimal | None = None
    order_ids: tuple[str, ...] = ()
    reason: str | None = None
    snapshot: bool = False
    raw: bytes = b"{}"


@dataclass(frozen=True, slots=True)
class FillReport:
    """Executions at one price as the exchange's list of fills tells them, before the order's own push; it has no fee.

    Attributes:
        count: matches folded into it; `fill.trade_id` is the last of them.
    """

    fill: Fill
    count: int
    raw: bytes = b"{}"

    @property
    def occurred_at(self) -> datetime:
        """The exchange's time of the last match."""
        return self.fill.occurred_at


@dataclass(frozen=True, slots=True)
class MarginWarning:
    """The exchange warns that a position is near its liquidation."""

    inst_id: str
    margin_mode: str
    side: PositionSide
    quantity: Decimal
    occurred_at: datetime
    margin_ratio: Decimal | None = None
    mark_price: Decimal | None = None
    liquidation_price: Decimal | None = None
    raw: bytes = b"{}"


AccountReport = PositionReport | BalanceReport | StopReport | FillReport | MarginWarning
