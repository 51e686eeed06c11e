"""Rate limits (OKX v5, section "rate limits"), counted in windows of wall-clock time."""

from __future__ import annotations

from dataclasses import dataclass

from kokex.paper.gateway.refusal import RefusalError


@dataclass(frozen=True, slots=True)
class Limit:
    """So many requests (or orders) in so many seconds. `scope` names what the budget belongs to."""

    count: int
    seconds: float = 2.0
    scope: str = "ip"
    """ip, user, or user+inst."""


class RateLimiter:
    """Budgets by name and owner, each in windows that open with their first request."""

    def __init__(self, *, enabled: bool) -> None:
        self._enabled = enabled
        self._windows: dict[tuple[str, str], tuple[float, int]] = {}

    def spend(self, name: str, owner: str, limit: Limit, *, now_s: float, cost: int = 1) -> None:
        """Take from a budget.

        Raises:
            RefusalError: 50011, it is used up.
        """
        if not self._enabled:
            return
        key = (name, owner)
        opened, used = self._windows.get(key, (now_s, 0))
        if now_s - opened >= limit.seconds:
            opened, used = now_s, 0
        if used + cost > limit.count:
            raise RefusalError("50011", "Too Many Requests", 429)
        self._windows[key] = (opened, used + cost)


_SINGLE = Limit(60, scope="user+inst")
_BATCH = Limit(300, scope="user+inst")

COMMAND_LIMITS: dict[str, Limit] = {
    "order": _SINGLE,
    "cancel-order": _SINGLE,
    "amend-order": _SINGLE,
    "batch-orders": _BATCH,
    "cancel-batch-orders": _BATCH,
    "amend-batch-orders": _BATCH,
}
"""Budgets that REST and WebSocket share; batches count orders, a batch of one counts as a single order."""

SINGLE_OF_BATCH = {
    "batch-orders": "order",
    "cancel-batch-orders": "cancel-order",
    "amend-batch-orders": "amend-order",
}
