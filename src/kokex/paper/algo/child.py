"""The ordinary order that an algo order becomes: its size is settled only now."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from kokex.paper.algo.order import AlgoOrder
from kokex.paper.decimals import ZERO
from kokex.paper.exchange.rejection import RejectionError
from kokex.paper.ledger.account import Account
from kokex.paper.ledger.margin import free_cash


def child_fields(
    account: Account, algo: AlgoOrder, price: Decimal | None, marks: Mapping[str, Decimal]
) -> dict[str, Any]:
    """The request of a child order at `price` (None is the market).

    Raises:
        RejectionError: 51058 it closes a whole position, and there is none.
    """
    lots, budget = _size(account, algo, price, marks)
    item = algo.instrument
    fields: dict[str, Any] = {
        "instId": item.inst_id,
        "tdMode": algo.trade_mode,
        "side": algo.side,
        "posSide": algo.position_side if item.is_swap else "",
        "ordType": "market" if price is None else algo.immediate or "limit",
        "sz": str(item.size(lots) if budget is None else budget),
        "reduceOnly": algo.reduce_only,
        "tag": algo.tag,
        "ccy": algo.currency,
    }
    if price is not None:
        fields["px"] = str(price)
    elif not item.is_swap:
        fields["tgtCcy"] = "base_ccy" if budget is None else "quote_ccy"
    return fields


def _size(
    account: Account, algo: AlgoOrder, price: Decimal | None, marks: Mapping[str, Decimal]
) -> tuple[int, Decimal | None]:
    """Lots, or quote to spend. What only reduces is cut to its position (OKX names both ways for it)."""
    if algo.instrument.is_swap:
        position = account.positions.get(algo.position_key)
        held = 0 if position is None else abs(position.lots)
        if algo.whole_position:
            if not held:
                raise RejectionError("51058", "No available position for this algo order")
            return held, None
        return (min(algo.lots, held) or algo.lots if algo.closes else algo.lots), None
    if not algo.fits_balance:
        return algo.lots, algo.budget
    return _within_balance(account, algo, price, marks)


def _within_balance(
    account: Account, algo: AlgoOrder, price: Decimal | None, marks: Mapping[str, Decimal]
) -> tuple[int, Decimal | None]:
    """OKX v5: a triggered trigger order is cut to the balance; so is one that came attached, here."""
    item = algo.instrument
    if not algo.is_buy:
        free = free_cash(account, item.base, marks)
        return min(algo.lots, int(free // item.lot_value)) or algo.lots, None
    free = free_cash(account, item.quote, marks)
    if algo.budget is not None:
        return 0, min(algo.budget, free) or algo.budget
    if price is None or free <= ZERO:
        return algo.lots, None
    return min(algo.lots, int(free // (price * item.lot_value))) or algo.lots, None
