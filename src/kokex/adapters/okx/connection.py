"""A WebSocket path kept up for ever: one line after the other, without a gap where the exchange announces a restart.

The account stream and both market streams are this, each with its own channels. OKX v5 closes a connection after 30 s
without traffic, and says some 60 s ahead when it will close one for an upgrade.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

import structlog

from kokex.adapters.okx.connection_setting import ConnectionSetting
from kokex.adapters.okx.conversation import Terms
from kokex.adapters.okx.first_of import first_of
from kokex.adapters.okx.line import Line
from kokex.adapters.okx.login import Login
from kokex.adapters.okx.patience import Patience
from kokex.adapters.okx.stream_status import StreamStatus
from kokex.adapters.okx.wire import Frame
from kokex.adapters.okx.wishes import Channel, Wishes

log = structlog.get_logger(__name__)


class ConnectionListener(Protocol):
    """Whose connection it is. Called on the event loop; only `room` may wait."""

    def on_push(self, frame: Frame, received_at: datetime) -> bool:
        """Take a push. False: full, hand on no more until `room` returns."""
        ...

    async def room(self) -> None:
        """Return when more can be taken."""
        ...

    def on_flaw(self, reason: str) -> None:
        """Something was pushed that cannot be read; it is kept in the status."""
        ...

    def on_refused(self, channel: Channel, reason: str) -> None:
        """A wanted channel is not given; told once for each reason."""
        ...

    def on_ready(self) -> None:
        """Every wanted channel is answered, after a (re)connect or after new ones were added."""
        ...

    def on_dropped(self, channel: str, reason: str) -> None:
        """All channels of this name are dead, although the connection lives; `on_ready` when they are back."""
        ...

    def on_lost(self, reason: str) -> None:
        """The connection is gone."""
        ...


class Connection:
    """One path of one host, connected while any channel is wanted."""

    def __init__(
        self, setting: ConnectionSetting, listener: ConnectionListener, login: Login | None = None
    ) -> None:
        self._clock = setting.clock
        self._policy = setting.policy
        self._random = setting.random
        self._listener = listener
        self._wishes = Wishes()
        self._line: Line | None = None
        self._told: dict[Channel, str] = {}
        self.status = StreamStatus()
        self.refused: dict[Channel, str] = {}
        """The wanted channels that the exchange does not give, or that do not fit, and why."""
        patience = Patience(setting.clock, setting.policy.backoff, setting.random)
        self._terms = Terms(setting, self._wishes, login, self.status, patience)

    def want(self, channel: Channel) -> None:
        """Want `channel`, now and after every reconnect."""
        self._wishes.want(channel)

    def unwant(self, channel: Channel) -> None:
        """Want it no longer."""
        self._wishes.unwant(channel)
        self._told.pop(channel, None)
        self.refused.pop(channel, None)

    async def run(self) -> None:
        """Keep the path up until cancelled.

        Raises:
            ExchangeStoppedError: the login is refused in a way that trying again cannot mend.
        """
        attempt = 0
        while True:
            await self._wishes.something()
            line = await self._lines()
            ending = line.ending
            self.status.last_loss = ending.reason
            if ending.fatal is not None:
                raise ending.fatal
            lasted = self._clock.monotonic() - line.began
            steady = line.ready.is_set() and lasted >= self._policy.steady_seconds
            attempt = 0 if steady else attempt + 1
            if steady or (ending.planned and attempt == 1):
                continue
            await self._rest(line, attempt)

    async def _rest(self, line: Line, attempt: int) -> None:
        """Back off; from a host that could not be reached, until it is reached by another of our connections."""
        delay = self._policy.backoff.delay(attempt, self._random)
        setting = self._terms.setting
        if line.opened or setting.queue is None:
            await self._clock.sleep(delay)
        else:
            await setting.queue.rest(setting.url, delay)

    async def _lines(self) -> Line:
        """Keep a line, and hand over to a new one wherever it is to be replaced; the last one, which has ended."""
        async with asyncio.TaskGroup() as group:
            line = self._line = self._start(group, speaking=True)
            while not line.gone.is_set():
                await first_of(line.gone.wait(), line.restarting.wait())
                if not line.gone.is_set():
                    line = self._line = await self._replaced(group, line)
        self._line = None
        if line.opened:
            self._lose(line.ending.reason)
        return line

    def _start(self, group: asyncio.TaskGroup, *, speaking: bool) -> Line:
        line = Line(self._terms, self, speaking=speaking)
        group.create_task(line.live())
        return line

    async def _replaced(self, group: asyncio.TaskGroup, old: Line) -> Line:
        """The line that goes on from `old`: a new one, or `old` itself where it ended before a new one could be had.

        The new one keeps its pushes back until the old one's are all handed on, so they are told twice rather than never,
        and not in another order.
        """
        attempt = 0
        while not old.gone.is_set():
            new = self._start(group, speaking=False)
            await first_of(old.gone.wait(), new.ready.wait(), new.gone.wait())
            if not new.gone.is_set():
                return await self._hand_over(old, new)
            attempt += 1
            log.warning("no connection to hand over to", reason=new.ending.reason)
            if new.ending.fatal is not None:
                await old.gone.wait()
            else:
                delay = self._policy.backoff.delay(attempt, self._random)
                await first_of(old.gone.wait(), self._clock.sleep(delay))
        return old

    async def _hand_over(self, old: Line, new: Line) -> Line:
        whole = new.ready.is_set() and not old.gone.is_set() and await old.confirm()
        old.end("handed over to a new connection")
        await old.gone.wait()
        whole = whole and not new.gapped
        if old.ending.fatal is not None:
            new.end("the stream ends")
            await new.gone.wait()
            return old
        self._line = new
        if whole:
            self.status.handovers += 1
            self.status.connected_since = self._clock.now()
        else:
            self._lose(old.ending.reason)
        new.speak()
        if new.stands and not (whole and new.channels <= old.channels):
            self.on_line_answered(new)
        return new

    def _lose(self, reason: str) -> None:
        self.status.connected_since = None
        self.status.reconnects += 1
        self.status.last_loss = reason
        self._listener.on_lost(reason)

    # -- lines call these

    def on_push(self, frame: Frame, received_at: datetime) -> bool:
        """See `LineListener`."""
        return self._listener.on_push(frame, received_at)

    async def room(self) -> None:
        """See `LineListener`."""
        await self._listener.room()

    def on_flaw(self, reason: str) -> None:
        """See `LineListener`."""
        self._listener.on_flaw(reason)

    def on_refused(self, refused: Mapping[Channel, str]) -> None:
        """See `LineListener`. The same refusal on every connection is told once."""
        self.refused = dict(refused)
        for channel, reason in refused.items():
            if self._told.get(channel) != reason:
                self._told[channel] = reason
                log.warning("channel refused", channel=channel.name, inst_id=channel.inst_id, reason=reason)
                self._listener.on_refused(channel, reason)

    def on_line_answered(self, line: Line) -> None:
        """See `LineListener`. A line that is to replace another says nothing before it does."""
        if line is self._line:
            self.status.connected_since = self.status.connected_since or self._clock.now()
            self._listener.on_ready()

    def on_line_dropped(self, line: Line, channel: str, reason: str) -> None:
        """See `LineListener`."""
        if line is self._line:
            self._listener.on_dropped(channel, reason)
