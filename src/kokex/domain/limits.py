"""Hard limits of a plan, set by people only. Money is in quote currency; shares are fractions (0.05 = 5 %); `None` is no limit."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

from kokex.domain.instrument import Side


@dataclass(frozen=True, slots=True)
class Protections:
    """When losses end new risk for a while. What is held may always be reduced.

    Attributes:
        max_daily_loss: fall of the plan's worth since the UTC day began.
        max_drawdown: fall from the plan's peak, as a share of its capital; only a person lifts it.
        losing_streak: losing results in a row, after which the plan rests for `rest` from the last of them.
        stop_guard: stops triggered within `stop_guard_period`, after which the plan rests for `rest`.
    """

    max_daily_loss: Decimal | None = None
    max_drawdown: Decimal | None = None
    losing_streak: int | None = None
    stop_guard: int | None = None
    stop_guard_period: timedelta = timedelta(hours=24)
    rest: timedelta = timedelta(hours=4)


@dataclass(frozen=True, slots=True)
class RiskLimits:
    """What no order of a plan may break.

    Attributes:
        sides: directions it may trade in.
        max_order_notional: largest single order.
        max_order_share: the same, as a share of the account's equity.
        max_single_order_ratio: the same, as a share of the plan's own capital; what reduces the holding passes.
        max_position_notional: largest holding, counting orders open, in flight, unknown and waiting for approval.
        max_position_share: the same, as a share of the account's equity.
        max_account_notional: largest sum of the holdings of all plans of the account, counted the same way.
        max_leverage: the same sum, as a multiple of the account's equity.
        max_open_orders: orders open, in flight or waiting for approval at once.
        max_orders_per_minute: orders let through in any 60 s.
        max_orders_per_day: orders let through in a UTC day.
        price_collar: how far a limit price may be from the last price and from the mark price, as a share of each.
        repeat_distance, repeat_period: an order less than this share of the price away from an earlier one of the same side is
            a repetition, for that long.
        cash_reserve: quote currency of the account that no order may touch.
        capital: quote currency of the account that is this plan's alone, and all that it may use.
        allow_short: whether the holding may go below zero (swaps only).
        approval_notional: a larger order waits for a person, unless it only reduces the holding; None: none waits.
        approval_period: how long it waits; then it is over.
    """

    max_order_notional: Decimal = Decimal(1000)
    max_position_notional: Decimal = Decimal(5000)
    max_open_orders: int = 5
    max_orders_per_minute: int = 60
    price_collar: Decimal = Decimal("0.05")
    cash_reserve: Decimal = Decimal(0)
    allow_short: bool = False
    sides: frozenset[Side] = frozenset(Side)
    max_order_share: Decimal | None = None
    max_position_share: Decimal | None = None
    max_account_notional: Decimal | None = None
    max_leverage: Decimal | None = None
    max_orders_per_day: int | None = None
    repeat_distance: Decimal | None = None
    repeat_period: timedelta = timedelta(minutes=5)
    capital: Decimal | None = None
    max_single_order_ratio: Decimal | None = None
    approval_notional: Decimal | None = None
    approval_period: timedelta = timedelta(minutes=15)
    protections: Protections = field(default_factory=Protections)

    @property
    def of_account(self) -> bool:
        """Whether a limit is a share of the account's equity."""
        shares = (self.max_order_share, self.max_position_share, self.max_leverage)
        return any(share is not None for share in shares)

    def own_capital(self, pnl: Decimal | None) -> Decimal | None:
        """What the plan has to trade with, in quote currency: its `capital` and what it gained or lost, at least zero.

        Where none is set apart for it, its position limit. None: `pnl` matters and is not known.
        """
        if self.capital is None:
            return self.max_position_notional
        return None if pnl is None else max(self.capital + pnl, Decimal(0))
