"""What struck, in order: in memory for the admin face, and as JSON lines in a file for whoever explains a failed run."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

import msgspec

from kokex.domain.errors import ConfigurationError
from kokex.paper.faults.plan import Fault

MOST_KEPT = 100_000
"""Strikes kept in memory; the file keeps all."""

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """Something that a fault may strike. Empty where it does not apply.

    Attributes:
        path: `POST trade/order`, `ws order`, or a WebSocket path such as `private`.
        account: uid.
        detail: what it hit: an order's name, a candle's start.
    """

    path: str = ""
    channel: str = ""
    inst_id: str = ""
    account: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """One fault that struck.

    Attributes:
        number: from 1, in order.
        fault: number of the armed fault, from 1 in the order of arming.
        occasion: which of that fault's occasions it was, from 1.
        market_ms: market time.
        at: wall-clock time, ISO 8601.
    """

    number: int
    kind: str
    fault: int
    occasion: int
    market_ms: int
    at: str
    path: str
    channel: str
    inst_id: str
    account: str
    detail: str

    def to_mapping(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


class FaultRecord:
    """Keeps what was armed and what struck."""

    def __init__(self, path: Path | None = None) -> None:
        self.strikes: deque[Strike] = deque(maxlen=MOST_KEPT)
        self.total = 0
        self._file: TextIO | None = None
        if path is not None:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._file = path.open("a", encoding="utf-8")
            except OSError as error:
                raise ConfigurationError(f"cannot write the fault record {path}: {error.strerror}") from error

    def armed(self, number: int, fault: Fault, seed: int, at: datetime) -> None:
        """Write down a fault that was armed."""
        self._write({"armed": number, "seed": seed, "at": at.isoformat(), **fault.to_mapping()})

    def cleared(self, at: datetime) -> None:
        """Write down that nothing is armed any more."""
        self._write({"cleared": True, "at": at.isoformat()})

    def add(self, strike: Strike) -> None:
        """Keep a strike."""
        self.total = strike.number
        self.strikes.append(strike)
        self._write({"struck": strike.number, **strike.to_mapping()})

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, row: dict[str, Any]) -> None:
        if self._file is not None:
            self._file.write(_encode(row).decode() + "\n")
            self._file.flush()
