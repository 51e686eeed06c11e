"""The record of the channels that are wanted, and of what the exchange has said of each on this connection.

What is wanted outlives every connection; everything else is forgotten with it. No I/O: requests come out as frames to send.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import count, islice

import msgspec

from kokex.adapters.okx.errors import ErrorKind, error_kind
from kokex.adapters.okx.wire import Argument, Frame

_CHANNELS_A_REQUEST = 50  # some 4 KB; OKX v5 allows 64 KB for all channels of a connection

_TRANSIENT = frozenset({ErrorKind.RATE_LIMITED, ErrorKind.BUSY})


@dataclass(frozen=True, slots=True)
class Channel:
    """One subscription: a channel of one instrument. `inst_type` is for the channels that ask for it."""

    name: str
    inst_id: str
    inst_type: str | None = None

    def argument(self) -> dict[str, str]:
        """As OKX takes it."""
        argument = {"channel": self.name, "instId": self.inst_id}
        return argument if self.inst_type is None else {**argument, "instType": self.inst_type}

    def named_by(self, argument: Argument) -> bool:
        """Whether `argument`, which may have more or fewer fields, means this channel."""
        return argument.channel == self.name and argument.inst_id == self.inst_id


class Answer(StrEnum):
    """What an error meant for the subscriptions."""

    TAKEN = "taken"
    AGAIN_LATER = "again_later"
    UNRELATED = "unrelated"


class Subscriptions:
    """Wanted channels of one connection path."""

    def __init__(self) -> None:
        self._wanted: dict[Channel, None] = {}
        self._live: set[Channel] = set()
        self._pending: dict[str, list[Channel]] = {}
        self._alone: set[Channel] = set()
        self._numbers = count(1)
        self.refused: dict[Channel, str] = {}
        """Channels that the exchange does not give us, and why; asked for again on the next connection."""

    @property
    def wanted(self) -> tuple[Channel, ...]:
        """What we want, oldest wish first."""
        return tuple(self._wanted)

    @property
    def complete(self) -> bool:
        """Whether every wanted channel is acknowledged or refused."""
        return not self._pending and not self._missing()

    def want(self, channel: Channel) -> None:
        """Want `channel`, on this connection and all that follow."""
        self._wanted[channel] = None

    def unwant(self, channel: Channel) -> None:
        """Want it no longer."""
        self._wanted.pop(channel, None)
        self.refused.pop(channel, None)

    def forget_connection(self) -> None:
        """A new connection knows nothing of the old one's channels."""
        self._live.clear()
        self._pending.clear()
        self._alone.clear()
        self.refused.clear()

    def requests(self) -> list[bytes]:
        """Frames that bring the connection in line with what is wanted, as far as not sent already."""
        missing = self._missing()
        together = [channel for channel in missing if channel not in self._alone]
        frames = [self._subscribe(group) for group in _groups(together)]
        frames += [self._subscribe([channel]) for channel in missing if channel in self._alone]
        for group in _groups(self._surplus()):
            self._live.difference_update(group)
            frames.append(_request("unsubscribe", f"u{next(self._numbers)}", group))
        return frames

    def on_acknowledged(self, frame: Frame) -> None:
        """An acknowledgement: by its id, and by its argument where a request named several."""
        identifier = self._answered(frame)
        if identifier is None:
            return
        named, rest = self._split(identifier, frame.arg)
        self._live.update(named or rest)
        self._keep_pending(identifier, rest if named else [])

    def on_error(self, frame: Frame) -> Answer:
        """An error that may answer a request.

        It need not name its channel, so of a request for several each is then asked for alone.
        """
        identifier = self._answered(frame) or self._only_pending()
        if identifier is None:
            return Answer.UNRELATED
        named, rest = self._split(identifier, frame.arg)
        if not named:
            named, rest = rest, []
        self._keep_pending(identifier, rest)
        code = str(frame.code)
        if error_kind(code) in _TRANSIENT:
            return Answer.AGAIN_LATER
        if len(named) > 1:
            self._alone.update(named)
        else:
            self.refused[named[0]] = f"{code} {frame.msg or ''}".strip()
        return Answer.TAKEN

    def on_dropped(self, name: str) -> None:
        """The exchange let all channels of this name die, although it had acknowledged them."""
        self._live = {channel for channel in self._live if channel.name != name}

    def _subscribe(self, group: list[Channel]) -> bytes:
        identifier = f"s{next(self._numbers)}"
        self._pending[identifier] = group
        return _request("subscribe", identifier, group)

    def _missing(self) -> list[Channel]:
        asked = {channel for group in self._pending.values() for channel in group}
        known = asked | self._live | self.refused.keys()
        return [channel for channel in self._wanted if channel not in known]

    def _surplus(self) -> list[Channel]:
        return [channel for channel in self._live if channel not in self._wanted]

    def _answered(self, frame: Frame) -> str | None:
        """The id of the request that `frame` answers."""
        if frame.id is not None:
            return str(frame.id) if str(frame.id) in self._pending else None
        if frame.arg is None:
            return None
        return next((known for known in self._pending if self._split(known, frame.arg)[0]), None)

    def _split(self, identifier: str, argument: Argument | None) -> tuple[list[Channel], list[Channel]]:
        """The request's channels that `argument` names, and the rest."""
        group = self._pending[identifier]
        named = [one for one in group if argument is not None and one.named_by(argument)]
        return named, [one for one in group if one not in named]

    def _keep_pending(self, identifier: str, rest: list[Channel]) -> None:
        if rest:
            self._pending[identifier] = rest
        else:
            self._pending.pop(identifier, None)

    def _only_pending(self) -> str | None:
        return next(iter(self._pending)) if len(self._pending) == 1 else None


def _groups(channels: Iterable[Channel]) -> Iterable[list[Channel]]:
    rest = iter(channels)
    while group := list(islice(rest, _CHANNELS_A_REQUEST)):
        yield group


def _request(operation: str, identifier: str, group: list[Channel]) -> bytes:
    arguments = [channel.argument() for channel in group]
    return msgspec.json.encode({"id": identifier, "op": operation, "args": arguments})
