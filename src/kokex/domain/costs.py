"""What executing an order cost beside its price."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from kokex.domain.order import Fill


def fees_by_currency(fills: Iterable[Fill]) -> dict[str, Decimal]:
    """Sums of the fees that are known, by their currency; negative when charged, positive for rebates."""
    sums: dict[str, Decimal] = {}
    for fill in fills:
        if fill.fee is not None and fill.fee_currency:
            sums[fill.fee_currency] = sums.get(fill.fee_currency, Decimal(0)) + fill.fee
    return sums
