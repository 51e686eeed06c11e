"""cancel-all-after: a dead man's switch on wall-clock time."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from kokex.paper.exchange.exchange import PaperExchange
from kokex.paper.exchange.rejection import RejectionError, malformed

CANCEL_SOURCE = "20"
_MOST_TAGS = 20


@dataclass(slots=True)
class CancelTimers:
    """Running timers by account and tag, as wall-clock deadlines in milliseconds."""

    _deadlines: dict[tuple[str, str], int] = field(default_factory=dict)

    def set(self, uid: str, tag: str, seconds_text: str, wall_ms: int) -> int:
        """Start, restart or (0) stop a timer; returns the trigger time, 0 when stopped."""
        if not seconds_text.isdigit():
            raise malformed("timeOut")
        seconds = int(seconds_text)
        if seconds == 0:
            self._deadlines.pop((uid, tag), None)
            return 0
        if not 10 <= seconds <= 120:
            raise malformed("timeOut")
        tags = {name for owner, name in self._deadlines if owner == uid and name}
        if tag and tag not in tags and len(tags) >= _MOST_TAGS:
            raise RejectionError(
                "51071", "You've reached the maximum limit for tag level cancel all after timers."
            )
        self._deadlines[(uid, tag)] = wall_ms + seconds * 1000
        return self._deadlines[(uid, tag)]

    def fire(self, exchange: PaperExchange, wall_ms: int) -> None:
        """Cancel the orders of every timer that has run out."""
        due = [key for key, deadline in self._deadlines.items() if deadline <= wall_ms]
        for uid, tag in due:
            del self._deadlines[(uid, tag)]
            exchange.run(partial(exchange.desk.cancel_all, exchange.accounts[uid], CANCEL_SOURCE, tag=tag))
