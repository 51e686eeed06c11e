"""What a connection is told before it begins."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from random import Random

from kokex.adapters.okx.backoff import Backoff
from kokex.adapters.okx.connection_queue import ConnectionQueue, Rank
from kokex.adapters.okx.rate_limit import Budget
from kokex.ports.clock import Clock

_BACKOFF = Backoff(base=0.25, cap=15.0)


@dataclass(frozen=True, slots=True)
class ConnectionPolicy:
    """Times of a connection, in seconds.

    Attributes:
        open_seconds: for the handshake.
        answer_seconds: for the answer to a login or a subscription.
        idle_seconds: of silence before a ping.
        pong_seconds: of further silence before the connection counts as dead.
        steady_seconds: that a connection must last for the back-off to begin anew; the first one after it is tried at once.
        confirm_seconds: for the pong that proves that all of a connection was heard before it is replaced.
        linger_seconds: that a connection is still listened to after that.
        connects: how many connections may be opened in a time, over all that share a `queue`; None for any number.
    """

    open_seconds: float = 10.0
    answer_seconds: float = 10.0
    idle_seconds: float = 20.0
    pong_seconds: float = 8.0
    steady_seconds: float = 10.0
    confirm_seconds: float = 2.0
    linger_seconds: float = 1.0
    connects: Budget | None = None
    backoff: Backoff = _BACKOFF


@dataclass(frozen=True, slots=True)
class ConnectionSetting:
    """What a connection needs from outside."""

    url: str
    ssl_context: ssl.SSLContext | None
    clock: Clock
    random: Random
    policy: ConnectionPolicy = ConnectionPolicy()
    queue: ConnectionQueue | None = None
    rank: Rank = Rank.ORDERS
