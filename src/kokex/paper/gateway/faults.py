"""One-shot faults, armed through the admin face: what real networks do, on demand."""

from __future__ import annotations

from collections import Counter

from kokex.domain.errors import ConfigurationError

FAULTS = {
    "cut_before_ack": "execute the next order command, then drop its connection without an answer",
    "timeout_live": "execute the next order command and answer 50004 (endpoint timeout)",
    "push_first": "send the next order command's pushes before its answer",
    "duplicate_push": "send the next orders push twice, the second time with a later uTime",
    "malformed_frame": "send a frame that is not JSON before the next orders push",
}


class Faults:
    """Counts of armed faults by kind."""

    def __init__(self) -> None:
        self._armed: Counter[str] = Counter()

    def arm(self, kind: str, count: int = 1) -> None:
        """Arm a fault for the next `count` occasions.

        Raises:
            ConfigurationError: no such fault.
        """
        if kind not in FAULTS:
            raise ConfigurationError(f"fault {kind!r} is unknown; choose among {', '.join(FAULTS)}")
        if count < 1:
            raise ConfigurationError(f"count {count} must be 1 or more")
        self._armed[kind] += count

    def strikes(self, kind: str) -> bool:
        """Whether this occasion is hit; uses up one."""
        if self._armed[kind] <= 0:
            return False
        self._armed[kind] -= 1
        return True

    def armed(self) -> dict[str, int]:
        """What still waits to happen."""
        return {kind: count for kind, count in self._armed.items() if count > 0}
