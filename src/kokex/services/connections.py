"""The one stream of an account as the engine sees it: who shares it, how it stands, how far behind it is."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from kokex.domain.account import Credentials, Environment, ExchangeAccount
from kokex.domain.events import ClassifiedUpdate
from kokex.ports.exchange import AccountStream
from kokex.ports.store import SubscriptionStatus

LATE = timedelta(minutes=5)
"""How long the worst lag is remembered."""
_STEP = timedelta(seconds=10)


@dataclass(slots=True)
class Lag:
    """Received minus occurred, in seconds: the network, the exchange's delay, and how far the two clocks are apart.

    Attributes:
        last: of the newest event; None before the first.
    """

    last: float | None = None
    _worst: deque[tuple[datetime, float]] = field(default_factory=deque)

    def note(self, occurred_at: datetime, received_at: datetime) -> None:
        """An event arrived."""
        self.last = (received_at - occurred_at).total_seconds()
        if self._worst and received_at - self._worst[-1][0] < _STEP:
            began, worst = self._worst[-1]
            self._worst[-1] = (began, max(worst, self.last))
        else:
            self._worst.append((received_at, self.last))
        while received_at - self._worst[0][0] > LATE:
            self._worst.popleft()

    @property
    def worst(self) -> float | None:
        """The longest of the five minutes before the newest event."""
        return max((lag for _, lag in self._worst), default=None)


@dataclass(slots=True)
class Connection:
    """The one stream of an account, shared by its plans.

    Attributes:
        plans: instrument of each plan that is subscribed here, by plan number.
        held: updates that wait for the reconciliation to end; None when it has.
        events, reports: order updates, and reports of the account, that the stream told.
        flaws: items that could not be read, or that prove that one was missed.
        refused: why, by channel, of those that the exchange does not give.
        lost: why, by instrument, of those that cannot be reconciled.
        asking: the next look that flaws ask for, while it waits for its time.
    """

    account: ExchangeAccount
    credentials: Credentials
    stream: AccountStream | None = None
    plans: dict[int, str] = field(default_factory=dict)
    held: list[tuple[ClassifiedUpdate, datetime]] | None = field(default_factory=list)
    connected_since: datetime | None = None
    last_event_at: datetime | None = None
    events: int = 0
    reports: int = 0
    reconnects: int = -1
    flaws: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    lag: Lag = field(default_factory=Lag)
    reconciled_at: datetime | None = None
    stopped: str | None = None
    lost: dict[str, str] = field(default_factory=dict)
    task: asyncio.Task[None] | None = None
    asking: asyncio.Task[None] | None = None
    asked_at: float = float("-inf")
    released: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def key(self) -> str:
        """Names it."""
        return self.account.connection_key

    def add(self, plan_id: int, inst_id: str) -> None:
        """A plan shares it: what its instrument needs is wanted from now on."""
        self.remove(plan_id, unless=inst_id)
        first = inst_id not in self.plans.values()
        self.plans[plan_id] = inst_id
        if first and self.stream is not None:
            self.stream.subscribe_orders_channel(inst_id)

    def remove(self, plan_id: int, *, unless: str | None = None) -> None:
        """A plan shares it no longer: what only its instrument (other than `unless`) needed is not wanted any more."""
        inst_id = self.plans.pop(plan_id, None)
        if inst_id is None or inst_id == unless or inst_id in self.plans.values():
            return
        if self.stream is not None:
            self.stream.unsubscribe_orders_channel(inst_id)
        for channel in [name for name in self.refused if name.partition(" ")[2] == inst_id]:
            del self.refused[channel]

    def told(self, occurred_at: datetime, received_at: datetime) -> None:
        """An event came. A paper market has a time of its own, which says nothing about lag."""
        self.last_event_at = received_at
        if self.account.environment is not Environment.PAPER:
            self.lag.note(occurred_at, received_at)

    def statuses(self, *, active: bool = True) -> list[SubscriptionStatus]:
        """How each plan's subscription stands."""
        return [self._status(plan_id, active=active) for plan_id in self.plans]

    def _status(self, plan_id: int, *, active: bool) -> SubscriptionStatus:
        return SubscriptionStatus(
            plan_id=plan_id,
            connection_key=self.key,
            inst_id=self.plans[plan_id],
            active=active,
            connected_since=self.connected_since if active else None,
            last_event_at=self.last_event_at,
            events=self.events,
            reconnects=max(self.reconnects, 0),
            reconciled_at=self.reconciled_at,
            reports=self.reports,
            flaws=self.flaws,
            lag_seconds=self.lag.last,
            worst_lag_seconds=self.lag.worst,
            refused=dict(self.refused),
            stopped=self.stopped or self.lost.get(self.plans[plan_id]),
        )
