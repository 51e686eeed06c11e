"""Funding of perpetuals: every eight hours of market time one side pays the other, at a rate that the config names.

OKX v5: fee = position value at the mark x rate; longs pay shorts while the rate is positive.
"""

from __future__ import annotations

from decimal import Decimal

from kokex.paper.ledger.settlement import pay_funding
from kokex.paper.market.interval import HOUR_MS
from kokex.paper.matching.execution import QUOTE, drop_unfunded
from kokex.paper.matching.floor import Floor

INTERVAL_MS = 8 * HOUR_MS


def charge_funding(floor: Floor, rate: Decimal) -> None:
    """Charge every open position once, at its mark."""
    for account in floor.accounts.values():
        held = account.open_positions()
        for position in held:
            mark = floor.marks[position.instrument.inst_id]
            pay_funding(account, floor.registers, position, mark * rate, floor.now_ms)
            floor.publisher.account_changed(account, (QUOTE,), event="funding_fee", positions=(position.key,))
            floor.publisher.position_changed(account, position.key)
        if held:
            drop_unfunded(floor, account)
