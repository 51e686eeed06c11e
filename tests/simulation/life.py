"""An engine that can die at any moment: in a thread and an event loop of its own, which is stopped and never goes on.

Death is sudden: no task is told, no `finally` runs while anything can still be reached. Its sockets end as the system would end
those of a killed process. Only then, cut off from everything, is the loop taken apart, so that nothing leaks from run to run.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import Collection

from kokex.bootstrap import Engine, application, engine
from kokex.domain.errors import StoreUnavailableError
from kokex.domain.plan import PlanStatus
from kokex.ports.agent import Agent
from kokex.settings import Settings
from tests.simulation.pace import FastLoop

_BURIAL_S = 40.0


class EngineLife:
    """One engine, from its start to its death.

    Attributes:
        failure: why it ended by itself, which none should.
    """

    def __init__(self, settings: Settings, agent: Agent) -> None:
        self._settings = settings
        self._agent = agent
        self._loop = FastLoop()
        self._loop.set_exception_handler(lambda loop, context: None)
        self._engine: Engine | None = None
        self.failure: BaseException | None = None
        self._main: asyncio.Task[None] | None = None
        self._ended = threading.Event()
        self._buried = threading.Event()
        self._thread = threading.Thread(target=self._live, name="engine", daemon=True)
        self._thread.start()

    @property
    def engine(self) -> Engine | None:
        """The engine, once it is wired."""
        return self._engine

    @property
    def stillborn(self) -> bool:
        """Whether it ended at once because there was no database: whoever looks after it starts it again."""
        return isinstance(self.failure, StoreUnavailableError) and self._engine is None

    def trades(self, plans: dict[int, int], touched: Collection[int] = ()) -> bool:
        """Whether all `plans` (number: account) are at work here, and their accounts in line with the exchange.

        Args:
            touched: accounts on which their owner traded by hand: they may hold less than their plans, and say so.
        """
        made = self._engine
        if made is None:
            return False
        for plan_id, account_id in plans.items():
            session = made.services.sessions.by_id(account_id)
            if session is None or not session.reconciled:
                return False
            trouble = session.trouble
            if trouble is not None and not (trouble.disagreement and account_id in touched):
                return False
            if made.activity.status(plan_id) is not PlanStatus.RUNNING:
                return False
        return True

    def kill(self) -> None:
        """End it at once; `bury` it then."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._ended.wait()
        self._cut_off()

    async def stop(self) -> None:
        """End it in peace."""
        self._loop.call_soon_threadsafe(self._end)
        await asyncio.to_thread(self._ended.wait)
        await self.bury()

    async def bury(self) -> None:
        """Take apart what a dead engine leaves."""
        self._buried.set()
        await asyncio.to_thread(self._thread.join)

    def _end(self) -> None:
        if self._main is not None:
            self._main.cancel()

    def _live(self) -> None:
        """Life and burial, in one thread: the store's greenlets cannot be left from another."""
        asyncio.set_event_loop(self._loop)
        self._main = self._loop.create_task(self._serve())
        self._main.add_done_callback(self._stop)
        self._loop.run_forever()
        self._ended.set()
        self._buried.wait()
        self._bury()

    def _stop(self, task: asyncio.Task[None]) -> None:
        if not self._loop.dead:
            self._loop.stop()

    async def _serve(self) -> None:
        try:
            async with application(self._settings) as app:
                made = await engine(app, self._agent)
                self._engine = made
                await made.run()
        except Exception as error:  # noqa: BLE001 - whatever it is, the run's report names it
            self.failure = error

    def _cut_off(self) -> None:
        """No byte leaves any more, and whoever was talking to it sees the line end."""
        self._loop.dead = True
        own = {self._loop._ssock.fileno(), self._loop._csock.fileno()}  # type: ignore[attr-defined]
        for key in list(self._loop.selector.get_map().values()):
            if key.fd not in own:
                _shut(key.fd)
        for connection in self._loop.connections:
            if not connection.closed:
                _shut(connection.fileno())

    def _bury(self) -> None:
        self._loop.dead = True
        self._loop.call_soon(self._loop.stop)
        self._loop.run_forever()  # one round, which uses up a stop that came when the loop had ended by itself
        remains = asyncio.all_tasks(self._loop)
        for task in remains:
            task.cancel()
        if remains:
            self._loop.run_until_complete(asyncio.wait(remains, timeout=_BURIAL_S))
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()


def _shut(descriptor: int) -> None:
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as wire:
        wire.shutdown(socket.SHUT_RDWR)
