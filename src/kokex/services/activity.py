"""What runs for each plan in the engine: account, subscriptions, forecasts, agent. The services meet here.

market data ─► forecast ─► agent's turn ─► trading ─► exchange
                                ▲                        │
                                └──── order events ◄─────┘
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from kokex.domain.account_events import AccountEventRecord
from kokex.domain.candle import Interval
from kokex.domain.errors import KokexError, StoreUnavailableError
from kokex.domain.events import OrderEvent
from kokex.domain.instrument import InstrumentKind
from kokex.domain.market import StreamKind
from kokex.domain.notice import Notice
from kokex.domain.plan import Plan, PlanStatus
from kokex.ports.clock import Clock
from kokex.ports.store import Store
from kokex.ports.toolbox import Toolbox
from kokex.services.account_keys import AccountKeys
from kokex.services.accounts import AccountSession, market_of
from kokex.services.chat import follow_messages
from kokex.services.claims import AccountClaims
from kokex.services.plan_books import PlanBooks
from kokex.services.plan_runner import PlanRunner
from kokex.services.plan_services import Services
from kokex.services.toolboxes import toolbox_of
from kokex.services.withdrawing import Withdrawal

log = structlog.get_logger(__name__)

AGAIN_SECONDS = 60.0
"""How soon an agent that was cancelled and goes on is cancelled again. Not before: a command under way is seen through to its end."""


@dataclass(slots=True)
class _Work:
    """One plan at work."""

    plan: Plan
    session: AccountSession
    runner: PlanRunner
    wake: asyncio.Event
    tasks: list[asyncio.Task[None]]


class PlanActivity:
    """Makes plans work and rest, and passes on to each what happens to it."""

    def __init__(self, store: Store, clock: Clock, services: Services) -> None:
        self._store = store
        self._clock = clock
        self._services = services
        self._works: dict[int, _Work] = {}
        self._claims = AccountClaims(services.ownership, services.sessions, services.reconciling)
        self._keys = AccountKeys(store, clock, services.sessions, services.order_events)
        self._books = PlanBooks(store, clock, services)
        self._withdrawal = Withdrawal(store, clock, services.ledgers, services.trading)
        self._tasks: asyncio.TaskGroup | None = None
        self.started = asyncio.Event()
        """Set once plans can be put to work."""
        self.resumed = asyncio.Event()
        """Set once every plan that should be working was put to work after the start."""

    async def run(self) -> None:
        """Serve all services until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            self.started.set()
            tasks.create_task(self._services.ownership.run(self))
            tasks.create_task(self._services.order_events.run(self))
            tasks.create_task(self._services.account_events.run(self))
            tasks.create_task(self._services.market_data.run(self))
            tasks.create_task(self._services.reconciling.run(self))
            tasks.create_task(self._keys.run())
            tasks.create_task(self._services.forecasting.run())
            tasks.create_task(follow_messages(self._store.messages, self._clock, self))
            tasks.create_task(self._services.performance.run())
            tasks.create_task(self._services.halting.run(self))
            tasks.create_task(self._services.trailing.run(self))
            tasks.create_task(self._services.executing.run(self))
            tasks.create_task(self._services.alerts.run(self))
            tasks.create_task(self._services.risk_watch.run(self, self))
            tasks.create_task(self._services.approving.run(self))

    def works(self, plan_id: int) -> bool:
        """Whether the plan is at work here."""
        return plan_id in self._works

    def at_work(self) -> list[tuple[Plan, AccountSession]]:
        """The plans at work here, each with its account's session."""
        return [(work.plan, work.session) for work in self._works.values()]

    @property
    def waiting(self) -> list[str]:
        """Names of accounts at work that may not trade yet: unreachable, not reconciled, or stopped."""
        names = {work.session.account.name for work in self._works.values() if not work.session.reconciled}
        return sorted(names)

    @property
    def elsewhere(self) -> list[str]:
        """Names of plans whose accounts another engine works on."""
        return self._claims.elsewhere

    async def next_returned(self) -> int:
        """The next plan whose account came (back) to this engine: it has to be put to work."""
        return await self._claims.returned.get()

    def status(self, plan_id: int) -> PlanStatus | None:
        """What the plan is at here; None where it does not work here."""
        work = self._works.get(plan_id)
        return work.plan.status if work else None

    async def work(self, plan: Plan) -> None:
        """Open, subscribe and wake the plan; for one at work already, take over its new status.

        Where another engine owns the account, the plan waits until this one does.

        Raises:
            ExchangeError: the instrument cannot be read now.
            ConfigurationError: keys, forecaster or position mode.
        """
        work = self._works.get(plan.id)
        if work is None:
            work = await self._begin(plan)
        if work is None:
            return
        work.plan = work.runner.plan = plan
        self._services.neighbourhood.know(plan)
        if not work.tasks:
            self._start_agent(work)
        self._wake_if_ready(work)

    async def _begin(self, plan: Plan) -> _Work | None:
        """Claim the plan's account and put the plan to work on it; None while another engine owns it."""
        session = await self._services.sessions.open(plan.account_id)
        try:
            with self._claims.beginning(plan):
                async with self._claims.lock(plan.account_id):
                    work = await self._begin_on(session, plan)
        finally:
            self._drop_if_idle(session)
        if work is not None:
            log.info(
                "plan at work", plan=plan.id, name=plan.name, inst_id=plan.inst_id, status=plan.status.value
            )
        return work

    async def _begin_on(self, session: AccountSession, plan: Plan) -> _Work | None:
        if not await self._claims.claim(session, plan):
            return None
        work = await self._open(plan, session)
        if not self._claims.holds(plan):
            await self._services.performance.close(plan.id)
            self._books.close(plan, account_at_work=bool(self._of(session)))
            self._claims.wait_for(plan)
            return None
        self._works[plan.id] = work
        await self._subscribe(work)
        return work

    async def rest(self, plan: Plan) -> None:
        """Cancel the plan's open orders, end its subscriptions and its agent.

        A plan that was stopped while no engine worked on it is taken up for that alone.

        Raises:
            ExchangeError: as `work` does; or the end of its orders is not known yet, and the plan stays subscribed to them.
            ConfigurationError: as `work` does.
        """
        session = self._services.sessions.by_id(plan.account_id)
        if self._claims.forget(plan) and session is not None:
            self._drop_if_idle(session)
        work = self._works.get(plan.id)
        if work is None and await self._store.orders.pending(plan_id=plan.id):
            work = await self._begin(plan)
        if work is not None:
            await self._end(work, plan)
        await self._store.notices.unwatch(plan.id)

    async def _end(self, work: _Work, plan: Plan) -> None:
        work.plan = work.runner.plan = plan
        self._services.neighbourhood.know(plan)
        await self._end_agent(work)
        await self._services.executing.settled()
        await self._withdrawal.cancel_open(work.session, plan)
        if self._works.pop(plan.id, None) is None:
            return
        await self._unsubscribe(work)
        self._drop_if_idle(work.session)
        log.info("plan at rest", plan=plan.id, name=plan.name)

    async def _leave(self, account_id: int) -> None:
        """The account may be another engine's: end everything on it, touch nothing at the exchange."""
        async with self._claims.lock(account_id):
            for work in [one for one in self._works.values() if one.plan.account_id == account_id]:
                self._works.pop(work.plan.id, None)
                self._claims.wait_for(work.plan)
                await self._end_agent(work)
                await self._unsubscribe(work)
                log.warning("plan left to another engine", plan=work.plan.id, name=work.plan.name)
            self._books.forget(account_id)

    async def _end_agent(self, work: _Work) -> None:
        """Cancel what runs for the plan until it has ended: a cancellation can get lost to an error of the same moment."""
        work.runner.awake = False
        left = set(work.tasks)
        while left:
            for task in left:
                task.cancel()
            _, left = await asyncio.wait(left, timeout=AGAIN_SECONDS)
        work.tasks.clear()

    async def _unsubscribe(self, work: _Work) -> None:
        self._services.market_data.unsubscribe(work.plan.id)
        self._services.alerts.close(work.plan.id)
        self._services.account_events.unsubscribe(work.plan.id, work.session.account)
        try:
            await self._services.order_events.unsubscribe(work.plan, work.session.account)
        except StoreUnavailableError as error:
            log.warning("end of a subscription not kept", plan=work.plan.id, reason=str(error))
        busy = bool(self._of(work.session)) or self._claims.begins_on(work.plan.account_id)
        await self._services.performance.close(work.plan.id)
        self._books.close(work.plan, account_at_work=busy)

    def _drop_if_idle(self, session: AccountSession) -> None:
        self._claims.drop_if_idle(session, [work.plan for work in self._works.values()])

    async def _open(self, plan: Plan, session: AccountSession) -> _Work:
        services = self._services
        services.forecasting.forecaster(plan)
        instrument = await services.sessions.instrument(session, plan.inst_id)
        await services.sessions.check_position_mode(session, instrument)
        await self._books.open(plan, session, instrument)
        await services.performance.open(plan, session.account)
        await services.account_events.subscribe(plan.id, session.account, instrument)
        await services.alerts.open(plan.id, (market_of(session.account), plan.inst_id))
        return _Work(plan, session, PlanRunner(plan, self._toolbox), asyncio.Event(), [])

    async def _subscribe(self, work: _Work) -> None:
        services, plan, session = self._services, work.plan, work.session
        await services.order_events.subscribe(plan, session.account, session.credentials)
        depth = max(plan.forecast.context, 1)
        services.market_data.subscribe(
            plan.id, session, plan.inst_id, plan.interval, depth, self._streams(plan)
        )
        self._start_agent(work)
        connection = services.order_events.connections.get(session.account.connection_key)
        if connection is not None and connection.connected_since is not None:
            services.order_events.hold(session.account)
            self.on_account_subscribed(session.account.connection_key)

    def _start_agent(self, work: _Work) -> None:
        assert self._tasks is not None
        work.tasks.append(self._tasks.create_task(self._services.deciding.run(work.runner)))
        work.tasks.append(self._tasks.create_task(self._forecast(work)))

    def _streams(self, plan: Plan) -> frozenset[StreamKind]:
        """What the plan wants to see, and the mark price of a swap, for the gate."""
        swap = self._services.ledgers.of(plan.id).book.instrument.kind is InstrumentKind.SWAP
        return plan.agent.streams | ({StreamKind.MARK_PRICE} if swap else frozenset())

    def _toolbox(self, plan: Plan, turn_id: int, *, fresh: bool) -> Toolbox:
        work = self._works[plan.id]

        def current_plan() -> Plan:
            """As its user wants it now, so that a pause or stop takes hold in the middle of a turn."""
            return work.plan

        budget = self._services.pictures.budget(work.session, work.plan, turn_id, fresh=fresh)
        return toolbox_of(self._store, self._clock, self._services, work.session, current_plan, budget)

    async def _forecast(self, work: _Work) -> None:
        while True:
            await work.wake.wait()
            work.wake.clear()
            try:
                made = await self._services.forecasting.forecast(work.session, work.plan)
            except KokexError as error:
                log.error("no forecast", plan=work.plan.id, reason=str(error))
                continue
            if made is not None:
                work.runner.hear_forecast(*made)

    def _wake_if_ready(self, work: _Work) -> None:
        work.runner.awake = (
            work.session.may_act_on(work.plan.inst_id) and work.plan.status is PlanStatus.RUNNING
        )
        if work.runner.awake:
            work.runner.wake.set()

    def on_order_events(self, plan_id: int, events: Sequence[OrderEvent]) -> None:
        """The journal has new events of a plan."""
        work = self._works.get(plan_id)
        if work is None:
            return
        for event in events:
            work.session.outcome_known(event.update.client_order_id or "")
        work.runner.hear_events(events)

    def on_account_events(self, plan_id: int, events: Sequence[AccountEventRecord]) -> None:
        """The journal has new events of a plan's account."""
        self._services.performance.hear_account_events(plan_id, events)
        work = self._works.get(plan_id)
        if work is not None:
            work.runner.hear_account_events(events)

    def on_notices(self, plan_id: int, notices: Sequence[Notice]) -> None:
        """Risk events of a plan, or price alerts that fired, are kept."""
        work = self._works.get(plan_id)
        if work is not None:
            work.runner.hear_notices(notices)

    async def on_user_messages(self, plan_id: int) -> None:
        """Messages may wait for a plan; 0: for any."""
        for work in list(self._works.values()):
            if plan_id in (0, work.plan.id):
                await self._services.deciding.hear_messages(work.runner)

    def on_candles(self, market: str, inst_id: str, interval: Interval) -> None:
        """A feed has a new closed candle, or has one again after a start."""
        closed = self._services.market_data.closed_until(market, inst_id, interval)
        for work in self._works.values():
            same = (work.plan.inst_id, work.plan.interval) == (inst_id, interval)
            if same and market_of(work.session.account) == market:
                self._services.performance.mark(work.plan.id)
                self._services.trailing.hear_candles(work.plan.id)
                work.wake.set()
                work.runner.hear_candle(closed or self._clock.now())

    def on_account_subscribed(self, connection_key: str) -> None:
        """A stream stands (again), or has a channel more."""
        self._not_reconciled(connection_key)
        self._services.reconciling.request(connection_key)

    def on_stops_subscribed(self, connection_key: str) -> None:
        """An account's stops are told of (again)."""
        self._services.reconciling.stops_told(connection_key)

    def on_account_lost(self, connection_key: str) -> None:
        """A stream is gone: nothing new goes out until the account is reconciled."""
        self._services.reconciling.abandon(connection_key)
        self._not_reconciled(connection_key)

    def on_account_owned(self, account_id: int) -> None:
        """The account came (back) to this engine."""
        if self._tasks is not None:
            self._tasks.create_task(self._claims.come_back(account_id))

    def on_account_disowned(self, account_id: int, reason: str) -> None:
        """Nothing more goes out on this account, from this moment on."""
        session = self._claims.leave(account_id, reason)
        if session is None:
            return
        for work in self._of(session):
            self._wake_if_ready(work)
        if self._tasks is not None:
            self._tasks.create_task(self._leave(account_id))

    def on_standing_changed(self, session: AccountSession) -> None:
        """The gate lets through more or less."""
        for work in self._of(session):
            self._wake_if_ready(work)

    def on_account_stopped(self, connection_key: str, reason: str) -> None:
        """A stream cannot be had until a person acts."""
        self._not_reconciled(connection_key)
        session = self._services.sessions.by_key(connection_key)
        if session is not None:
            session.stopped = reason
            self._services.reconciling.standings.out_of_reach(session, reason)

    def on_account_reconciled(self, session: AccountSession) -> None:
        """Orders may go out, in the steps that the exchange takes now."""
        for work in self._of(session):
            instrument = session.instruments.get(work.plan.inst_id)
            if instrument is not None:
                self._services.ledgers.of(work.plan.id).use(instrument)
            self._wake_if_ready(work)

    def _not_reconciled(self, connection_key: str) -> None:
        session = self._services.sessions.by_key(connection_key)
        if session is not None:
            session.reconciled = False
            for work in self._of(session):
                self._wake_if_ready(work)

    def _of(self, session: AccountSession) -> list[_Work]:
        return [work for work in self._works.values() if work.session is session]
