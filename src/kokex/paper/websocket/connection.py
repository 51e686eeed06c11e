"""One client connection: a bounded buffer, a writer, and what it subscribed to."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Any

import msgspec
from aiohttp import WSMsgType, web

from kokex.paper.faults.frames import FrameFaults, FrameGate
from kokex.paper.ledger.account import Account

_encode = msgspec.json.Encoder().encode
_HOUR_S = 3600.0
_REQUESTS_AN_HOUR = 480


class Connection:
    """Frames go into the buffer without waiting; the writer sends them in order.

    A client that leaves more than `most_frames` unread is closed with 4005, as OKX does.
    """

    def __init__(
        self,
        socket: web.WebSocketResponse,
        transport: asyncio.Transport | None,
        *,
        path: str,
        connection_id: str,
        most_frames: int,
        faults: FrameFaults,
    ) -> None:
        self.socket = socket
        self._transport = transport
        self.path = path
        self.connection_id = connection_id
        self.account: Account | None = None
        self.subscriptions: dict[str, Any] = {}
        """By the canonical JSON of the subscription's argument."""
        self.subscribed_bytes = 0
        self.last_activity = time.monotonic()
        self.gate = FrameGate(faults, self)
        self._frames: deque[tuple[float, bytes]] = deque()
        self._ready = asyncio.Event()
        self._most_frames = most_frames
        self.closing_since = 0.0
        self._closing: tuple[int, bytes] | None = None
        self._requests = 0
        self._window_opened = self.last_activity

    @property
    def closing(self) -> bool:
        """Whether it takes no more frames."""
        return self._closing is not None

    def send(self, frame: bytes) -> None:
        """Send a text frame, past the faults."""
        self.gate.send(frame)

    def enqueue(self, frame: bytes, *, not_before: float = 0.0) -> None:
        """Queue a text frame; it and those behind it leave at `not_before` (monotonic seconds) at the earliest."""
        if self._closing is not None:
            return
        if len(self._frames) >= self._most_frames:
            self._frames.clear()
            self.close(4005, "The consumption speed is too slow, the buffer is full")
            return
        self._frames.append((not_before, frame))
        self._ready.set()

    def send_json(self, message: dict[str, Any]) -> None:
        """Queue a control message."""
        self.send(_encode(message))

    def close(self, code: int, reason: str) -> None:
        """Close after what is queued has been sent."""
        if self._closing is None:
            self._closing = (code, reason.encode())
            self.closing_since = time.monotonic()
            self._ready.set()

    def abort(self) -> None:
        """Drop the TCP connection without a word."""
        self._frames.clear()
        if self._closing is None:
            self._closing = (1006, b"")
        self._ready.set()
        if self._transport is not None:
            self._transport.abort()

    def spend_request(self) -> bool:
        """Count a subscribe, unsubscribe or login; False over 480 an hour (OKX v5)."""
        now = time.monotonic()
        if now - self._window_opened >= _HOUR_S:
            self._window_opened, self._requests = now, 0
        self._requests += 1
        return self._requests <= _REQUESTS_AN_HOUR

    async def write(self) -> None:
        """Send queued frames until the connection closes."""
        while True:
            while self._frames:
                wait_s = self._frames[0][0] - time.monotonic()
                if wait_s > 0:
                    await asyncio.sleep(wait_s)
                    continue
                _, frame = self._frames.popleft()
                try:
                    await self.socket.send_frame(frame, WSMsgType.TEXT)
                except ConnectionError:
                    return
                self.last_activity = time.monotonic()
            if self._closing is not None:
                code, reason = self._closing
                if code != 1006:
                    await self.socket.close(code=code, message=reason)
                return
            self._ready.clear()
            await self._ready.wait()
