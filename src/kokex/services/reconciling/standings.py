"""Accounts in trouble: since when and why, what they may still do, kept so that a person sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Protocol

import structlog

from kokex.domain.errors import StoreUnavailableError
from kokex.domain.standing import AccountStanding, Standing, Trouble
from kokex.ports.clock import Clock
from kokex.ports.store import Store
from kokex.services.accounts import AccountSession, AccountSessions

log = structlog.get_logger(__name__)

LOOK_SECONDS = 1.0
"""How often troubles are aged and kept. One that is over sooner leaves no trace but the log."""


class StandingSink(Protocol):
    """Who is told of accounts whose standing changed."""

    def on_standing_changed(self, session: AccountSession) -> None:
        """The gate lets through more or less than before."""
        ...


class Standings:
    """Keeps the standing of every account that is open here."""

    def __init__(self, store: Store, clock: Clock, sessions: AccountSessions) -> None:
        self._store = store
        self._clock = clock
        self._sessions = sessions
        self._kept: dict[int, AccountStanding] = {}
        self._sink: StandingSink | None = None

    async def load(self, session: AccountSession) -> None:
        """Take up a disagreement where an earlier process, or another engine, left it. Raises `StoreUnavailableError`.

        That an account could not be reached then says nothing of now.
        """
        kept = await self._store.reconciliation.standing(session.account.id)
        if kept is not None:
            self._kept[session.account.id] = kept
            known = kept.trouble
            session.trouble = known if known is not None and known.disagreement else None
            session.reconciled_at = kept.reconciled_at
        self._age(session)

    def out_of_reach(self, session: AccountSession, reason: str) -> None:
        """The account cannot be read. A disagreement that is known stays one: silence does not mend it."""
        if session.trouble is None:
            session.trouble = Trouble(reason, self._clock.now())
        elif not session.trouble.disagreement:
            session.trouble = replace(session.trouble, reason=reason)
        self._age(session)

    def disagrees(self, session: AccountSession, reason: str) -> None:
        """The account was read, and what it holds is not what plans hold."""
        since = self._clock.now() if session.trouble is None else session.trouble.since
        if session.trouble is None or not session.trouble.disagreement:
            log.error("account disagrees", account=session.account.name, reason=reason)
        session.trouble = Trouble(reason, since, disagreement=True)
        self._age(session)

    def agrees(self, session: AccountSession) -> datetime:
        """The account is in line with the exchange; since when, by our clock."""
        session.trouble = None
        session.reconciled_at = now = self._clock.now()
        self._age(session)
        return now

    def lost(self, session: AccountSession, instruments: Mapping[str, str]) -> None:
        """The account was read but for these instruments: only their plans suffer."""
        if session.lost == instruments:
            return
        for inst_id in sorted(instruments.keys() - session.lost.keys()):
            log.error("instrument lost", account=session.account.name, reason=instruments[inst_id])
        session.lost = dict(instruments)
        if self._sink is not None:
            self._sink.on_standing_changed(session)

    async def run(self, sink: StandingSink) -> None:
        """Age troubles and keep what changed, until cancelled."""
        self._sink = sink
        while True:
            await self._clock.sleep(LOOK_SECONDS)
            for session in self._sessions.all():
                if session.owned:
                    self._age(session)
                    await self._keep(session)

    def _age(self, session: AccountSession) -> None:
        trouble = session.trouble
        standing = Standing.TRADING if trouble is None else trouble.standing(self._clock.now())
        if standing is session.standing:
            return
        session.standing = standing
        reason = None if trouble is None else trouble.reason
        tell = log.info if standing is Standing.TRADING else log.error
        tell("account standing", account=session.account.name, standing=standing.value, reason=reason)
        if self._sink is not None:
            self._sink.on_standing_changed(session)

    async def _keep(self, session: AccountSession) -> None:
        now = AccountStanding(session.account.id, session.standing, session.trouble, session.reconciled_at)
        if self._kept.get(session.account.id) == now:
            return
        try:
            await self._store.reconciliation.save_standing(now)
        except StoreUnavailableError as error:
            log.warning("standing waits for the database", account=session.account.name, reason=str(error))
            return
        self._kept[session.account.id] = now
