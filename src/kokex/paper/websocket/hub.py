"""Who is connected and who listens to what. Frames are rendered once an argument, not once a subscriber."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection
from typing import Any

import msgspec

from kokex.paper.instruments import Instrument
from kokex.paper.websocket.channels import PRIVATE_CHANNELS, Subscription
from kokex.paper.websocket.connection import Connection

_encode = msgspec.json.Encoder().encode

Listener = tuple[Connection, Subscription, bytes]
"""A connection, its subscription, and the head of its frames up to the data."""


class Hub:
    """Registry of connections and subscriptions."""

    def __init__(self) -> None:
        self.connections: set[Connection] = set()
        self.private: dict[tuple[str, str], list[Listener]] = defaultdict(list)
        """By account uid and channel."""
        self.public: dict[tuple[str, str], dict[Connection, Subscription]] = defaultdict(dict)
        """By channel and instrument (or instrument type)."""
        self._added = asyncio.Event()

    def add(self, connection: Connection, subscription: Subscription) -> None:
        """Start to serve a subscription."""
        if subscription.channel in PRIVATE_CHANNELS:
            assert connection.account is not None
            uid = connection.account.uid
            head = frame_head({**subscription.arg, "uid": uid})
            self.private[(uid, subscription.channel)].append((connection, subscription, head))
        else:
            self.public[_place(subscription)][connection] = subscription
        self._added.set()
        self._added = asyncio.Event()

    async def wait_for_listeners(self, uid: str, channels: Collection[str]) -> None:
        """Return once somebody listens to every one of an account's `channels`."""
        while not all(self.channel_connections(uid, channel) for channel in channels):
            await self._added.wait()

    def remove(self, connection: Connection, subscription: Subscription) -> None:
        """Stop serving a subscription."""
        if subscription.channel in PRIVATE_CHANNELS:
            assert connection.account is not None
            place = (connection.account.uid, subscription.channel)
            self.private[place] = [
                listener
                for listener in self.private[place]
                if listener[0] is not connection or listener[1].key != subscription.key
            ]
        else:
            self.public[_place(subscription)].pop(connection, None)

    def forget(self, connection: Connection) -> None:
        """A connection is gone."""
        self.connections.discard(connection)
        for subscription in connection.subscriptions.values():
            self.remove(connection, subscription)
        connection.subscriptions.clear()

    def channel_connections(self, uid: str, channel: str) -> int:
        """Connections on which an account listens to a channel; several arguments on one count once."""
        return len({id(listener[0]) for listener in self.private[(uid, channel)]})

    def push_private(
        self, uid: str, channel: str, payload: bytes, instrument: Instrument | None = None
    ) -> int:
        """Send one data item to an account's listeners; returns how many connections got it."""
        frames: dict[bytes, bytes] = {}
        served = set()
        for connection, subscription, head in self.private.get((uid, channel), ()):
            if instrument is not None and not subscription.covers(instrument):
                continue
            frame = frames.get(head)
            if frame is None:
                frame = frames[head] = b"".join((head, b',"data":[', payload, b"]}"))
            connection.send(frame)
            served.add(id(connection))
        return len(served)

    def push_public(self, channel: str, name: str, payload: bytes, *, action: str = "") -> None:
        """Send one data item to everybody who listens to a public channel."""
        listeners = self.public.get((channel, name))
        if not listeners:
            return
        frames: dict[str, bytes] = {}
        for connection, subscription in listeners.items():
            frame = frames.get(subscription.key)
            if frame is None:
                frame = frames[subscription.key] = public_frame(subscription, payload, action)
            connection.send(frame)

    def listened(self, channel: str) -> list[str]:
        """Instruments (or types) of a public channel that somebody listens to."""
        return [name for (kind, name), listeners in self.public.items() if kind == channel and listeners]


def public_frame(subscription: Subscription, payload: bytes, action: str = "") -> bytes:
    """One push of a public channel."""
    marker = b',"action":"%s"' % action.encode() if action else b""
    return b"".join((frame_head(dict(subscription.arg)), marker, b',"data":[', payload, b"]}"))


def frame_head(arg: dict[str, Any]) -> bytes:
    """The start of a push: `{"arg":{...}`, with nothing after the argument."""
    return b'{"arg":' + _encode(arg)


def _place(subscription: Subscription) -> tuple[str, str]:
    name = (
        subscription.instrument.inst_id
        if subscription.instrument is not None
        else subscription.says("instType")
    )
    return (subscription.channel, name)
