"""What is said on a connection besides its pushes: the login, and subscriptions kept in line with what is wanted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import structlog

from kokex.adapters.okx.connection_setting import ConnectionSetting
from kokex.adapters.okx.login import Login
from kokex.adapters.okx.rate_limit import Budget, RateLimiter
from kokex.adapters.okx.stream_status import StreamStatus
from kokex.adapters.okx.subscriptions import Answer, Channel, Subscriptions
from kokex.adapters.okx.websocket import ConnectionLostError, Ending, WebSocket
from kokex.adapters.okx.wire import Frame
from kokex.domain.errors import ExchangeStoppedError

log = structlog.get_logger(__name__)

_REQUESTS = Budget(480, 3600.0)  # OKX v5: subscribe, unsubscribe and login of one connection
_CALM_SECONDS = 60.0
_PLANNED_RESTART = "64008"
_LOGIN_REQUIRED = "60011"
_LOGIN_FAILED_CLOSE = 4001


class Conversation:
    """The control frames of one path. What is wanted outlives connections, everything else begins anew with each."""

    def __init__(self, setting: ConnectionSetting, login: Login | None, status: StreamStatus) -> None:
        self._clock = setting.clock
        self._policy = setting.policy
        self._random = setting.random
        self._login = login
        self._login_reply: asyncio.Future[Frame] | None = None
        self._status = status
        self._subscriptions = Subscriptions()
        self._changed = asyncio.Event()
        self._later = asyncio.Event()
        self._put_offs = 0
        self._last_put_off = float("-inf")
        self._unjudged: Frame | None = None

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

    async def something_wanted(self) -> None:
        """Return when a channel is wanted: OKX v5 closes a connection that subscribes to nothing."""
        while not self._subscriptions.wanted:
            self._changed.clear()
            await self._changed.wait()

    def begin(self) -> None:
        """A new connection knows nothing of the old one."""
        self._subscriptions.forget_connection()
        self._later.clear()

    async def hold(self, socket: WebSocket, announce: Callable[[], None]) -> None:
        """Log in, subscribe, and follow every change of what is wanted, until nothing is.

        Args:
            announce: called when every wanted channel is answered: at first, and after channels were added or lost.

        Raises:
            ConnectionLostError: no answer came.
            ExchangeStoppedError: the login is refused for good.
        """
        limiter = RateLimiter(self._clock)
        if self._login is not None:
            await self._log_in(socket, self._login)
        announced = False
        while self._subscriptions.wanted:
            self._changed.clear()
            announced = announced and self._subscriptions.complete
            for request in self._subscriptions.requests():
                await limiter.acquire("requests", _REQUESTS)
                socket.send(request)
            if not self._subscriptions.complete:
                await self._answer(socket)
            elif announced:
                await self._changed.wait()
            else:
                announced = True
                self._report_refused()
                announce()
            if self._later.is_set():
                self._later.clear()
                await self._clock.sleep(self._policy.backoff.delay(self._put_offs, self._random))
        socket.end("no channel is wanted any more", planned=True)

    def _report_refused(self) -> None:
        for channel, reason in self._subscriptions.refused.items():
            log.warning("channel refused", channel=channel.name, inst_id=channel.inst_id, reason=reason)

    async def _log_in(self, socket: WebSocket, login: Login) -> None:
        await login.prepare()
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
        self._unjudged = None
        login.judge(answer)

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

    def on_control(self, socket: WebSocket, frame: Frame, payload: bytes, received_at: datetime) -> None:
        """Take a frame that has an `event`."""
        event = frame.event
        if self._login_reply is not None and event in ("login", "error"):
            if not self._login_reply.done():
                self._unjudged = frame
                self._login_reply.set_result(frame)
        elif event == "subscribe":
            self._subscriptions.on_acknowledged(frame)
            self._changed.set()
        elif event == "error":
            self._on_error(socket, frame, payload, received_at)
        elif event == "channel-conn-count-error":
            self._subscriptions.on_dropped(frame.channel or "")
            self._ask_later()
            self._changed.set()
        elif event == "notice":
            if str(frame.code) == _PLANNED_RESTART:
                socket.end("OKX restarts this connection's server", planned=True)
        elif event not in ("unsubscribe", "channel-conn-count"):
            self._status.keep_malformed(payload, f"event {event!r} is not known", received_at)

    def _on_error(self, socket: WebSocket, frame: Frame, payload: bytes, received_at: datetime) -> None:
        if str(frame.code) == _LOGIN_REQUIRED:
            socket.end("OKX has forgotten our login")
            return
        answer = self._subscriptions.on_error(frame)
        if answer is Answer.AGAIN_LATER:
            self._ask_later()
        elif answer is Answer.UNRELATED:
            self._status.keep_malformed(payload, "an error that answers no request of ours", received_at)
        self._changed.set()

    def _ask_later(self) -> None:
        """A channel was refused for now: wait before asking again, longer while it goes on."""
        now = self._clock.monotonic()
        self._put_offs = self._put_offs + 1 if now - self._last_put_off < _CALM_SECONDS else 1
        self._last_put_off = now
        self._later.set()

    def judge_goodbye(self, ending: Ending) -> Ending:
        """OKX v5: close code 4001 is a refused login; it may come without the error that explains it, or right behind it."""
        answer, self._unjudged = self._unjudged, None
        if self._login is None or ending.close_code != _LOGIN_FAILED_CLOSE:
            return ending
        try:
            if answer is None:
                self._login.refuse("60009")
            self._login.judge(answer)
        except ExchangeStoppedError as error:
            return Ending(str(error), fatal=error)
        except ConnectionLostError as error:
            return replace(ending, reason=str(error))
        return ending
