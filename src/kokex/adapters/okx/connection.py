"""A WebSocket path kept up for ever: connect, log in, subscribe, receive, and all of it again after every loss.

The account stream and both market streams are this, each with its own channels. OKX v5 closes a connection after 30 s
without traffic.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import datetime
from typing import Protocol

import msgspec
import structlog

from kokex.adapters.okx.configuration import USER_AGENT
from kokex.adapters.okx.connection_setting import ConnectionSetting
from kokex.adapters.okx.conversation import Conversation
from kokex.adapters.okx.login import Login
from kokex.adapters.okx.stream_status import StreamStatus
from kokex.adapters.okx.subscriptions import Channel
from kokex.adapters.okx.websocket import ConnectionLostError, Ending, WebSocket, open_websocket
from kokex.adapters.okx.wire import Frame
from kokex.domain.errors import ExchangeError, ExchangeStoppedError

log = structlog.get_logger(__name__)

_frame_decoder = msgspec.json.Decoder(Frame)


class ConnectionListener(Protocol):
    """Whose connection it is. Called on the event loop; only `room` may wait."""

    def on_push(self, frame: Frame, received_at: datetime) -> bool:
        """Take a push. False: full, hand on no more until `room` returns."""
        ...

    async def room(self) -> None:
        """Return when more can be taken."""
        ...

    def on_ready(self) -> None:
        """Every wanted channel is open, after a (re)connect or after new ones were added."""
        ...

    def on_lost(self, reason: str) -> None:
        """The connection is gone."""
        ...


class Connection:
    """One path of one host, connected while any channel is wanted."""

    def __init__(
        self, setting: ConnectionSetting, listener: ConnectionListener, login: Login | None = None
    ) -> None:
        self._setting = setting
        self._clock = setting.clock
        self._policy = setting.policy
        self._listener = listener
        self.status = StreamStatus()
        self._conversation = Conversation(setting, login, self.status)

    @property
    def refused(self) -> dict[Channel, str]:
        """The wanted channels that the exchange does not give, and why."""
        return self._conversation.refused

    def want(self, channel: Channel) -> None:
        """Want `channel`, now and after every reconnect."""
        self._conversation.want(channel)

    def unwant(self, channel: Channel) -> None:
        """Want it no longer."""
        self._conversation.unwant(channel)

    async def run(self) -> None:
        """Keep the path up until cancelled.

        Raises:
            ExchangeStoppedError: the login is refused in a way that trying again cannot mend.
        """
        attempt = 0
        while True:
            await self._conversation.something_wanted()
            began = self._clock.monotonic()
            ending = await self._live()
            lasted = self._clock.monotonic() - began
            self.status.last_loss = ending.reason
            if ending.fatal is not None:
                raise ending.fatal
            steady = lasted >= self._policy.steady_seconds
            attempt = 1 if steady else attempt + 1
            if ending.planned and (steady or attempt == 1):
                continue
            await self._clock.sleep(self._policy.backoff.delay(attempt, self._setting.random))

    async def _live(self) -> Ending:
        """One connection, from opening to ending."""
        socket = WebSocket(self._clock, self._on_text)
        self._conversation.begin()
        try:
            await open_websocket(
                self._setting.url,
                socket,
                user_agent=USER_AGENT,
                ssl_context=self._setting.ssl_context,
                seconds=self._policy.open_seconds,
            )
        except ConnectionLostError as error:
            log.info("no connection", url=self._setting.url, reason=str(error))
            return Ending(str(error))
        try:
            ending = await self._serve(socket)
            while socket.held and ending.fatal is None:
                await self._listener.room()
                socket.resume()
        finally:
            socket.end("closed by us")
            self.status.connected_since = None
        self.status.reconnects += 1
        log.info("connection lost", url=self._setting.url, reason=ending.reason)
        self._listener.on_lost(ending.reason)
        return self._conversation.judge_goodbye(ending)

    async def _serve(self, socket: WebSocket) -> Ending:
        async with asyncio.TaskGroup() as group:
            parts = [
                group.create_task(self._part(socket, self._conversation.hold(socket, self._announce))),
                group.create_task(self._part(socket, self._keep_alive(socket))),
                group.create_task(self._part(socket, self._relieve(socket))),
            ]
            ending = await socket.ended()
            for part in parts:
                part.cancel()
        return ending

    async def _part(self, socket: WebSocket, work: Coroutine[None, None, None]) -> None:
        """Run `work` until it finds the connection useless."""
        try:
            await work
        except ExchangeStoppedError as error:
            socket.end(str(error), fatal=error)
        except (ConnectionLostError, ExchangeError) as error:
            socket.end(str(error))

    def _announce(self) -> None:
        self.status.connected_since = self.status.connected_since or self._clock.now()
        self._listener.on_ready()

    # -- life signs and back-pressure

    async def _keep_alive(self, socket: WebSocket) -> None:
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

    async def _relieve(self, socket: WebSocket) -> None:
        while True:
            await socket.full.wait()
            await self._listener.room()
            socket.resume()

    # -- receiving

    def _on_text(self, socket: WebSocket, payload: bytes) -> None:
        received_at = self._clock.now()
        try:
            frame = _frame_decoder.decode(payload)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            self.status.keep_malformed(payload, str(error), received_at)
            log.warning("frame unreadable", url=self._setting.url, reason=str(error))
            return
        if frame.event is not None:
            self._conversation.on_control(socket, frame, payload, received_at)
        elif frame.arg is None or frame.data is None:
            self.status.keep_malformed(payload, "neither a push nor an event", received_at)
        elif not self._listener.on_push(frame, received_at):
            socket.pause()
