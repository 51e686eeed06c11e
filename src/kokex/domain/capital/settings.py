"""How a plan uses its capital: set by people, below the limits, which it can never widen."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

_MOST_ORDERS = 20


class SizingMethod(StrEnum):
    """How large a holding is wished for.

    `edge` is the built-in policy's own scale: from a quarter of the position limit up to all of it, by the forecast's edge in spreads.
    """

    EDGE = "edge"
    FIXED = "fixed"
    VOLATILITY_TARGET = "volatility_target"
    KELLY = "kelly"


@dataclass(frozen=True, slots=True)
class CapitalSettings:
    """Sizing, batches and the trailing stop of a plan. Money is in quote currency; shares are fractions (0.05 = 5 %).

    Attributes:
        fixed_notional: worth of the holding that `fixed` wishes for.
        target_volatility: yearly standard deviation of the plan's capital that `volatility_target` aims at.
        kelly_fraction: share of the full Kelly stake that `kelly` takes, before the skill shrinks it.
        unproven_share: share of the plan's capital that `kelly` may stake while no skill is proven; 0: nothing.
        slippage: share of the price expected to be lost on each side, besides fees.
        avg_orders_per_batch: orders by which a wished quantity is entered or left.
        batch_step: how far apart their prices are, each better than the one before.
        trailing_stop: fall from the best price since entry at which the holding is ended; None: no such stop.
    """

    sizing: SizingMethod = SizingMethod.EDGE
    fixed_notional: Decimal | None = None
    target_volatility: Decimal = Decimal("0.20")
    kelly_fraction: Decimal = Decimal("0.25")
    unproven_share: Decimal = Decimal(0)
    slippage: Decimal = Decimal("0.0005")
    avg_orders_per_batch: int = 1
    batch_step: Decimal = Decimal("0.002")
    trailing_stop: Decimal | None = None

    def fault(self) -> str | None:
        """What cannot be meant, as a sentence; None where all can."""
        shares = (
            ("kelly_fraction", self.kelly_fraction, False, True),
            ("unproven_share", self.unproven_share, True, True),
            ("slippage", self.slippage, True, False),
            ("batch_step", self.batch_step, False, False),
            ("trailing_stop", self.trailing_stop, False, False),
        )
        for name, share, may_be_nothing, may_be_all in shares:
            if share is not None and not _within(share, may_be_nothing, may_be_all):
                return f"{name} {share} must be a share of {_span(may_be_nothing, may_be_all)}, such as 0.05"
        if self.sizing is SizingMethod.FIXED and self.fixed_notional is None:
            return "sizing fixed needs fixed_notional, the worth of the holding in quote currency"
        if self.fixed_notional is not None and not 0 < self.fixed_notional < Decimal("1e15"):
            return f"fixed_notional {self.fixed_notional} must be more than 0, in quote currency"
        if not 0 < self.target_volatility <= 5:
            return f"target_volatility {self.target_volatility} must be more than 0 and at most 5 (0.2 is 20 % a year)"
        if not 1 <= self.avg_orders_per_batch <= _MOST_ORDERS:
            return f"avg_orders_per_batch {self.avg_orders_per_batch} must be between 1 and {_MOST_ORDERS}"
        return None


def _within(share: Decimal, may_be_nothing: bool, may_be_all: bool) -> bool:
    if not share.is_finite():
        return False
    return (share >= 0 if may_be_nothing else share > 0) and (share <= 1 if may_be_all else share < 1)


def _span(may_be_nothing: bool, may_be_all: bool) -> str:
    least = "0 or more" if may_be_nothing else "more than 0"
    return f"{least} and {'at most' if may_be_all else 'less than'} 1"
