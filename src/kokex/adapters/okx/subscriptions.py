"""What the exchange has said of each wanted channel on one connection, and what is still to be said.

Forgotten with its connection; what is wanted is in `wishes`. No I/O: requests come out as frames to send.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from itertools import count

import msgspec

from kokex.adapters.okx.errors import ErrorKind, error_kind
from kokex.adapters.okx.wire import Argument, Frame
from kokex.adapters.okx.wishes import Channel, Wishes

_CHANNELS_A_REQUEST = 50
_BYTES_A_REQUEST = 4096
"""OKX v5 closes (1009) on a frame that is too large, without saying how large that is."""

_TRANSIENT = frozenset({ErrorKind.RATE_LIMITED, ErrorKind.BUSY})


class Answer(StrEnum):
    """What an error meant for the subscriptions."""

    TAKEN = "taken"
    AGAIN_LATER = "again_later"
    UNRELATED = "unrelated"


class Subscriptions:
    """The channels of one connection: asked for, acknowledged, put off, refused."""

    def __init__(self, wishes: Wishes) -> None:
        self._wishes = wishes
        self._live: set[Channel] = set()
        self._pending: dict[str, list[Channel]] = {}
        self._refused: dict[Channel, str] = {}
        self._numbers = count(1)
        self.put_off: set[Channel] = set()
        """Not given for now; asked for again after `ask_again`."""

    @property
    def live(self) -> frozenset[Channel]:
        """Acknowledged, and wanted still."""
        return frozenset(channel for channel in self._live if channel in self._wishes)

    @property
    def refused(self) -> dict[Channel, str]:
        """Wanted channels that the exchange does not give us, and why; asked for again on the next connection."""
        return {channel: reason for channel, reason in self._refused.items() if channel in self._wishes}

    @property
    def waiting(self) -> bool:
        """Whether an answer is due."""
        return bool(self._pending)

    @property
    def complete(self) -> bool:
        """Whether every wanted channel is acknowledged, refused or put off."""
        return not self._pending and not self._missing()

    def ask_again(self) -> None:
        """Ask for what was put off."""
        self.put_off.clear()

    def requests(self) -> list[bytes]:
        """Frames that bring the connection in line with what is wanted, as far as not sent already.

        One refused channel may cost its whole request, so each channel name has its own, and each doubtful channel.
        """
        self._refused = self.refused
        self.put_off = {channel for channel in self.put_off if channel in self._wishes}
        missing = self._missing()
        doubtful = self._wishes.doubtful
        together = [channel for channel in missing if channel not in doubtful]
        frames = [self._subscribe(group) for group in _groups(together)]
        frames += [self._subscribe([channel]) for channel in missing if channel in doubtful]
        for group in _requests_of(self._surplus()):
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
        self._wishes.doubtful.difference_update(named or rest)
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
            self.put_off.update(named)
            return Answer.AGAIN_LATER
        self._wishes.doubtful.update(named)
        if len(named) == 1:
            self._refused[named[0]] = f"{code} {frame.msg or ''}".strip()
        return Answer.TAKEN

    def on_dropped(self, name: str) -> None:
        """The exchange let all channels of this name die, although it had acknowledged them."""
        dead = {channel for channel in self._live if channel.name == name}
        self._live -= dead
        self.put_off |= dead

    def _subscribe(self, group: list[Channel]) -> bytes:
        identifier = f"s{next(self._numbers)}"
        self._pending[identifier] = group
        return _request("subscribe", identifier, group)

    def _missing(self) -> list[Channel]:
        asked = {channel for group in self._pending.values() for channel in group}
        known = asked | self._live | self._refused.keys() | self.put_off
        return [channel for channel in self._wishes.admitted if channel not in known]

    def _surplus(self) -> list[Channel]:
        return [channel for channel in self._live if channel not in self._wishes]

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
    by_name: dict[str, list[Channel]] = {}
    for channel in channels:
        by_name.setdefault(channel.name, []).append(channel)
    for named in by_name.values():
        yield from _requests_of(named)


def _requests_of(channels: Iterable[Channel]) -> Iterable[list[Channel]]:
    group: list[Channel] = []
    size = 0
    for channel in channels:
        if group and (len(group) == _CHANNELS_A_REQUEST or size + channel.size > _BYTES_A_REQUEST):
            yield group
            group, size = [], 0
        group.append(channel)
        size += channel.size
    if group:
        yield group


def _request(operation: str, identifier: str, group: list[Channel]) -> bytes:
    arguments = [channel.argument() for channel in group]
    return msgspec.json.encode({"id": identifier, "op": operation, "args": arguments})
