"""What leaves a WebSocket: pushes that are lost, late, doubled, out of order or broken, and sockets that go silent."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import msgspec

from kokex.paper.faults.injector import Faults
from kokex.paper.faults.plan import Fault
from kokex.paper.faults.record import Occasion
from kokex.paper.ledger.account import Account

GARBAGE = b'{"arg":{"channel":"orders"},"data":[{"instType":'
PONG = b"pong"
_PUSH_KINDS = (
    "drop_frame",
    "delay_frame",
    "duplicate_frame",
    "reorder_frame",
    "truncate_frame",
    "malformed_frame",
    "stall",
    "stall_with_pongs",
    "cut_socket",
    "close_socket",
    "restart_notice",
)
_CANDLE_KINDS = ("candle_gap", "late_confirm")
_CANDLES_KEPT = 8


class Line(Protocol):
    """A client's connection, as far as faults care."""

    path: str
    connection_id: str
    account: Account | None

    def enqueue(self, frame: bytes, *, not_before: float = 0.0) -> None:
        """Queue a frame; it and those behind it leave at `not_before` (monotonic) at the earliest."""
        ...

    def abort(self) -> None:
        """Drop the TCP connection."""
        ...

    def close(self, code: int, reason: str) -> None:
        """Close with a close frame."""
        ...


class _Arg(msgspec.Struct):
    channel: str = ""
    inst_id: str = msgspec.field(default="", name="instId")


class _Item(msgspec.Struct):
    inst_id: str = msgspec.field(default="", name="instId")


class _Frame(msgspec.Struct):
    arg: _Arg | None = None
    data: list[msgspec.Raw] | None = None
    event: str | None = None


_frame = msgspec.json.Decoder(_Frame)
_item = msgspec.json.Decoder(_Item)
_row = msgspec.json.Decoder(list[str])


@dataclass(slots=True)
class _Candle:
    """What was decided about one candle, for all connections alike."""

    start: str
    hidden: bool
    late: Fault | None = None
    confirmed: bool = False


@dataclass(slots=True, eq=False)
class _Held:
    """A frame that waits for the next one of its channel."""

    channel: str
    frame: bytes


class FrameFaults:
    """Faults of pushed frames; one for the server, with a gate for each connection."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self._candles: dict[tuple[str, str], list[_Candle]] = {}

    @property
    def armed(self) -> bool:
        """Whether frames must be looked at."""
        if self.faults.idle:
            return bool(self._candles)
        return bool(self._candles) or self.faults.waits(*_PUSH_KINDS, *_CANDLE_KINDS)

    def candle(self, channel: str, inst_id: str, row: list[str]) -> _Candle:
        """What shall happen to a row of a candle channel: decided once for each candle."""
        known = self._candles.setdefault((channel, inst_id), [])
        start, confirmed = row[0], row[-1] == "1"
        found = next((candle for candle in known if candle.start == start), None)
        occasion = Occasion(path="business", channel=channel, inst_id=inst_id, detail=f"candle {start}")
        if found is None:
            hidden = self.faults.strike("candle_gap", occasion) is not None
            found = _Candle(start, hidden)
            known.append(found)
            del known[:-_CANDLES_KEPT]
        if confirmed and not found.confirmed and not found.hidden:
            found.confirmed = True
            found.late = self.faults.strike("late_confirm", occasion)
            if found.late is None and not self.faults.waits(*_CANDLE_KINDS):
                del self._candles[(channel, inst_id)]
        return found


class FrameGate:
    """What every frame of one connection passes."""

    def __init__(self, shared: FrameFaults, line: Line) -> None:
        self._shared = shared
        self._faults = shared.faults
        self._line = line
        self._stalled_until = 0.0
        self._answers_pings = False
        self._held: list[_Held] = []

    @property
    def stalled(self) -> bool:
        """Whether nothing leaves."""
        return self._stalled_until > 0 and time.monotonic() < self._stalled_until

    @property
    def deaf(self) -> bool:
        """Whether nothing that comes in is read."""
        return self.stalled and not self._answers_pings

    def send(self, frame: bytes) -> None:
        """Let a frame pass, or whatever the faults make of it."""
        if self.stalled:
            if frame == PONG and self._answers_pings:
                self._line.enqueue(frame)
            return
        occasion = _occasion(self._line, frame) if self._held or self._shared.armed else None
        if occasion is None:
            self._line.enqueue(frame)
            return
        waiting = [held for held in self._held if held.channel == occasion.channel]
        if occasion.channel.startswith("candle"):
            self._judge_candle(frame, occasion)
        else:
            self._pass(frame, occasion)
        for held in waiting:
            self._release(held)

    def _judge_candle(self, frame: bytes, occasion: Occasion) -> None:
        data = _frame.decode(frame).data
        if not data:
            self._line.enqueue(frame)
            return
        row = _row.decode(data[0])
        candle = self._shared.candle(occasion.channel, occasion.inst_id, row)
        if candle.hidden:
            return
        if candle.late is not None and row[-1] == "1":
            self._later(candle.late.lasts, lambda: self._line.enqueue(frame))
            return
        self._pass(frame, occasion)

    def _pass(self, frame: bytes, occasion: Occasion) -> None:
        """The push through every kind; the first that swallows it ends its way."""
        strike = self._faults.strike
        for kind in ("stall", "stall_with_pongs"):
            fault = strike(kind, occasion)
            if fault is not None:
                self._stalled_until = time.monotonic() + fault.lasts
                self._answers_pings = kind == "stall_with_pongs"
                return
        if strike("cut_socket", occasion):
            self._line.abort()
        elif strike("close_socket", occasion):
            self._line.close(4006, "Abnormal disconnection")
        elif not strike("drop_frame", occasion):
            self._spoil(frame, occasion)
            notice = strike("restart_notice", occasion)
            if notice is not None:
                self._line.enqueue(restart_notice(self._line.connection_id))
                self._later(notice.lasts, lambda: self._line.close(1001, "Service upgrade"))

    def _spoil(self, frame: bytes, occasion: Occasion) -> None:
        strike = self._faults.strike
        if strike("malformed_frame", occasion):
            self._line.enqueue(GARBAGE)
        if strike("truncate_frame", occasion):
            self._line.enqueue(frame[: len(frame) // 2])
            return
        late = strike("reorder_frame", occasion)
        if late is not None:
            held = _Held(occasion.channel, frame)
            self._held.append(held)
            self._later(late.lasts, lambda: self._release(held))
            return
        slow = strike("delay_frame", occasion)
        not_before = time.monotonic() + slow.lasts if slow is not None else 0.0
        for _ in range(2 if strike("duplicate_frame", occasion) else 1):
            self._line.enqueue(frame, not_before=not_before)

    def _release(self, held: _Held) -> None:
        """What was held back leaves, unless it has."""
        if held in self._held:
            self._held.remove(held)
            self._line.enqueue(held.frame)

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        if math.isfinite(seconds):
            asyncio.get_running_loop().call_later(seconds, act)


def restart_notice(connection_id: str) -> bytes:
    """What OKX sends about a minute before a planned restart."""
    return msgspec.json.encode(
        {
            "event": "notice",
            "code": "64008",
            "msg": "The connection will soon be closed for a service upgrade. Please reconnect.",
            "connId": connection_id,
        }
    )


def _occasion(line: Line, frame: bytes) -> Occasion | None:
    """Where a pushed frame goes; None for answers and other frames that are no push."""
    if not frame.startswith(b'{"arg":'):
        return None
    parsed = _frame.decode(frame)
    if parsed.arg is None or parsed.data is None or parsed.event is not None:
        return None
    inst_id = parsed.arg.inst_id
    if not inst_id and parsed.data and bytes(parsed.data[0]).startswith(b"{"):
        inst_id = _item.decode(parsed.data[0]).inst_id
    account = line.account
    return Occasion(
        path=line.path,
        channel=parsed.arg.channel,
        inst_id=inst_id,
        account=account.uid if account is not None else "",
        detail=f"connection {line.connection_id}",
    )
