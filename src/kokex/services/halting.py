"""The kill switch in the engine: what is halted, and carrying it out.

`kokex risk halt` writes a row; the engine hears of it (and reads all rows again every few seconds), and from that moment the gate denies.
Then it cancels what the halted plans have open and, if asked, ends what they hold. What was done is kept for each plan, so a restart
goes on where it was. Until the rows were read once, everything counts as halted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final, Protocol

import structlog

from kokex.domain.errors import KokexError, StoreUnavailableError
from kokex.domain.plan import Plan
from kokex.ports.clock import Clock
from kokex.ports.risk import HaltRecord
from kokex.ports.store import Store
from kokex.services.accounts import AccountSession
from kokex.services.flattening import Flattening
from kokex.services.halts import Halts, covers
from kokex.services.looking import keep_looking

log = structlog.get_logger(__name__)

READ_SECONDS: Final = 5.0
"""How often the rows are read although nobody told of a change."""
RETRY_SECONDS: Final = 0.5
"""How soon what could not be done is tried again; twice as late each time, up to `LONGEST_RETRY_SECONDS`."""
LONGEST_RETRY_SECONDS: Final = 5.0


class PlansAtWork(Protocol):
    """Knows the plans at work in this engine."""

    def at_work(self) -> Iterable[tuple[Plan, AccountSession]]:
        """Each with its account's session."""
        ...


class HaltService:
    """Follows the halts and carries them out."""

    def __init__(self, store: Store, clock: Clock, halts: Halts, flattening: Flattening) -> None:
        self._store = store
        self._clock = clock
        self._halts = halts
        self._flattening = flattening
        self._running: dict[tuple[int, int], asyncio.Task[None]] = {}
        self._done: set[tuple[int, int]] = set()
        self._read = asyncio.Lock()

    async def run(self, plans: PlansAtWork) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            await keep_looking(
                self._clock,
                lambda: self._look(plans, tasks),
                self._store.risk.changes,
                every=READ_SECONDS,
                what="halts",
                survived=StoreUnavailableError,
            )

    async def _look(self, plans: PlansAtWork, tasks: asyncio.TaskGroup) -> None:
        """Read what is in force, and begin what is not carried out yet."""
        async with self._read:
            self._halts.take(await self._store.risk.halts_in_force())
            for record in self._halts.in_force:
                done = await self._store.risk.carried_out(record.id)
                self._done |= {(record.id, plan_id) for plan_id in done}
            in_force = {record.id for record in self._halts.in_force}
            for key, task in list(self._running.items()):
                if task.done() or key[0] not in in_force:
                    task.cancel()
                    del self._running[key]
            for plan, session in plans.at_work():
                for record in self._halts.in_force:
                    key = (record.id, plan.id)
                    if covers(record.halt, plan) and key not in self._done and key not in self._running:
                        self._running[key] = tasks.create_task(self._carry_out(record, plan, session, plans))

    async def _carry_out(
        self, record: HaltRecord, plan: Plan, session: AccountSession, plans: PlansAtWork
    ) -> None:
        """Until it is done; an account that cannot be reached now is waited for."""
        halt, delay = record.halt, RETRY_SECONDS
        log.warning("halt", plan=plan.id, where=halt.where, by=halt.by, reason=halt.reason)
        while any(plan.id == one.id for one, _ in plans.at_work()):
            try:
                await self._flattening.cancel_open(session, plan)
                if halt.flatten:
                    await self._flattening.flatten(session, plan, record.id)
                await self._store.risk.set_carried_out(record.id, plan.id, self._clock.now())
            except KokexError as error:
                log.warning("halt goes on", plan=plan.id, halt=record.id, reason=str(error))
                await self._clock.sleep(delay)
                delay = min(delay * 2, LONGEST_RETRY_SECONDS)
            else:
                self._done.add((record.id, plan.id))
                log.warning("halt carried out", plan=plan.id, halt=record.id, flatten=halt.flatten)
                return
