"""One WebSocket from its opening to its end, on picows."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from picows import (
    WSError,
    WSFrame,
    WSInvalidStatusError,
    WSListener,
    WSMsgType,
    WSTransport,
    ws_connect,
)

from kokex.ports.clock import Clock

_PING = b"ping"
_PONG = b"pong"
_CLOSE = WSMsgType.CLOSE
_TOO_MANY = 429
_DATA = (WSMsgType.TEXT, WSMsgType.CONTINUATION, WSMsgType.BINARY)


class ConnectionLostError(Exception):
    """This connection is of no more use; the message says why."""


class TooManyConnectionsError(ConnectionLostError):
    """It was refused because too many were opened in too short a time."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a connection ended.

    Attributes:
        planned: nothing went wrong; a new connection may be made at once.
        fatal: what a new connection cannot mend.
        close_code: the exchange's own, where it said goodbye.
    """

    reason: str
    planned: bool = False
    fatal: Exception | None = None
    close_code: int | None = None


class WebSocket(WSListener):
    """A connected socket. Texts are handed to `on_text` in order, but held back while paused.

    Args:
        on_text: takes one whole text frame, a copy of its own, and when it came in.
    """

    def __init__(self, clock: Clock, on_text: Callable[[bytes, datetime], None]) -> None:
        self._clock = clock
        self._on_text = on_text
        self._transport: WSTransport | None = None
        self._parts: list[bytes] = []
        self._held: deque[tuple[bytes, datetime]] = deque()
        self._ending: Ending | None = None
        self._gone = asyncio.Event()
        self.full = asyncio.Event()
        """Set while paused."""
        self.pong = asyncio.Event()
        """Set when the answer to a ping came in; cleared by each ping."""
        self.frames = 0
        """Received so far, whatever they were."""
        self.last_received = clock.monotonic()

    # -- picows calls these

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The handshake is done."""
        self._transport = transport
        self.last_received = self._clock.monotonic()
        if self._ending is not None:  # nobody waits for it any more
            transport.disconnect(graceful=False)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """A frame came in: assemble, then hand on or hold."""
        self.frames += 1
        self.last_received = self._clock.monotonic()
        kind = frame.msg_type
        if kind == _CLOSE:
            code = int.from_bytes(frame.get_payload_as_bytes()[:2], "big")
            reason = frame.get_close_reason()
            said = f" {reason!r}" if reason else ""
            self.end(f"OKX closed the connection ({code}{said})", close_code=code)
            return
        if kind not in _DATA:
            return
        payload = frame.get_payload_as_bytes()
        if not frame.fin or self._parts:
            self._parts.append(payload)
            if not frame.fin:
                return
            payload = b"".join(self._parts)
            self._parts.clear()
        if payload == _PONG:
            self.pong.set()
            return
        received_at = self._clock.now()
        if self.full.is_set():
            self._held.append((payload, received_at))
        else:
            self._deliver(payload, received_at)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """The transport is gone, by us or by the network."""
        if self._ending is None:
            self._ending = Ending("the connection broke without a goodbye")
        self._gone.set()

    # -- we call these

    def send(self, payload: bytes) -> None:
        """Send one text frame; silently nothing once the socket has ended, which `ended` tells."""
        if self._transport is not None and self._ending is None:
            self._transport.send(WSMsgType.TEXT, payload)

    def ping(self) -> None:
        """OKX v5: the bare text `ping`, answered with `pong`."""
        self.pong.clear()
        self.send(_PING)

    def end(
        self,
        reason: str,
        *,
        planned: bool = False,
        fatal: Exception | None = None,
        close_code: int | None = None,
    ) -> None:
        """Close, for this reason; the first reason counts."""
        if self._ending is not None:
            return
        self._ending = Ending(reason, planned, fatal, close_code)
        if self._transport is not None:
            self._transport.send_close()
            self._transport.disconnect(graceful=False)

    async def ended(self) -> Ending:
        """Return when the transport is gone."""
        await self._gone.wait()
        assert self._ending is not None
        return self._ending

    @property
    def held(self) -> int:
        """Frames that wait for room."""
        return len(self._held)

    def hold_first(self, texts: Sequence[tuple[bytes, datetime]]) -> None:
        """Put `texts`, which were taken out of order, before everything that is held; `resume` hands them on."""
        self._held.extendleft(reversed(texts))

    def pause(self) -> None:
        """Read no more, and hold what was read already, until `resume`."""
        if not self.full.is_set():
            self.full.set()
            if self._transport is not None:
                self._transport.underlying_transport.pause_reading()

    def resume(self) -> None:
        """Hand on what was held, then read again, unless that filled the listener anew."""
        self.full.clear()
        while self._held and not self.full.is_set():
            self._deliver(*self._held.popleft())
        if not self.full.is_set():
            self.last_received = self._clock.monotonic()
            if self._transport is not None and not self._gone.is_set():
                self._transport.underlying_transport.resume_reading()

    def _deliver(self, payload: bytes, received_at: datetime) -> None:
        try:
            self._on_text(payload, received_at)
        except Exception as error:  # noqa: BLE001 - whatever the listener does wrong ends the stream, loudly
            reason = f"a listener failed: {error!r}"
            self.end(reason, fatal=error)
            self._ending = Ending(reason, fatal=error)  # whatever ended the socket before


async def open_websocket(
    url: str,
    socket: WebSocket,
    *,
    user_agent: str,
    ssl_context: ssl.SSLContext | None,
    seconds: float,
) -> None:
    """Connect `socket` to `url`. Redirects are refused: keys go to the configured host alone.

    Raises:
        TooManyConnectionsError: refused for having opened too many.
        ConnectionLostError: no connection could be made in `seconds`.
    """
    try:
        async with asyncio.timeout(seconds):
            await ws_connect(
                lambda: socket,
                url,
                ssl_context=ssl_context,
                websocket_handshake_timeout=seconds,
                max_redirects=0,
                extra_headers={"User-Agent": user_agent},
            )
    except (WSError, OSError, TimeoutError) as error:
        socket.end("the handshake failed")
        told = str(error) or f"no answer in {seconds:g} s"
        kind = TooManyConnectionsError if _is_too_many(error) else ConnectionLostError
        raise kind(f"no connection to {url}: {told}") from error


def _is_too_many(error: Exception) -> bool:
    return (
        isinstance(error, WSInvalidStatusError)
        and error.response is not None
        and int(error.response.status) == _TOO_MANY
    )
