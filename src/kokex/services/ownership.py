"""Exactly one engine works on an account: claiming accounts, keeping them, noticing at once when they are lost.

One task talks to the database session that holds the locks. Whoever is about to send an order asks it to prove that the
session lives; questions that wait are answered together. When the session is lost, so is every account, before anything else
happens; they are claimed again, and their plans begin anew, as after a start.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Protocol

import structlog

from kokex.domain.errors import StoreError
from kokex.ports.clock import Clock
from kokex.ports.ownership import AccountLocks

log = structlog.get_logger(__name__)

BEAT_SECONDS = 1.0
"""How often the session is proved, and accounts that others own are tried."""
COURTESY_BEATS = 3
"""For so many beats a free account is left to an engine that owns fewer."""


class OwnershipSink(Protocol):
    """Who is told of accounts that come and go. Must not wait."""

    def on_account_owned(self, account_id: int) -> None:
        """The account is this engine's, after it was another's or was lost."""
        ...

    def on_account_disowned(self, account_id: int, reason: str) -> None:
        """The account may be another engine's from now on: send nothing."""
        ...


class OwnershipService:
    """The accounts of this engine. One per process."""

    def __init__(self, locks: AccountLocks, clock: Clock) -> None:
        self._locks = locks
        self._clock = clock
        self._wanted: dict[int, asyncio.Event] = {}
        self._waited: dict[int, int] = {}
        self._owned: set[int] = set()
        self._dropped: set[int] = set()
        self._doubts: list[asyncio.Future[bool]] = []
        self._news = asyncio.Event()
        self._sink: OwnershipSink | None = None
        self._reachable = True

    @property
    def engine(self) -> str:
        """This engine's name."""
        return self._locks.engine

    def owns(self, account_id: int) -> bool:
        """Whether the account is this engine's, as far as is known without asking."""
        return account_id in self._owned

    async def claim(self, account_id: int) -> bool:
        """Want the account from now on. True: it is ours; False: it is not yet, `on_account_owned` will tell."""
        tried = self._wanted.get(account_id)
        if tried is None:
            tried = self._wanted[account_id] = asyncio.Event()
            self._dropped.discard(account_id)
            self._news.set()
        await tried.wait()
        return account_id in self._owned

    def drop(self, account_id: int) -> None:
        """Want it no longer: others may have it."""
        tried = self._wanted.pop(account_id, None)
        if tried is not None:
            tried.set()
        self._waited.pop(account_id, None)
        if account_id in self._owned:
            self._owned.discard(account_id)
            self._dropped.add(account_id)
            self._news.set()

    async def prove(self, account_id: int) -> bool:
        """Whether the account is ours at this moment, by the database's word. Ask before every order."""
        if account_id not in self._owned:
            return False
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._doubts.append(answer)
        self._news.set()
        return await answer and account_id in self._owned

    async def run(self, sink: OwnershipSink) -> None:
        """Serve until cancelled; all accounts are free then."""
        self._sink = sink
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._beat())
                while True:
                    await self._news.wait()
                    self._news.clear()
                    await self._round()
        finally:
            self._owned.clear()
            self._answer(lives=False)
            await self._locks.close()

    async def _beat(self) -> None:
        while True:
            await self._clock.sleep(BEAT_SECONDS)
            for account_id in self._wanted.keys() - self._owned:
                self._waited[account_id] = self._waited.get(account_id, 0) + 1
            self._news.set()

    async def _round(self) -> None:
        """Prove what is ours, give back what is not wanted, try for the rest."""
        asked = len(self._doubts)
        try:
            if self._owned or self._dropped:
                await self._locks.prove()
            self._answer(lives=True, most=asked)
            await self._give_back()
            await self._take(self._wanted.keys() - self._owned)
            self._reachable = True
        except StoreError as error:
            if self._reachable:
                log.warning("accounts wait for the database", reason=str(error))
            self._reachable = False
            self._lose(str(error))
            self._answer(lives=False)
        finally:
            for tried in self._wanted.values():
                tried.set()

    async def _give_back(self) -> None:
        for account_id in list(self._dropped):
            await self._locks.release(account_id)
            self._dropped.discard(account_id)

    async def _take(self, missing: Iterable[int]) -> None:
        missing = sorted(missing)
        if not missing:
            return
        others = await self._locks.others()
        for account_id in missing:
            patience = self._waited.get(account_id, 0)
            if others and len(self._owned) > min(others.values()) and patience < COURTESY_BEATS:
                continue
            if not await self._locks.acquire(account_id):
                continue
            if account_id not in self._wanted:
                self._dropped.add(account_id)
                self._news.set()
                continue
            self._owned.add(account_id)
            self._waited.pop(account_id, None)
            log.info("account owned", account=account_id, engine=self._locks.engine)
            if self._wanted[account_id].is_set() and self._sink is not None:
                self._sink.on_account_owned(account_id)

    def _lose(self, reason: str) -> None:
        lost, self._owned = self._owned, set()
        self._dropped.clear()
        for account_id in sorted(lost):
            log.error("account lost", account=account_id, reason=reason)
            if self._sink is not None:
                self._sink.on_account_disowned(account_id, reason)

    def _answer(self, *, lives: bool, most: int | None = None) -> None:
        now, self._doubts = self._doubts[:most], self._doubts[most:] if most is not None else []
        for doubt in now:
            if not doubt.done():
                doubt.set_result(lives)
        if self._doubts:
            self._news.set()
