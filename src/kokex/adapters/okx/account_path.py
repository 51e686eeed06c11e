"""One of the two sockets of an account, and whom it reports to."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from kokex.adapters.okx.connection import Connection
from kokex.adapters.okx.connection_setting import ConnectionSetting
from kokex.adapters.okx.login import Login
from kokex.adapters.okx.wire import Frame
from kokex.adapters.okx.wishes import Channel


class AccountPathOwner(Protocol):
    """Whose paths they are; see `ConnectionListener`, with the path where it matters."""

    def on_push(self, path: AccountPath, frame: Frame, received_at: datetime) -> bool:
        """Take a push. False: full, hand on no more until `room` returns."""
        ...

    async def room(self) -> None:
        """Return when more can be taken."""
        ...

    def on_flaw(self, reason: str) -> None:
        """Something was pushed that cannot be read."""
        ...

    def on_refused(self, channel: Channel, reason: str) -> None:
        """A wanted channel is not given."""
        ...

    def on_ready(self, path: AccountPath) -> None:
        """Every wanted channel of the path is answered."""
        ...

    def on_dropped(self, channel: str, reason: str) -> None:
        """All channels of this name are dead for now."""
        ...

    def on_lost(self, path: AccountPath, reason: str) -> None:
        """The path's connection is gone."""
        ...


class AccountPath:
    """A connection that logs in."""

    def __init__(self, setting: ConnectionSetting, login: Login, owner: AccountPathOwner) -> None:
        self._owner = owner
        self.connection = Connection(setting, self, login)

    def on_push(self, frame: Frame, received_at: datetime) -> bool:
        """See `ConnectionListener`."""
        return self._owner.on_push(self, frame, received_at)

    async def room(self) -> None:
        """See `ConnectionListener`."""
        await self._owner.room()

    def on_flaw(self, reason: str) -> None:
        """See `ConnectionListener`."""
        self._owner.on_flaw(reason)

    def on_refused(self, channel: Channel, reason: str) -> None:
        """See `ConnectionListener`."""
        self._owner.on_refused(channel, reason)

    def on_ready(self) -> None:
        """See `ConnectionListener`."""
        self._owner.on_ready(self)

    def on_dropped(self, channel: str, reason: str) -> None:
        """See `ConnectionListener`."""
        self._owner.on_dropped(channel, reason)

    def on_lost(self, reason: str) -> None:
        """See `ConnectionListener`."""
        self._owner.on_lost(self, reason)
