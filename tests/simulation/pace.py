"""Time that runs fast while nobody works: for every sleep, deadline and clock of engine and exchange alike.

While all event loops wait, `PACE` seconds pass in one of the computer's; while one of them works, or the database for one of them, time
passes as it does; and never beyond the moment that the next of them waits for. So waiting costs little, and a slow or busy computer
does not look like a dead network.
"""

from __future__ import annotations

import asyncio
import selectors
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch
from weakref import WeakSet

import psycopg
from sqlalchemy.util import LRUCache

from kokex import bootstrap
from kokex.adapters.okx import adapter
from kokex.adapters.postgres import store
from kokex.adapters.postgres.address import DatabaseAddress
from kokex.adapters.postgres.database import Database
from kokex.paper import server
from kokex.services import approving, trading
from kokex.services.reconciling import missed
from kokex.services.reconciling import service as reconciling

PACE = 20.0
"""Seconds of the simulation in one of the computer's, while it waits."""
_INTERRUPTED_S = 2.0
"""How often the driver wakes to be interrupted while it waits for the database: ten times a second by default, each connection."""


class _Pace:
    """How much time has passed, and how many are at work."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._working = 0
        self._due: dict[object, float] = {}
        self._at = time.monotonic()
        self._passed = self._at
        self._began = time.time() - self._at

    def monotonic(self) -> float:
        """Seconds from an arbitrary start."""
        with self._lock:
            return self._catch_up()

    def since_epoch(self) -> float:
        """Seconds since 1970."""
        return self._began + self.monotonic()

    def work(self, more: int) -> None:
        """One more at work, or one less."""
        with self._lock:
            self._catch_up()
            self._working += more

    def rest(self, loop: object, seconds: float | None) -> None:
        """One less at work: it waits for so long at most."""
        with self._lock:
            now = self._catch_up()
            self._working -= 1
            if seconds is not None:
                self._due[loop] = now + seconds

    def resume(self, loop: object) -> None:
        """One more at work, after its rest."""
        with self._lock:
            self._catch_up()
            self._working += 1
            self._due.pop(loop, None)

    @contextmanager
    def working(self) -> Iterator[None]:
        """The database works, for whoever waits for it."""
        self.work(1)
        try:
            yield
        finally:
            self.work(-1)

    def _catch_up(self) -> float:
        now = time.monotonic()
        elapsed = now - self._at
        if self._working:
            self._passed += elapsed
        else:
            self._passed = max(self._passed, min([self._passed + elapsed * PACE, *self._due.values()]))
        self._at = now
        return self._passed


_PASSING = _Pace()


class FastClock:
    """The clock of the engine, and of the paper exchange in place of the module `time`."""

    def now(self) -> datetime:
        """The present, aware, UTC."""
        return datetime.fromtimestamp(self.time(), UTC)

    def time(self) -> float:
        """Seconds since 1970."""
        return _PASSING.since_epoch()

    def time_ns(self) -> int:
        """Nanoseconds since 1970."""
        return int(self.time() * 1e9)

    def monotonic(self) -> float:
        """Seconds from an arbitrary start, never going back."""
        return _PASSING.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`."""
        await asyncio.sleep(seconds)


class _FastSelector(selectors.DefaultSelector):
    """Waits as long as the loop means, in the computer's seconds; tells when its loop works."""

    def __init__(self) -> None:
        super().__init__()
        self._at_work = False

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            return super().select(timeout)
        self.rest(timeout)
        try:
            return super().select(timeout / PACE if timeout else timeout)
        finally:
            self._at_work = True
            _PASSING.resume(self)

    def rest(self, seconds: float | None = None) -> None:
        """The loop of this selector works no more, for so long at most."""
        if self._at_work:
            self._at_work = False
            _PASSING.rest(self, seconds)


class FastLoop(asyncio.SelectorEventLoop):
    """An event loop whose seconds are short. Once `dead`, nothing can be reached from it any more.

    Attributes:
        connections: to the database, the idle ones too, which the selector does not know.
    """

    def __init__(self) -> None:
        self.dead = False
        self.connections: WeakSet[psycopg.AsyncConnection[Any]] = WeakSet()
        self.selector = _FastSelector()
        super().__init__(self.selector)

    def time(self) -> float:
        """See `AbstractEventLoop`."""
        return _PASSING.monotonic()

    def run_forever(self) -> None:
        """See `AbstractEventLoop`."""
        try:
            super().run_forever()
        finally:
            self.selector.rest()

    def _add_reader(self, fd: Any, callback: Any, *args: Any) -> Any:
        return self._unless_dead(super()._add_reader)(fd, callback, *args)  # type: ignore[misc]

    def _add_writer(self, fd: Any, callback: Any, *args: Any) -> Any:
        return self._unless_dead(super()._add_writer)(fd, callback, *args)  # type: ignore[misc]

    def _unless_dead(self, method: Any) -> Any:
        if self.dead:
            raise ConnectionAbortedError("this process is dead")
        return method


_connect, _wait = psycopg.AsyncConnection.connect, psycopg.AsyncConnection.wait


async def _awaited(connection: psycopg.AsyncConnection[Any], generator: Any, **patience: Any) -> Any:
    """`AsyncConnection.wait`, and while the database works, time passes as it does; whoever listens to it waits idly."""
    patience = {"interval": _INTERRUPTED_S} | patience
    if generator.__name__ == "notifies":
        return await _wait(connection, generator, **patience)
    with _PASSING.working():
        return await _wait(connection, generator, **patience)


async def _remembered(*arguments: Any, **named: Any) -> psycopg.AsyncConnection[Any]:
    """`AsyncConnection.connect`, and the loop knows what it must cut off when it dies."""
    with _PASSING.working():
        connection = await _connect(*arguments, **named)
    loop = asyncio.get_running_loop()
    if isinstance(loop, FastLoop):
        loop.connections.add(connection)
    return connection


class _Statements(LRUCache[Any, Any]):
    """By what they ask, whoever asks: an engine's own dialect, which is like all the others, is left out of the key."""

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get(key[1:], default)

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key[1:], value)


_STATEMENTS = _Statements(1000)


class _LearnedDatabase(Database):
    """Knows how earlier engines of this process put their statements, which takes most of a start."""

    def __init__(self, address: DatabaseAddress) -> None:
        super().__init__(address)
        self._engine.sync_engine._compiled_cache = _STATEMENTS


@contextmanager
def fast_time() -> Iterator[None]:
    """Everything of KOKEX that is wired inside runs at `PACE`, with the patience of a local exchange."""
    clock = FastClock()
    policy = replace(adapter._LOCAL, open_seconds=5.0, answer_seconds=4.0, idle_seconds=6.0, pong_seconds=4.0)
    with ExitStack() as stack:
        for name, module in list(sys.modules.items()):
            if name.startswith("kokex.paper") and getattr(module, "time", None) is time:
                stack.enter_context(patch.object(module, "time", clock))
        stack.enter_context(patch.object(bootstrap, "SystemClock", FastClock))
        stack.enter_context(patch.object(bootstrap, "upgrade", lambda url: None))
        stack.enter_context(patch.object(adapter, "_LOCAL", policy))
        stack.enter_context(patch.object(server, "_LONGEST_WAIT_S", 0.25))
        stack.enter_context(patch.object(store, "Database", _LearnedDatabase))
        stack.enter_context(patch.object(psycopg.AsyncConnection, "connect", _remembered))
        # The adapter gives a command five seconds to arrive.
        stack.enter_context(patch.object(trading, "SETTLED_AFTER", timedelta(seconds=12)))
        stack.enter_context(patch.object(psycopg.AsyncConnection, "wait", _awaited))
        # No order here waits for a person.
        stack.enter_context(patch.object(approving, "READ_SECONDS", 20.0))
        stack.enter_context(patch.object(reconciling, "LOOK_SECONDS", 20.0))
        stack.enter_context(patch.object(reconciling, "TROUBLED_SECONDS", 2.0))
        # The market runs through a minute in no time, while the exchange's lists may lag behind by an event.
        stack.enter_context(patch.object(missed, "OVERLAP", timedelta(hours=1)))
        yield
