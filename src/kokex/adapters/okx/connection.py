"""A WebSocket path kept up for ever: connect, log in, subscribe, receive, and all of it again after every loss.

The account stream and both market streams are this, each with its own channels. Facts (OKX v5): a connection is closed after
30 s without traffic or without a subscription; subscribe, unsubscribe and login count to 480 an hour.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Protocol

import msgspec
import structlog

from kokex.adapters.okx.backoff import Backoff
from kokex.adapters.okx.configuration import USER_AGENT
from kokex.adapters.okx.login import Login
from kokex.adapters.okx.rate_limit import Budget, RateLimiter
from kokex.adapters.okx.stream_status import StreamStatus
from kokex.adapters.okx.subscriptions import Answer, Channel, Subscriptions
from kokex.adapters.okx.websocket import ConnectionLostError, Ending, WebSocket, open_websocket
from kokex.adapters.okx.wire import Frame
from kokex.domain.errors import ExchangeError, ExchangeStoppedError
from kokex.ports.clock import Clock

log = structlog.get_logger(__name__)

_frame_decoder = msgspec.json.Decoder(Frame)

_REQUESTS = Budget(480, 3600.0)
_BACKOFF = Backoff(base=0.25, cap=15.0)
_CALM_SECONDS = 60.0
_PLANNED_RESTART = "64008"
_LOGIN_REQUIRED = "60011"
_LOGIN_FAILED_CLOSE = 4001


@dataclass(frozen=True, slots=True)
class ConnectionPolicy:
    """Times of a connection, in seconds.

    Attributes:
        open_seconds: for the handshake.
        answer_seconds: for the answer to a login or a subscription.
        idle_seconds: of silence before a ping.
        pong_seconds: of further silence before the connection counts as dead.
        steady_seconds: that a connection must last for the back-off to begin anew.
    """

    open_seconds: float = 10.0
    answer_seconds: float = 10.0
    idle_seconds: float = 20.0
    pong_seconds: float = 8.0
    steady_seconds: float = 10.0
    backoff: Backoff = _BACKOFF


@dataclass(frozen=True, slots=True)
class ConnectionSetting:
    """What a connection needs from outside."""

    url: str
    ssl_context: ssl.SSLContext | None
    clock: Clock
    random: Random
    policy: ConnectionPolicy = ConnectionPolicy()


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
        self._login = login
        self._login_reply: asyncio.Future[Frame] | None = None
        self._subscriptions = Subscriptions()
        self._changed = asyncio.Event()
        self._later = asyncio.Event()
        self._put_offs = 0
        self._last_put_off = float("-inf")
        self._socket: WebSocket | None = None
        self.status = StreamStatus()

    @property
    def wanted(self) -> tuple[Channel, ...]:
        """The channels that are wanted."""
        return self._subscriptions.wanted

    @property
    def refused(self) -> dict[Channel, str]:
        """The wanted channels that the exchange does not give, and why."""
        return dict(self._subscriptions.refused)

    def want(self, channel: Channel) -> None:
        """Want `channel`, now and after every reconnect."""
        self._subscriptions.want(channel)
        self._changed.set()

    def unwant(self, channel: Channel) -> None:
        """Want it no longer."""
        self._subscriptions.unwant(channel)
        self._changed.set()

    async def run(self) -> None:
        """Keep the path up until cancelled.

        Raises:
            ExchangeStoppedError: the login is refused in a way that trying again cannot mend.
        """
        attempt = 0
        while True:
            await self._something_wanted()
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

    async def _something_wanted(self) -> None:
        while not self._subscriptions.wanted:
            self._changed.clear()
            await self._changed.wait()

    async def _live(self) -> Ending:
        """One connection, from opening to ending."""
        socket = self._socket = WebSocket(self._clock, self._on_text)
        self._subscriptions.forget_connection()
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
            self._socket = None
            self.status.connected_since = None
        self.status.reconnects += 1
        log.info("connection lost", url=self._setting.url, reason=ending.reason)
        self._listener.on_lost(ending.reason)
        return self._judge_goodbye(ending)

    async def _serve(self, socket: WebSocket) -> Ending:
        async with asyncio.TaskGroup() as group:
            parts = [
                group.create_task(self._part(socket, self._converse(socket))),
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

    def _judge_goodbye(self, ending: Ending) -> Ending:
        """OKX v5: close code 4001 is a refused login; it may come without the error that explains it."""
        if self._login is None or ending.close_code != _LOGIN_FAILED_CLOSE:
            return ending
        try:
            self._login.refuse("60009")
        except ExchangeStoppedError as error:
            return Ending(str(error), fatal=error)
        except ConnectionLostError:
            return ending

    # -- the conversation: login, then subscriptions in line with what is wanted

    async def _converse(self, socket: WebSocket) -> None:
        limiter = RateLimiter(self._clock)
        if self._login is not None:
            await self._log_in(socket, self._login)
        announced = False
        while self._subscriptions.wanted:
            self._changed.clear()
            if not self._subscriptions.settled:
                announced = False
                for request in self._subscriptions.requests():
                    await limiter.acquire("requests", _REQUESTS)
                    socket.send(request)
            if not self._subscriptions.settled:
                await self._answer(socket)
            elif announced:
                await self._changed.wait()
            else:
                announced = True
                self._announce()
            if self._later.is_set():
                self._later.clear()
                await self._clock.sleep(self._policy.backoff.delay(self._put_offs, self._setting.random))
        socket.end("no channel is wanted any more", planned=True)

    def _announce(self) -> None:
        self.status.connected_since = self.status.connected_since or self._clock.now()
        for channel, reason in self._subscriptions.refused.items():
            log.warning("channel refused", channel=channel.name, inst_id=channel.inst_id, reason=reason)
        self._listener.on_ready()

    async def _log_in(self, socket: WebSocket, login: Login) -> None:
        reply: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        self._login_reply = reply
        try:
            socket.send(login.request())
            async with asyncio.timeout(self._policy.answer_seconds):
                answer = await reply
        except TimeoutError:
            raise ConnectionLostError(
                f"no answer to the login in {self._policy.answer_seconds:g} s"
            ) from None
        finally:
            self._login_reply = None
        await login.judge(answer)

    async def _answer(self, socket: WebSocket) -> None:
        """Wait until something changes: an answer, a wish. Answers held back with everything else are waited for."""
        while not self._changed.is_set():
            try:
                async with asyncio.timeout(self._policy.answer_seconds):
                    await self._changed.wait()
            except TimeoutError:
                if not socket.full.is_set():
                    raise ConnectionLostError(
                        f"no answer to a subscription in {self._policy.answer_seconds:g} s"
                    ) from None

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

    def _on_text(self, payload: bytes) -> None:
        received_at = self._clock.now()
        try:
            frame = _frame_decoder.decode(payload)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            self.status.keep_malformed(payload, str(error), received_at)
            log.warning("frame unreadable", url=self._setting.url, reason=str(error))
            return
        if frame.event is not None:
            self._on_control(frame, payload, received_at)
        elif frame.arg is None or frame.data is None:
            self.status.keep_malformed(payload, "neither a push nor an event", received_at)
        elif not self._listener.on_push(frame, received_at) and self._socket is not None:
            self._socket.pause()

    def _on_control(self, frame: Frame, payload: bytes, received_at: datetime) -> None:
        event = frame.event
        if self._login_reply is not None and event in ("login", "error"):
            if not self._login_reply.done():
                self._login_reply.set_result(frame)
        elif event == "subscribe":
            self._subscriptions.on_acknowledged(frame)
            self._changed.set()
        elif event == "error":
            self._on_error(frame, payload, received_at)
        elif event == "channel-conn-count-error":
            self._subscriptions.on_dropped(frame.channel or "")
            self._ask_later()
            self._changed.set()
        elif event == "notice":
            if str(frame.code) == _PLANNED_RESTART and self._socket is not None:
                self._socket.end("OKX restarts this connection's server", planned=True)
        elif event not in ("unsubscribe", "channel-conn-count"):
            self.status.keep_malformed(payload, f"event {event!r} is not known", received_at)

    def _on_error(self, frame: Frame, payload: bytes, received_at: datetime) -> None:
        if str(frame.code) == _LOGIN_REQUIRED and self._socket is not None:
            self._socket.end("OKX has forgotten our login")
            return
        answer = self._subscriptions.on_error(frame)
        if answer is Answer.AGAIN_LATER:
            self._ask_later()
        elif answer is Answer.UNRELATED:
            self.status.keep_malformed(payload, "an error that answers no request of ours", received_at)
        self._changed.set()

    def _ask_later(self) -> None:
        """A channel was refused for now: wait before asking again, longer while it goes on."""
        now = self._clock.monotonic()
        self._put_offs = self._put_offs + 1 if now - self._last_put_off < _CALM_SECONDS else 1
        self._last_put_off = now
        self._later.set()
