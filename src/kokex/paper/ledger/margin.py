"""What an account is worth and how much of it is free, at given mark prices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from kokex.paper.decimals import ZERO, quotient
from kokex.paper.ledger.account import Account, Position

MAINTENANCE_RATE = Decimal("0.004")
"""Maintenance margin of the lowest position tier; the paper exchange knows no other tier."""


@dataclass(frozen=True, slots=True)
class MarginState:
    """The settlement currency's side of an account, everything in USDT."""

    equity: Decimal
    available: Decimal
    """What new orders may use; may be negative."""
    unrealised: Decimal
    cross_initial: Decimal
    isolated_equity: Decimal
    isolated_unrealised: Decimal
    maintenance: Decimal
    cross_equity: Decimal


def margin_state(account: Account, marks: Mapping[str, Decimal], currency: str = "USDT") -> MarginState:
    """Value an account's swap side at `marks` (price by instrument)."""
    cash = account.cash.get(currency, ZERO)
    cross_upl = cross_initial = maintenance = isolated_margin = isolated_upl = ZERO
    for position in account.open_positions():
        mark = marks[position.instrument.inst_id]
        if position.margin_mode == "isolated":
            isolated_margin += position.initial_margin(mark)
            isolated_upl += position.unrealised(mark)
        else:
            cross_upl += position.unrealised(mark)
            cross_initial += position.initial_margin(mark)
            maintenance += maintenance_margin(position, mark)
    frozen = account.frozen.get(currency, ZERO)
    cross_equity = cash - isolated_margin + cross_upl
    return MarginState(
        equity=cash + cross_upl + isolated_upl,
        available=cross_equity - cross_initial - account.order_margin - frozen,
        unrealised=cross_upl + isolated_upl,
        cross_initial=cross_initial,
        isolated_equity=isolated_margin + isolated_upl,
        isolated_unrealised=isolated_upl,
        maintenance=maintenance,
        cross_equity=cross_equity,
    )


def maintenance_margin(position: Position, mark: Decimal) -> Decimal:
    """Equity below which the position is liquidated."""
    return position.notional(mark) * MAINTENANCE_RATE


def liquidation_price(position: Position, state: MarginState, mark: Decimal) -> Decimal | None:
    """Price at which the position alone would use up its margin; None when no price above 0 does."""
    if not position.lots:
        return None
    if position.margin_mode == "isolated":
        buffer = (
            position.initial_margin(mark) + position.unrealised(mark) - maintenance_margin(position, mark)
        )
    else:
        buffer = state.cross_equity - state.maintenance
    size = position.instrument.lot_value * position.lots
    slope = size - abs(size) * MAINTENANCE_RATE
    price = mark - quotient(buffer, slope)
    return price if price > 0 else None


def free_cash(account: Account, currency: str, marks: Mapping[str, Decimal]) -> Decimal:
    """What a spot order may use of a currency; USDT that backs swap positions is not free."""
    free = account.free(currency)
    if currency != "USDT" or not (account.open_positions() or account.order_margin):
        return max(ZERO, free)
    return max(ZERO, min(free, margin_state(account, marks).available))
