"""Private data: balances and positions."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

import msgspec

from kokex.adapters.okx import wire
from kokex.adapters.okx.parse.scalars import Payload, guarded, known, number, price, size
from kokex.domain.account import AccountSnapshot, Balance, Position

_balance_decoder = msgspec.json.Decoder(wire.BalanceRow)
_position_decoder = msgspec.json.Decoder(wire.PositionRow)
_ZERO = Decimal(0)


@guarded
def parse_balances(payload: Payload) -> dict[str, Balance]:
    """`account/balance` by currency; what is not named is zero."""
    return {row.ccy: _balance(row) for row in _balance_decoder.decode(payload).details}


def _balance(row: wire.BalanceDetail) -> Balance:
    total = number(row.cash_bal or row.eq)
    frozen = size(row.frozen_bal)
    told = row.avail_bal or row.avail_eq
    available = number(told) if told else max(total - frozen, _ZERO)
    return Balance(row.ccy, total, available, frozen, known(row.eq))


@guarded
def parse_position(payload: Payload) -> Position:
    """One row of `account/positions`, signed: negative is short."""
    row = _position_decoder.decode(payload)
    quantity = size(row.pos)
    return Position(
        inst_id=row.inst_id,
        quantity=-quantity if row.pos_side == "short" else quantity,
        average_price=price(row.avg_px),
        unrealised_pnl=known(row.upl),
        leverage=known(row.lever),
    )


def net_positions(rows: Iterable[Position]) -> dict[str, Position]:
    """One position an instrument: long and short, cross and isolated added up. Closed ones are left out."""
    held: dict[str, Position] = {}
    for row in rows:
        if not row.quantity:
            continue
        other = held.get(row.inst_id)
        held[row.inst_id] = row if other is None else _added(other, row)
    return held


def _added(one: Position, other: Position) -> Position:
    known = one.unrealised_pnl is not None and other.unrealised_pnl is not None
    return Position(
        inst_id=one.inst_id,
        quantity=one.quantity + other.quantity,
        average_price=None,
        unrealised_pnl=(one.unrealised_pnl or _ZERO) + (other.unrealised_pnl or _ZERO) if known else None,
        leverage=one.leverage if one.leverage == other.leverage else None,
    )


def account_snapshot(
    balances: dict[str, Balance], positions: Iterable[Position], taken_at: datetime
) -> AccountSnapshot:
    """Balances and positions that were asked for together."""
    return AccountSnapshot(balances, net_positions(positions), taken_at)
