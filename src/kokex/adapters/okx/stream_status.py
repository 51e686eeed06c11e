"""What a stream can tell about itself."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

_KEPT = 100
_BYTES_KEPT = 16_384


@dataclass(frozen=True, slots=True)
class Malformed:
    """A frame, or one item of a frame, that could not be read. Kept for a person to see."""

    payload: bytes
    reason: str
    received_at: datetime


@dataclass(slots=True)
class StreamStatus:
    """Counters of one connection path, over all its connections.

    Attributes:
        connected_since: of the present connection, subscribed and alive; None while there is none.
        reconnects: connections lost after they had been made.
        handovers: connections replaced by a new one before they were closed, with nothing lost in between.
        events: updates handed on.
        last_loss: why the last connection, or attempt at one, ended.
        malformed: the latest unreadable things; `malformed_count` counts them all.
    """

    connected_since: datetime | None = None
    reconnects: int = 0
    handovers: int = 0
    events: int = 0
    last_event_at: datetime | None = None
    last_loss: str | None = None
    malformed: deque[Malformed] = field(default_factory=lambda: deque(maxlen=_KEPT))
    malformed_count: int = 0

    def count_events(self, number: int, received_at: datetime) -> None:
        """`number` updates were handed on."""
        self.events += number
        self.last_event_at = received_at

    def keep_malformed(self, payload: bytes, reason: str, received_at: datetime) -> None:
        """Keep what could not be read."""
        self.malformed_count += 1
        self.malformed.append(Malformed(payload[:_BYTES_KEPT], reason, received_at))
