"""Charging trade commands to the budgets that REST and WebSocket share."""

from __future__ import annotations

import time

from kokex.paper.gateway.limits import COMMAND_LIMITS, SINGLE_OF_BATCH, RateLimiter
from kokex.paper.ledger.account import Account


def spend_command(limiter: RateLimiter, name: str, caller: Account, products: list[str]) -> None:
    """Charge a command, per user and instrument; a batch of one counts as a single order (OKX v5)."""
    if len(products) == 1:
        name = SINGLE_OF_BATCH.get(name, name)
    for product in set(products):
        limiter.spend(
            name,
            f"{caller.uid} {product}",
            COMMAND_LIMITS[name],
            now_s=time.monotonic(),
            cost=products.count(product),
        )
