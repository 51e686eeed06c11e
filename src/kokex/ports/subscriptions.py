"""How the engine's order subscriptions stand, for whoever looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class SubscriptionStatus:
    """How one plan's order subscription stands: a row of `ws_subscriptions`. Counts are the connection's, since it was made.

    Attributes:
        events, reports: order updates, and reports of the account, that the stream told.
        flaws: items that could not be read, or that prove that one was missed.
        lag_seconds, worst_lag_seconds: received minus occurred, of the newest event, and at most in the five minutes before it;
            None where none came, and on a paper exchange, whose market has a time of its own.
        refused: why, by channel (`orders ETH-USDT`), of those that the exchange does not give.
        stopped: why a person must act; None while all is well.
        updated_at: when this was written, by the engine's clock.
    """

    plan_id: int
    connection_key: str
    inst_id: str
    active: bool
    connected_since: datetime | None
    last_event_at: datetime | None
    events: int
    reconnects: int
    reconciled_at: datetime | None
    reports: int = 0
    flaws: int = 0
    lag_seconds: float | None = None
    worst_lag_seconds: float | None = None
    refused: Mapping[str, str] = field(default_factory=dict)
    stopped: str | None = None
    updated_at: datetime | None = None


class SubscriptionStore(Protocol):
    """`ws_subscriptions`."""

    async def save(self, statuses: Sequence[SubscriptionStatus], at: datetime) -> None:
        """Insert or replace, by plan, connection and instrument."""
        ...

    async def list(self) -> list[SubscriptionStatus]:
        """All, by plan."""
        ...
