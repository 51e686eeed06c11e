"""Which plans want which account in this engine: those at work, those being put to work, those that wait for another engine's end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import structlog

from kokex.domain.plan import Plan
from kokex.services.accounts import AccountSession, AccountSessions
from kokex.services.ownership import OwnershipService
from kokex.services.reconciling import ReconcilingService

log = structlog.get_logger(__name__)


class AccountClaims:
    """Claims accounts for plans, and lets them go with their last plan."""

    def __init__(
        self, ownership: OwnershipService, sessions: AccountSessions, reconciling: ReconcilingService
    ) -> None:
        self._ownership = ownership
        self._sessions = sessions
        self._reconciling = reconciling
        self._elsewhere: dict[int, Plan] = {}
        self._beginning: dict[int, Plan] = {}
        self._locks: dict[int, asyncio.Lock] = {}
        self.returned: asyncio.Queue[int] = asyncio.Queue()
        """Plans whose account came (back) to this engine: whoever follows the users' wishes puts them to work."""

    @property
    def elsewhere(self) -> list[str]:
        """Names of plans whose accounts another engine works on."""
        return sorted(plan.name for plan in self._elsewhere.values())

    def lock(self, account_id: int) -> asyncio.Lock:
        """Plans of one account come and go one after another; a stuck exchange keeps no other account waiting."""
        return self._locks.setdefault(account_id, asyncio.Lock())

    @contextmanager
    def beginning(self, plan: Plan) -> Iterator[None]:
        """While a plan is being put to work its account is not let go."""
        self._beginning[plan.id] = plan
        try:
            yield
        finally:
            del self._beginning[plan.id]

    def begins_on(self, account_id: int) -> bool:
        """Whether a plan is being put to work on the account."""
        return any(plan.account_id == account_id for plan in self._beginning.values())

    async def claim(self, session: AccountSession, plan: Plan) -> bool:
        """Have the account for the plan. False: another engine owns it, and the plan waits."""
        account_id = plan.account_id
        if not await self._ownership.claim(account_id):
            if plan.id not in self._elsewhere:
                log.info("plan waits for its account", plan=plan.id, account=session.account.name)
            self.wait_for(plan)
            return False
        self._elsewhere.pop(plan.id, None)
        if not session.owned:
            await self._reconciling.standings.load(session)
            session.owned = self._ownership.owns(account_id)
        if not session.reconciled:
            self._reconciling.standings.out_of_reach(session, "the account is not connected yet")
        return True

    def holds(self, plan: Plan) -> bool:
        """Whether the plan's account is this engine's."""
        return self._ownership.owns(plan.account_id)

    def wait_for(self, plan: Plan) -> None:
        """The plan's account is another engine's: begin as soon as it is ours."""
        self._elsewhere[plan.id] = plan

    def forget(self, plan: Plan) -> bool:
        """The plan waits no longer. False: it did not."""
        return self._elsewhere.pop(plan.id, None) is not None

    def leave(self, account_id: int, reason: str) -> AccountSession | None:
        """The account may be another engine's: nothing more goes out, from this moment on."""
        session = self._sessions.by_id(account_id)
        if session is not None:
            session.owned = session.reconciled = False
            self._reconciling.rest(session)
            log.error("account left", account=session.account.name, reason=reason)
        return session

    async def come_back(self, account_id: int) -> None:
        """The account is ours (again): its plans begin anew, as their users want them now."""
        async with self.lock(account_id):
            for plan in self._elsewhere.values():
                if plan.account_id == account_id:
                    self.returned.put_nowait(plan.id)

    def drop_if_idle(self, session: AccountSession, at_work: Iterable[Plan]) -> None:
        """Let others have an account that no plan works on here, begins on, or waits for."""
        account_id = session.account.id
        plans = [*at_work, *self._elsewhere.values(), *self._beginning.values()]
        if any(plan.account_id == account_id for plan in plans):
            return
        session.owned = session.reconciled = False
        self._reconciling.rest(session)
        self._ownership.drop(account_id)
