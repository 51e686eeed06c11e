"""Approval in the engine: what a person said to waiting orders is carried out, and what nobody answered in time ends.

`kokex approve` writes the answer; the engine hears of it, and reads all that waits again every second. An answer that no engine heard
is carried out by the next one, or ends with the order's time.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Final

import structlog

from kokex.domain.approvals import Approval, ApprovalOutcome
from kokex.domain.errors import KokexError
from kokex.domain.plan import Plan
from kokex.ports.clock import Clock
from kokex.ports.store import Store
from kokex.services.accounts import AccountSession
from kokex.services.halting import PlansAtWork
from kokex.services.halts import Halts
from kokex.services.looking import keep_looking
from kokex.services.trading import TradingService

log = structlog.get_logger(__name__)

READ_SECONDS: Final = 1.0
"""How often what waits is read although nobody told of a change; nothing waits much longer than its time."""
PATIENCE: Final = timedelta(seconds=30)
"""How long an approved order waits on for what the gate must know, after the answer or after its plan came to work here."""


class ApprovingService:
    """Follows the orders that wait for a person."""

    def __init__(self, store: Store, clock: Clock, halts: Halts, trading: TradingService) -> None:
        self._store = store
        self._clock = clock
        self._halts = halts
        self._trading = trading
        self._running: dict[str, asyncio.Task[None]] = {}
        self._since: dict[int, float] = {}
        self._looking = asyncio.Lock()

    async def run(self, plans: PlansAtWork) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            await keep_looking(
                self._clock,
                lambda: self._look(plans, tasks),
                self._store.approvals.changes,
                every=READ_SECONDS,
                what="approvals",
            )

    async def _look(self, plans: PlansAtWork, tasks: asyncio.TaskGroup) -> None:
        """Read what is to be done, and begin what is not under way."""
        async with self._looking:
            at_work = {plan.id: (plan, session) for plan, session in plans.at_work()}
            now = self._clock.monotonic()
            self._since = {plan_id: self._since.get(plan_id, now) for plan_id in at_work}
            self._running = {name: task for name, task in self._running.items() if not task.done()}
            if not at_work or not self._halts.known:
                return
            for approval in await self._store.approvals.unsettled():
                name = approval.client_order_id
                if approval.plan_id in at_work and name not in self._running:
                    plan, session = at_work[approval.plan_id]
                    self._running[name] = tasks.create_task(self._follow(approval, plan, session))

    async def _follow(self, approval: Approval, plan: Plan, session: AccountSession) -> None:
        """One step; what fails is tried again at the next look."""
        try:
            await self._settle(approval, plan, session)
        except KokexError as error:
            log.warning("waiting order waits on", order=approval.client_order_id, reason=str(error))
        except Exception as error:  # the engine goes on; the order waits, and ends with its time
            log.error("waiting order waits on", order=approval.client_order_id, exc_info=error)

    async def _settle(self, approval: Approval, plan: Plan, session: AccountSession) -> None:
        answer, waiting = approval.answer, self._trading.waiting
        if not session.owned:
            return
        if approval.outcome is not None:
            await waiting.catch_up(session, approval)
        elif answer is not None and not answer.approved:
            await self._end(approval, session, ApprovalOutcome.REFUSED, approval.refusal_sentence)
        elif self._clock.now() >= approval.expires_at:
            await self._end(approval, session, ApprovalOutcome.EXPIRED, approval.overdue_sentence)
        elif answer is not None:
            await self._trading.release(session, plan, approval, patient=self._is_early(approval, plan))

    async def _end(
        self, approval: Approval, session: AccountSession, outcome: ApprovalOutcome, reason: str
    ) -> None:
        order = await self._store.orders.get(approval.account_id, approval.client_order_id)
        if order is not None:
            await self._trading.waiting.end(session, order, outcome, reason)

    def _is_early(self, approval: Approval, plan: Plan) -> bool:
        answer = approval.answer
        began = self._since.get(plan.id, self._clock.monotonic())
        just_begun = self._clock.monotonic() - began < PATIENCE.total_seconds()
        return just_begun or (answer is not None and self._clock.now() - answer.at < PATIENCE)
