"""When an account is reconciled, and what follows.

    (re)connected ─► stream held ─► missed events ─► holdings ─► fates ─► orders may go out, held stream let through
                                        every few minutes, without holding anything: the same look again

Only after the first look may new orders go out. A later look stops nothing unless it finds a difference that does not settle.
"""

from __future__ import annotations

import asyncio
import random
from typing import Protocol

import structlog

from kokex.domain.account_reports import AccountReport
from kokex.domain.errors import ExchangeStoppedError, KokexError
from kokex.ports.clock import Clock
from kokex.ports.store import Store
from kokex.services.account_events import AccountEventService
from kokex.services.accounts import AccountSession, AccountSessions, what_to_do
from kokex.services.ledger import Ledgers
from kokex.services.order_events import OrderEventService
from kokex.services.reconciling.fates import OrderFates
from kokex.services.reconciling.funding import Funding
from kokex.services.reconciling.holdings import Holdings, Picture
from kokex.services.reconciling.missed import MissedEvents
from kokex.services.reconciling.refused import RecordRefusedError, record_of
from kokex.services.reconciling.standings import Standings
from kokex.services.reconciling.stops import Stops
from kokex.services.reconciling.together import heed_cancellation, together
from kokex.services.trading import TradingService

log = structlog.get_logger(__name__)

LOOK_SECONDS = 300.0
"""How often an account in line is looked at again; each time between 0.8 and 1.2 of it."""
TROUBLED_SECONDS = 5.0
"""How often one in trouble is."""
FIRST_DELAY, LONGEST_DELAY = 0.1, 5.0
"""Seconds before an attempt that failed is repeated: twice as long each time."""
REPETITIONS = 3
"""How often a request that came during an attempt has it repeated before orders may go out."""


class ReconciledSink(Protocol):
    """Who is told how accounts stand."""

    def on_account_reconciled(self, session: AccountSession) -> None:
        """Orders may go out."""
        ...

    def on_standing_changed(self, session: AccountSession) -> None:
        """The gate lets through more or less than before."""
        ...


class ReconcilingService:
    """Reconciles accounts, each on its own, for as long as it takes."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        sessions: AccountSessions,
        order_events: OrderEventService,
        trading: TradingService,
        ledgers: Ledgers,
        account_events: AccountEventService,
    ) -> None:
        self._clock = clock
        self._sessions = sessions
        self._order_events = order_events
        self._account_events = account_events
        self._missed = MissedEvents(store, clock, sessions, order_events, trading)
        self._holdings = Holdings(store, clock, ledgers, order_events, self._missed)
        self._funding = Funding(store, ledgers)
        self._fates = OrderFates(store, clock, sessions, order_events, self._missed, trading, ledgers)
        self._stops = Stops(clock, account_events)
        self.standings = Standings(store, clock, sessions)
        self._wanted: dict[str, None] = {}
        self._arrived = asyncio.Event()
        self._running: dict[str, asyncio.Task[None]] = {}

    def request(self, connection_key: str) -> None:
        """Reconcile the account of that connection soon; once more if an attempt is under way."""
        self._wanted[connection_key] = None
        self._arrived.set()

    def idle(self, session: AccountSession) -> bool:
        """Whether the account's first look is over and none is asked for."""
        return session.looked and session.account.connection_key not in self._wanted

    def stops_told(self, connection_key: str) -> None:
        """The account's stops are told of (again): what they became before has to be read, unless a look has yet to do so.

        That holds nothing: orders go by what the account's other socket tells.
        """
        session = self._sessions.by_key(connection_key)
        if session is not None and connection_key not in self._wanted and not session.stops_due:
            self._stops.told(connection_key)

    def abandon(self, connection_key: str, reason: str = "the account's stream is lost") -> None:
        """The stream is gone: what was being read no longer joins up with it."""
        session = self._sessions.by_key(connection_key)
        if session is not None:
            self.rest(session)
            self.standings.out_of_reach(session, reason)

    def rest(self, session: AccountSession) -> None:
        """No plan works on the account here any more."""
        key = session.account.connection_key
        self._wanted.pop(key, None)
        self._stops.forget(key)
        task = self._running.pop(key, None)
        if task is not None:
            task.cancel()

    async def run(self, sink: ReconciledSink) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._fates.run())
            tasks.create_task(self.standings.run(sink))
            while True:
                await self._arrived.wait()
                self._arrived.clear()
                for key in list(self._wanted):
                    task = self._running.get(key)
                    if task is None or task.done() or self._is_in_line(key):
                        if task is not None:
                            task.cancel()
                        self._running[key] = tasks.create_task(self._serve(key, sink))

    def _is_in_line(self, connection_key: str) -> bool:
        """Whether the account's task is past its first look, and may be begun anew."""
        session = self._sessions.by_key(connection_key)
        return session is not None and session.looked

    async def _serve(self, connection_key: str, sink: ReconciledSink) -> None:
        session = self._sessions.by_key(connection_key)
        if session is None:
            self._wanted.pop(connection_key, None)
            return
        session.looked = False
        if not await self._until_reconciled(connection_key, session) or self._is_over(connection_key):
            return
        session.looked = True
        session.stopped = None
        session.reconciled = True
        self._order_events.release(session.account)
        log.info("account reconciled", account=session.account.name)
        sink.on_account_reconciled(session)
        if connection_key in self._wanted:
            self._arrived.set()
        async with asyncio.TaskGroup() as looks:
            following = looks.create_task(self._stops.follow(session))
            await self._look_for_ever(session)
            following.cancel()

    def _is_over(self, connection_key: str) -> bool:
        """Whether another attempt took this one's place, or none is wanted.

        A cancellation can get lost: a task group that has an error of its own raises that.
        """
        return self._running.get(connection_key) is not asyncio.current_task()

    async def _until_reconciled(self, connection_key: str, session: AccountSession) -> bool:
        """Attempt after attempt. False: only a person can help."""
        delay, done = FIRST_DELAY, 0
        while not done or self._lacks(session) or (done < REPETITIONS and connection_key in self._wanted):
            if self._is_over(connection_key):
                return False
            self._wanted.pop(connection_key, None)
            try:
                await self.reconcile(session)
            except ExchangeStoppedError as error:
                self._stop(session, error)
                return False
            except KokexError as error:
                heed_cancellation()
                self.standings.out_of_reach(session, f"the account could not be reconciled: {error}")
                log.warning("not reconciled yet", account=session.account.name, reason=str(error))
                await self._clock.sleep(delay)
                delay = min(delay * 2, LONGEST_DELAY)
            else:
                done += 1
        return True

    def _stop(self, session: AccountSession, error: ExchangeStoppedError) -> None:
        session.stopped = reason = what_to_do(session.account, error)
        self.standings.out_of_reach(session, reason)
        log.error("account stopped", account=session.account.name, reason=reason)

    def _lacks(self, session: AccountSession) -> bool:
        """Whether a plan joined during the last attempt whose instrument that attempt did not read."""
        connection = self._order_events.connections.get(session.account.connection_key)
        return connection is not None and not session.read.issuperset(connection.plans.values())

    async def reconcile(self, session: AccountSession) -> None:
        """Journal what was missed, compare what is held, judge orders without trace.

        Raises:
            ExchangeError: the exchange could not be read to the end.
        """
        session.stops_due = True
        try:
            await self._look(session)
        finally:
            session.stops_due = False

    async def _look(self, session: AccountSession) -> None:
        instruments = await self._missed.instruments(session)
        lost: dict[str, str] = {}
        picture = await self._picture(session, instruments, lost)
        self._order_events.lost(session.account, lost)
        self.standings.lost(session, lost)
        for unfound in picture.unfound:
            agrees = unfound.inst_id not in picture.differences
            await self._fates.judge(session, unfound, agrees=agrees)
        session.read = frozenset(instruments)
        await self._funding.read(session, [unfound.coverage for unfound in picture.unfound])
        if picture.unfound:
            await self._compare_account(session, picture)
        if picture.reason is None:
            self._order_events.reconciled(session.account, self.standings.agrees(session))
        else:
            self.standings.disagrees(session, picture.reason)

    async def _picture(
        self, session: AccountSession, instruments: list[str], lost: dict[str, str]
    ) -> Picture:
        """Of all instruments that can be read; into `lost` goes why the others cannot.

        Raises:
            ExchangeError: not even one can.
        """
        while True:
            readable = [inst_id for inst_id in instruments if inst_id not in lost]
            try:
                await together(self._describe(session, inst_id) for inst_id in readable)
                return await self._holdings.picture(session, readable)
            except RecordRefusedError as error:
                if len(readable) == 1:
                    raise
                lost[error.inst_id] = error.sentence

    async def _describe(self, session: AccountSession, inst_id: str) -> None:
        with record_of(inst_id):
            await self._sessions.refresh_instrument(session, inst_id)

    async def _compare_account(self, session: AccountSession, picture: Picture) -> None:
        """Journal what positions, balances and stops became while nobody listened."""
        exchange = session.exchange
        taken_at = max(unfound.coverage.read_to for unfound in picture.unfound)
        session.stops_due = False
        positions, balances, stops = await asyncio.gather(
            exchange.positions(), exchange.balances(), self._stops.read(session)
        )
        reports: list[AccountReport] = [*positions, *balances, *stops]
        await self._account_events.reconcile(session.account, reports, taken_at=taken_at)

    async def _look_for_ever(self, session: AccountSession) -> None:
        """Look again and again, while the account trades."""
        while True:
            calm = session.trouble is None
            # Spread, so that many accounts are not looked at in the same moment.
            seconds = LOOK_SECONDS * random.uniform(0.8, 1.2) if calm else TROUBLED_SECONDS
            await self._clock.sleep(seconds)
            try:
                await self.reconcile(session)
            except ExchangeStoppedError as error:
                session.reconciled = False
                self._stop(session, error)
                return
            except KokexError as error:
                heed_cancellation()
                self.standings.out_of_reach(session, f"the account could not be looked at: {error}")
                log.warning("look put off", account=session.account.name, reason=str(error))
