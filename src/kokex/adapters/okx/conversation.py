"""What is said on a connection besides its pushes: the login, and subscriptions kept in line with what is wanted."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from kokex.adapters.okx.connection_setting import ConnectionSetting
from kokex.adapters.okx.first_of import first_of
from kokex.adapters.okx.login import Login
from kokex.adapters.okx.patience import Patience
from kokex.adapters.okx.rate_limit import Budget, RateLimiter
from kokex.adapters.okx.stream_status import StreamStatus
from kokex.adapters.okx.subscriptions import Answer, Subscriptions
from kokex.adapters.okx.websocket import ConnectionLostError, Ending, WebSocket
from kokex.adapters.okx.wire import Frame
from kokex.adapters.okx.wishes import Channel, Wishes
from kokex.domain.errors import ExchangeStoppedError

REQUESTS = Budget(480, 3600.0)
"""OKX v5: subscribe, unsubscribe and login of one connection."""
_PLANNED_RESTART = "64008"
_LOGIN_REQUIRED = "60011"
_LOGIN_FAILED_CLOSE = 4001


class Hearer(Protocol):
    """Who is told how the conversation goes."""

    def on_answered(self) -> None:
        """Every wanted channel is answered, and some are open that were not before."""
        ...

    def on_refused(self, refused: Mapping[Channel, str]) -> None:
        """These are not given, and why."""
        ...

    def on_dropped(self, channel: str, reason: str) -> None:
        """All channels of this name are dead for now, although the connection lives."""
        ...

    def on_restart(self, reason: str) -> None:
        """This connection should be replaced by a new one."""
        ...


@dataclass(frozen=True, slots=True)
class Terms:
    """What all conversations of one path have in common."""

    setting: ConnectionSetting
    wishes: Wishes
    login: Login | None
    status: StreamStatus
    patience: Patience


class Conversation:
    """The control frames of one connection."""

    def __init__(self, terms: Terms, hearer: Hearer) -> None:
        self._clock = terms.setting.clock
        self._answer_seconds = terms.setting.policy.answer_seconds
        self._wishes = terms.wishes
        self._login = terms.login
        self._status = terms.status
        self._patience = terms.patience
        self._hearer = hearer
        self._limiter = RateLimiter(self._clock)
        self._login_reply: asyncio.Future[Frame] | None = None
        self._unjudged: Frame | None = None
        self._verdict: ExchangeStoppedError | ConnectionLostError | None = None
        self._subscriptions = Subscriptions(terms.wishes)
        self._changed = asyncio.Event()
        self._ask_again_at: float | None = None

    @property
    def live(self) -> frozenset[Channel]:
        """The wanted channels that are open."""
        return self._subscriptions.live

    @property
    def stands(self) -> bool:
        """Whether every wanted channel is answered, and none that is vital is put off."""
        return self._subscriptions.complete and not any(one.vital for one in self._subscriptions.put_off)

    async def hold(self, socket: WebSocket) -> None:
        """Log in, subscribe, and follow every change of what is wanted, until nothing is.

        Raises:
            ConnectionLostError: no answer came.
            ExchangeStoppedError: the login is refused for good.
        """
        self._wishes.watch(self._changed)
        try:
            if self._login is not None:
                await self._log_in(socket, self._login)
            await self._keep_subscribed(socket)
        finally:
            self._wishes.unwatch(self._changed)
        socket.end("no channel is wanted any more", planned=True)

    async def _keep_subscribed(self, socket: WebSocket) -> None:
        told: frozenset[Channel] | None = None
        while self._wishes.admitted:
            self._changed.clear()
            for request in self._subscriptions.requests():
                await self._count_request()
                socket.send(request)
            if self._subscriptions.waiting:
                await self._answer(socket)
                continue
            self._hearer.on_refused({**self._subscriptions.refused, **self._wishes.crowded_out})
            live = self.live
            if (told is None or live - told) and self.stands:
                self._hearer.on_answered()
                told = live
            elif told is not None:
                told &= live
            await self._something_new()

    async def _count_request(self) -> None:
        """Wait for room in the hour's budget; a new connection has a budget of its own, so one is asked for as well."""
        if self._limiter.wait_for("requests", REQUESTS) > 0:
            self._hearer.on_restart("this connection has used up its requests of the hour")
        await self._limiter.acquire("requests", REQUESTS)

    async def _something_new(self) -> None:
        """Return when the wishes change, an answer changes the record, or what was put off is due."""
        if self._ask_again_at is None:
            await self._changed.wait()
            return
        rest = self._ask_again_at - self._clock.monotonic()
        if rest > 0:
            await first_of(self._changed.wait(), self._clock.sleep(rest))
        if self._clock.monotonic() >= self._ask_again_at:
            self._ask_again_at = None
            self._subscriptions.ask_again()

    async def _log_in(self, socket: WebSocket, login: Login) -> None:
        await login.prepare()
        reply: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        self._login_reply = reply
        try:
            await self._limiter.acquire("requests", REQUESTS)
            socket.send(login.request())
            async with asyncio.timeout(self._answer_seconds):
                answer = await reply
        except TimeoutError:
            raise ConnectionLostError(f"no answer to the login in {self._answer_seconds:g} s") from None
        finally:
            self._login_reply = None
        self._unjudged = None
        try:
            login.judge(answer)
        except (ExchangeStoppedError, ConnectionLostError) as verdict:
            self._verdict = verdict
            raise

    async def _answer(self, socket: WebSocket) -> None:
        """Wait until something changes: an answer, a wish. Answers held back with everything else are waited for."""
        while not self._changed.is_set():
            try:
                async with asyncio.timeout(self._answer_seconds):
                    await self._changed.wait()
            except TimeoutError:
                if not socket.full.is_set():
                    raise ConnectionLostError(
                        f"no answer to a subscription in {self._answer_seconds:g} s"
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
            self._on_overcrowded(frame)
        elif event == "notice" and str(frame.code) == _PLANNED_RESTART:
            self._hearer.on_restart("OKX restarts this connection's server")
        elif event not in ("unsubscribe", "channel-conn-count"):
            self._status.keep_malformed(payload, f"event {event!r} is not known", received_at)

    def _on_overcrowded(self, frame: Frame) -> None:
        """OKX v5: too many connections have this channel; it is dead here, although acknowledged."""
        name = frame.channel or ""
        self._subscriptions.on_dropped(name)
        self._put_off()
        self._hearer.on_dropped(name, f"{frame.conn_count or 'too many'} connections of the account have it")

    def _on_error(self, socket: WebSocket, frame: Frame, payload: bytes, received_at: datetime) -> None:
        if str(frame.code) == _LOGIN_REQUIRED and self._login is not None:
            socket.end("OKX has forgotten our login")
            return
        answer = self._subscriptions.on_error(frame)
        if answer is Answer.AGAIN_LATER:
            self._put_off()
        elif answer is Answer.UNRELATED:
            self._status.keep_malformed(payload, "an error that answers no request of ours", received_at)
        self._changed.set()

    def _put_off(self) -> None:
        """A channel was refused for now: wait before asking again, longer while it goes on."""
        self._ask_again_at = self._clock.monotonic() + self._patience.refused()
        self._changed.set()

    def judge_goodbye(self, ending: Ending) -> Ending:
        """OKX v5: close code 4001 is a refused login; it may come without the error that explains it, or right behind it."""
        answer, self._unjudged = self._unjudged, None
        verdict, self._verdict = self._verdict, None
        if self._login is None or ending.close_code != _LOGIN_FAILED_CLOSE:
            return ending
        if verdict is None:
            try:
                if answer is None:
                    self._login.refuse("60009")
                self._login.judge(answer)
            except (ExchangeStoppedError, ConnectionLostError) as error:
                verdict = error
        if isinstance(verdict, ExchangeStoppedError):
            return Ending(str(verdict), fatal=verdict)
        return ending if verdict is None else replace(ending, reason=str(verdict))
