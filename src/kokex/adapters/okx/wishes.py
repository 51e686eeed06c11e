"""What is wanted of a path, over all its connections, within what OKX lets one connection have."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import msgspec

from kokex.adapters.okx.wire import Argument

_LARGEST_TOTAL = 65_536
"""OKX v5: the channels of one connection, written as JSON, have this many bytes at most."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One subscription: a channel, of one instrument or of all (`inst_id` None).

    Attributes:
        inst_type: for the channels that ask for it.
        extra: `extraParams`, JSON in a string.
        vital: without it the connection does not count as standing, even if the exchange puts it off only for a while.
    """

    name: str
    inst_id: str | None = None
    inst_type: str | None = None
    extra: str | None = None
    vital: bool = field(default=False, compare=False)

    def argument(self) -> dict[str, str]:
        """As OKX takes it."""
        fields = {
            "channel": self.name,
            "instId": self.inst_id,
            "instType": self.inst_type,
            "extraParams": self.extra,
        }
        return {name: value for name, value in fields.items() if value is not None}

    def named_by(self, argument: Argument) -> bool:
        """Whether `argument`, which may have more or fewer fields, means this channel."""
        return (
            argument.channel == self.name
            and (argument.inst_id or None) == self.inst_id
            and (not argument.inst_type or self.inst_type is None or argument.inst_type == self.inst_type)
        )

    @property
    def size(self) -> int:
        """Bytes of its argument, with the comma behind it."""
        return len(msgspec.json.encode(self.argument())) + 1


class Wishes:
    """The channels that are wanted, oldest wish first. What does not fit beside the older ones waits until it does."""

    def __init__(self) -> None:
        self._channels: dict[Channel, int] = {}
        self._admitted: dict[Channel, None] = {}
        self._crowded_out: dict[Channel, str] = {}
        self._watchers: set[asyncio.Event] = set()
        self.doubtful: set[Channel] = set()
        """Refused before, on this connection or another: better asked for alone."""

    @property
    def admitted(self) -> tuple[Channel, ...]:
        """What to ask for."""
        return tuple(self._admitted)

    @property
    def crowded_out(self) -> dict[Channel, str]:
        """What is wanted and not asked for, and why."""
        return dict(self._crowded_out)

    def __contains__(self, channel: Channel) -> bool:
        return channel in self._admitted

    def want(self, channel: Channel) -> None:
        """Want `channel`."""
        if channel not in self._channels:
            self._channels[channel] = channel.size
            self._weigh()

    def unwant(self, channel: Channel) -> None:
        """Want it no longer."""
        if self._channels.pop(channel, None) is not None:
            self.doubtful.discard(channel)
            self._weigh()

    def watch(self, changed: asyncio.Event) -> None:
        """Set `changed` whenever the wishes change, until `unwatch`."""
        self._watchers.add(changed)

    def unwatch(self, changed: asyncio.Event) -> None:
        """Set it no longer."""
        self._watchers.discard(changed)

    async def something(self) -> None:
        """Return when something is wanted: OKX v5 closes a connection that subscribes to nothing."""
        changed = asyncio.Event()
        self.watch(changed)
        try:
            while not self._admitted:
                changed.clear()
                await changed.wait()
        finally:
            self.unwatch(changed)

    def _weigh(self) -> None:
        self._admitted.clear()
        self._crowded_out.clear()
        total = 0
        for channel, size in self._channels.items():
            if total + size <= _LARGEST_TOTAL:
                total += size
                self._admitted[channel] = None
            else:
                self._crowded_out[channel] = (
                    f"the other channels of this connection leave no room for it: OKX takes {_LARGEST_TOTAL} bytes "
                    "of channels; want fewer instruments, or all at once"
                )
        for changed in self._watchers:
            changed.set()
