"""One connection of a path, from its opening to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime
from functools import partial
from typing import Protocol

import msgspec
import structlog

from kokex.adapters.okx.configuration import USER_AGENT
from kokex.adapters.okx.conversation import Conversation, Terms
from kokex.adapters.okx.first_of import first_of
from kokex.adapters.okx.websocket import (
    ConnectionLostError,
    Ending,
    TooManyConnectionsError,
    WebSocket,
    open_websocket,
)
from kokex.adapters.okx.wire import Frame
from kokex.adapters.okx.wishes import Channel
from kokex.domain.errors import DataError, ExchangeError, ExchangeStoppedError

log = structlog.get_logger(__name__)

_KEPT_BACK = 10_000
"""Pushes that a line which may not speak yet keeps, before it reads no more."""

_frame_decoder = msgspec.json.Decoder(Frame)


class LineListener(Protocol):
    """Whose line it is. Called on the event loop; only `room` may wait."""

    def on_push(self, frame: Frame, received_at: datetime) -> bool:
        """Take a push. False: full, hand on no more until `room` returns."""
        ...

    async def room(self) -> None:
        """Return when more can be taken."""
        ...

    def on_flaw(self, reason: str) -> None:
        """Something was pushed that cannot be read."""
        ...

    def on_refused(self, refused: Mapping[Channel, str]) -> None:
        """The wanted channels that are not given, and why."""
        ...

    def on_line_answered(self, line: Line) -> None:
        """Every wanted channel is answered, and some are open that were not before."""
        ...

    def on_line_dropped(self, line: Line, channel: str, reason: str) -> None:
        """All channels of this name are dead for now, although the connection lives."""
        ...


class Line:
    """A socket with its conversation and its life signs.

    Args:
        speaking: hand pushes on as they come; otherwise they are kept back until `speak`.

    Attributes:
        began: when its turn came to be opened (monotonic seconds).
        opened: whether the handshake succeeded.
        ready: set when every wanted channel was answered for the first time.
        restarting: set when the line stands and should be replaced by a new one.
        gapped: a channel was dead for a while although the connection lived.
        gone: set at its end, when all that was received is handed on; `ending` then says why.
    """

    def __init__(self, terms: Terms, listener: LineListener, *, speaking: bool) -> None:
        self._setting = terms.setting
        self._clock = terms.setting.clock
        self._policy = terms.setting.policy
        self._status = terms.status
        self._listener = listener
        self._conversation = Conversation(terms, self)
        self._socket = WebSocket(self._clock, self._on_text)
        self._speaking = asyncio.Event()
        if speaking:
            self._speaking.set()
        self._kept_back: list[tuple[bytes, datetime]] = []
        self.began = self._clock.monotonic()
        self.opened = False
        self.gapped = False
        self.ready = asyncio.Event()
        self.restarting = asyncio.Event()
        self.gone = asyncio.Event()
        self.ending = Ending("not ended yet")

    @property
    def channels(self) -> frozenset[Channel]:
        """The wanted channels that are open on it."""
        return self._conversation.live

    @property
    def stands(self) -> bool:
        """Whether every wanted channel is answered, and none that is vital is put off."""
        return self.ready.is_set() and self._conversation.stands

    async def live(self) -> None:
        """Open, log in, subscribe, receive; return when it is over and `gone` is set."""
        try:
            self.ending = await self._live()
        finally:
            self._socket.end("closed by us")
        self.gone.set()

    def speak(self) -> None:
        """Hand on what was kept back, then everything as it comes."""
        self._speaking.set()
        self._socket.hold_first(self._kept_back)
        self._kept_back = []
        self._socket.resume()

    async def confirm(self) -> bool:
        """Hear all that was sent to us until now, and a little more. False: no proof of that could be had."""
        self._socket.ping()
        while not self._socket.pong.is_set():
            await first_of(
                self._socket.pong.wait(), self.gone.wait(), self._clock.sleep(self._policy.confirm_seconds)
            )
            if self.gone.is_set() or not (self._socket.pong.is_set() or self._socket.full.is_set()):
                return self._socket.pong.is_set()
        await first_of(self.gone.wait(), self._clock.sleep(self._policy.linger_seconds))
        return True

    def end(self, reason: str) -> None:
        """Close it; nothing went wrong."""
        self._socket.end(reason, planned=True)

    async def _live(self) -> Ending:
        setting, queue = self._setting, self._setting.queue
        if queue is not None:
            await queue.turn(setting.url, setting.rank, self._policy.connects)
            self.began = self._clock.monotonic()
        try:
            await open_websocket(
                setting.url,
                self._socket,
                user_agent=USER_AGENT,
                ssl_context=setting.ssl_context,
                seconds=self._policy.open_seconds,
            )
        except ConnectionLostError as error:
            log.info("no connection", url=setting.url, reason=str(error))
            if queue is not None and isinstance(error, TooManyConnectionsError):
                queue.refused(setting.url, self._policy.connects)
            return Ending(str(error))
        self.opened = True
        if queue is not None:
            queue.opened(setting.url)
        ending = await self._serve()
        while self._socket.held and ending.fatal is None:
            await self._listener.room()
            self._socket.resume()
            ending = await self._socket.ended()
        log.info("connection ended", url=setting.url, reason=ending.reason)
        return self._conversation.judge_goodbye(ending)

    async def _serve(self) -> Ending:
        async with asyncio.TaskGroup() as group:
            parts = [
                group.create_task(self._part(partial(self._conversation.hold, self._socket))),
                group.create_task(self._part(self._keep_alive)),
                group.create_task(self._part(self._relieve)),
            ]
            ending = await self._socket.ended()
            for part in parts:
                part.cancel()
        return ending

    async def _part(self, work: Callable[[], Coroutine[None, None, None]]) -> None:
        """Run `work` until it finds the connection useless."""
        try:
            await work()
        except ExchangeStoppedError as error:
            self._socket.end(str(error), fatal=error)
        except (ConnectionLostError, ExchangeError, DataError) as error:
            self._socket.end(str(error))

    # -- life signs and back-pressure

    async def _keep_alive(self) -> None:
        socket = self._socket
        while True:
            idle = self._clock.monotonic() - socket.last_received
            if idle < self._policy.idle_seconds:
                await self._clock.sleep(self._policy.idle_seconds - idle)
                continue
            heard = socket.frames
            socket.ping()
            await self._clock.sleep(self._policy.pong_seconds)
            if socket.frames == heard and not socket.full.is_set():
                silence = self._clock.monotonic() - socket.last_received
                raise ConnectionLostError(f"nothing was heard for {silence:.0f} s, not even a pong")

    async def _relieve(self) -> None:
        await self._speaking.wait()
        while True:
            await self._socket.full.wait()
            await self._listener.room()
            self._socket.resume()

    # -- receiving

    def _on_text(self, payload: bytes, received_at: datetime) -> None:
        try:
            frame = _frame_decoder.decode(payload)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            self._flawed(payload, str(error), received_at)
            return
        if frame.event is not None:
            self._conversation.on_control(self._socket, frame, payload, received_at)
        elif frame.arg is None or frame.data is None:
            self._flawed(payload, "neither a push nor an event", received_at)
        elif not self._speaking.is_set():
            self._kept_back.append((payload, received_at))
            if len(self._kept_back) >= _KEPT_BACK:
                self._socket.pause()
        elif not self._listener.on_push(frame, received_at):
            self._socket.pause()

    def _flawed(self, payload: bytes, reason: str, received_at: datetime) -> None:
        self._status.keep_malformed(payload, reason, received_at)
        log.warning("frame unreadable", url=self._setting.url, reason=reason)
        self._listener.on_flaw(f"OKX pushed something unreadable: {reason}")

    # -- the conversation calls these

    def on_answered(self) -> None:
        """See `Hearer`."""
        self.ready.set()
        self._listener.on_line_answered(self)

    def on_refused(self, refused: Mapping[Channel, str]) -> None:
        """See `Hearer`."""
        self._listener.on_refused(refused)

    def on_dropped(self, channel: str, reason: str) -> None:
        """See `Hearer`."""
        log.warning("channel dropped", url=self._setting.url, channel=channel, reason=reason)
        self.gapped = True
        self._listener.on_line_dropped(self, channel, reason)

    def on_restart(self, reason: str) -> None:
        """See `Hearer`. A line that does not stand yet is given up at once."""
        log.info("connection to be replaced", url=self._setting.url, reason=reason)
        if self.ready.is_set():
            self.restarting.set()
        else:
            self.end(reason)
