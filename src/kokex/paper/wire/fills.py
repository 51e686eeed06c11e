"""The fills channel: what traded, at once and without a fee.

OKX v5: a taker's trades at one price are one item with their `count` and the last `tradeId`; a maker's are not
aggregated; executions outside the book (liquidation) are absent.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kokex.paper.decimals import ZERO, text
from kokex.paper.ledger.account import FillRecord

_MAX_NUMBER = 2**63 - 1


def fill_items(fills: Iterable[FillRecord]) -> list[dict[str, Any]]:
    """Items for executions of one account, in their order."""
    groups: list[list[FillRecord]] = []
    for fill in fills:
        if fill.trade_id.startswith("-"):
            continue
        if groups and _same_sweep(groups[-1][-1], fill):
            groups[-1].append(fill)
        else:
            groups.append([fill])
    return [_item(group) for group in groups]


def _same_sweep(before: FillRecord, fill: FillRecord) -> bool:
    """Whether two executions in a row are of one taker at one price and time."""
    return (
        before.exec_type == fill.exec_type == "T"
        and before.order_id == fill.order_id
        and before.price == fill.price
        and before.filled_ms == fill.filled_ms
    )


def _item(group: list[FillRecord]) -> dict[str, Any]:
    last = group[-1]
    return {
        "instId": last.inst_id,
        "fillSz": text(sum((fill.quantity for fill in group), ZERO)),
        "fillPx": text(last.price),
        "side": last.side,
        "ts": str(last.filled_ms),
        "ordId": str(last.order_id),
        "clOrdId": _shown_name(last.client_order_id),
        "tradeId": last.trade_id,
        "execType": last.exec_type,
        "count": str(len(group)),
    }


def _shown_name(name: str) -> str:
    """OKX v5: a client order id is shown only where it is a positive 64-bit number, else "0"."""
    return name if name.isdigit() and 0 < int(name) <= _MAX_NUMBER else "0"
