"""Plans: what users ask for, and making it so.

`PlanService` records wishes (create, start, pause, stop) from any process. In the engine it also follows them: starting a plan
opens its account, subscribes its orders and candles, and wakes its agent; a restart resumes every plan where it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable

import structlog

from kokex.domain.errors import ConfigurationError, KokexError, StateError, StoreUnavailableError
from kokex.domain.instrument import Instrument, InstrumentKind
from kokex.domain.plan import LONGEST_DEBOUNCE, NewPlan, Plan, PlanStatus, TradingTool, TriggerKind
from kokex.ports.agent import Conversations
from kokex.ports.clock import Clock
from kokex.ports.exchange import ExchangeAdapter
from kokex.ports.store import Store
from kokex.services.accounts import AccountSessions, market_of, position_mode_fault
from kokex.services.activity import PlanActivity
from kokex.services.capital_setting import with_capital

log = structlog.get_logger(__name__)

CHECK_SECONDS = 3.0
"""How long a wish waits for the exchange to say how the account is set up."""
RETRY_SECONDS = 5.0
"""How soon a plan that could not be started is tried again."""

_MOVES = {
    PlanStatus.CREATED: {PlanStatus.RUNNING},
    PlanStatus.RUNNING: {PlanStatus.PAUSED, PlanStatus.STOPPED},
    PlanStatus.PAUSED: {PlanStatus.RUNNING, PlanStatus.STOPPED},
    PlanStatus.STOPPED: {PlanStatus.RUNNING},
}


class PlanService:
    """Creates plans, records what users want of them and, in the engine, does it."""

    def __init__(
        self, store: Store, clock: Clock, adapter: ExchangeAdapter, conversations: Conversations
    ) -> None:
        self._store = store
        self._clock = clock
        self._adapter = adapter
        self._conversations = conversations
        self._following: dict[int, asyncio.Lock] = {}

    async def create(self, new: NewPlan) -> Plan:
        """Keep a new plan, checked against the exchange.

        Raises:
            ConfigurationError: settings that contradict each other or the instrument.
            NotFoundError: no such account.
            ExchangeError: the instrument is unknown there, or the exchange cannot be asked.
            StateError: the name is taken.
        """
        _check_settings(new)
        account = await self._store.accounts.get(new.account_id)
        exchange = self._adapter.exchange(account, await self._store.accounts.credentials(account.id))
        try:
            instrument = await exchange.instrument(new.inst_id)
            if instrument.kind is InstrumentKind.SWAP:
                fault = position_mode_fault(account, await exchange.settings())
                if fault is not None:
                    raise ConfigurationError(fault)
        finally:
            await exchange.close()
        _check_instrument(new, instrument)
        return await self._store.plans.add(new)

    async def start(self, plan_id: int) -> Plan:
        """Want it running; `resume` after a pause is the same wish.

        Raises:
            ConfigurationError: the account was removed, or holds positions in a way that plans cannot trade; the message says
                what to change.
        """
        await self._check_account(await self._store.plans.get(plan_id))
        return await self._move(plan_id, PlanStatus.RUNNING)

    async def pause(self, plan_id: int) -> Plan:
        """Want it to keep watching but send nothing new."""
        return await self._move(plan_id, PlanStatus.PAUSED)

    async def stop(self, plan_id: int) -> Plan:
        """Want its open orders cancelled and its subscriptions ended; holdings stay."""
        return await self._move(plan_id, PlanStatus.STOPPED)

    async def grant(self, plan_id: int, tools: Collection[TradingTool], *, by: str, reason: str) -> Plan:
        """Let its agent use exactly these tools that trade, from the next turn on; kept with who and why.

        Raises:
            NotFoundError: there is no such plan.
        """
        at = self._clock.now()
        await self._store.plans.set_trading_tools(plan_id, tools, by=by, reason=reason, at=at)
        log.info("tools granted", plan=plan_id, tools=sorted(tools))
        return await self._store.plans.get(plan_id)

    async def use_capital(self, plan_id: int, changes: Iterable[str], *, by: str, reason: str) -> Plan:
        """Change how it uses its capital (`name=value`), from the next turn and the next look at its trailing stop on.

        Kept with who and why.

        Raises:
            ConfigurationError: what cannot be meant.
            NotFoundError: there is no such plan.
        """
        wanted = list(changes)
        made = await self._store.plans.change_capital(
            plan_id, lambda now: with_capital(now, wanted), by=by, reason=reason, at=self._clock.now()
        )
        log.info("use of capital changed", plan=plan_id, version=made.version, changes=wanted)
        return await self._store.plans.get(plan_id)

    async def run(self, activity: PlanActivity) -> None:
        """Resume every plan that should be working, then follow the users' wishes until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow_accounts(activity, tasks))
            while True:
                try:
                    async for plan_id in self._store.plans.changes():
                        if plan_id:
                            tasks.create_task(self._follow_until_done(activity, plan_id))
                        else:
                            tasks.create_task(self._resume(activity, tasks))
                except StoreUnavailableError as error:
                    log.warning("plans wait for the database", reason=str(error))
                    await self._clock.sleep(1.0)

    async def _resume(self, activity: PlanActivity, tasks: asyncio.TaskGroup) -> None:
        while True:
            try:
                await self._resume_all(activity, tasks)
            except StoreUnavailableError as error:
                log.warning("plans wait for the database", reason=str(error))
                await self._clock.sleep(1.0)
            else:
                activity.resumed.set()
                return

    async def _resume_all(self, activity: PlanActivity, tasks: asyncio.TaskGroup) -> None:
        """Make every plan what its user last wanted; one that cannot start keeps no other waiting, nor a new wish."""
        plans = await self._store.plans.list()
        tried = [asyncio.Event() for _ in plans]
        for plan, event in zip(plans, tried, strict=True):
            tasks.create_task(self._follow_until_done(activity, plan.id, event))
        for event in tried:
            await event.wait()

    async def _follow_accounts(self, activity: PlanActivity, tasks: asyncio.TaskGroup) -> None:
        """Take up the plans of accounts that came (back) to this engine."""
        while True:
            plan_id = await activity.next_returned()
            tasks.create_task(self._follow_until_done(activity, plan_id))

    async def _follow_until_done(
        self, activity: PlanActivity, plan_id: int, tried: asyncio.Event | None = None
    ) -> None:
        """Do what the user last wanted of a plan, again and again until it is done."""
        done = False
        while not done:
            try:
                async with self._following.setdefault(plan_id, asyncio.Lock()):
                    await self._follow(activity, await self._store.plans.get(plan_id))
                done = True
            except Exception as error:  # whatever it is, the engine and other plans go on
                expected = isinstance(error, KokexError)
                log.error("plan waits", plan=plan_id, reason=str(error), exc_info=not expected)
            finally:
                if tried is not None:
                    tried.set()
            if not done:
                await self._clock.sleep(RETRY_SECONDS)

    async def _follow(self, activity: PlanActivity, plan: Plan) -> None:
        if plan.status in (PlanStatus.RUNNING, PlanStatus.PAUSED):
            await activity.work(plan)
        else:
            await activity.rest(plan)
            await self._conversations.forget(plan.id)

    async def _check_account(self, plan: Plan) -> None:
        """What the engine would find out later. An exchange that does not answer soon keeps nobody from wishing."""
        account = await self._store.accounts.get(plan.account_id)
        await self._store.accounts.credentials(plan.account_id)
        known = await self._store.instruments.get(market_of(account), plan.inst_id)
        if known is None:
            return
        sessions = AccountSessions(self._store, self._clock, self._adapter)
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await sessions.check_position_mode(await sessions.open(plan.account_id), known)
        except TimeoutError:
            log.warning("account not checked", plan=plan.id, account=account.name)
        finally:
            await sessions.close()

    async def _move(self, plan_id: int, status: PlanStatus) -> Plan:
        plan = await self._store.plans.get(plan_id)
        if plan.status is status:
            return plan
        if status not in _MOVES[plan.status]:
            raise StateError(
                f"plan {plan_id} ({plan.name}) is {plan.status.value} and cannot become {status.value}"
            )
        await self._store.plans.set_status(plan_id, status)
        return await self._store.plans.get(plan_id)


def _check_settings(new: NewPlan) -> None:
    forecast, limits = new.forecast, new.limits
    faults = [
        (not new.name.strip(), "name must not be empty"),
        (
            new.name.strip().isdigit(),
            f"name {new.name.strip()} is digits alone, which would be taken for a plan's number",
        ),
        (
            TriggerKind.SCHEDULE in new.agent.triggers and new.agent.schedule is None,
            "trigger schedule needs a schedule",
        ),
        (
            not 0 <= new.agent.debounce_seconds <= LONGEST_DEBOUNCE,
            f"debounce {new.agent.debounce_seconds:g} s must be between 0 and {LONGEST_DEBOUNCE:g} s",
        ),
        (forecast.context < 1, f"context {forecast.context} must be at least 1 candle"),
        (not 1 <= forecast.horizon <= 512, f"horizon {forecast.horizon} must be between 1 and 512 candles"),
        (not 1 <= forecast.paths <= 10_000, f"paths {forecast.paths} must be between 1 and 10000"),
        (limits.max_order_notional <= 0, f"max order {limits.max_order_notional} must be more than zero"),
        (
            limits.max_position_notional <= 0,
            f"max position {limits.max_position_notional} must be more than zero",
        ),
        (limits.max_open_orders < 1, f"max open orders {limits.max_open_orders} must be at least 1"),
        (not 0 < limits.price_collar < 1, f"price collar {limits.price_collar} must be between 0 and 1"),
        (limits.cash_reserve < 0, f"cash reserve {limits.cash_reserve} must not be negative"),
        ((fault := new.capital.fault()) is not None, fault),
    ]
    for wrong, sentence in faults:
        if wrong:
            raise ConfigurationError(f"{sentence}; the plan was not created")


def _check_instrument(new: NewPlan, instrument: Instrument) -> None:
    if not instrument.tradable:
        raise ConfigurationError(
            f"{instrument.inst_id} is not open for trading now; the plan was not created"
        )
    if new.limits.allow_short and instrument.kind is InstrumentKind.SPOT:
        raise ConfigurationError(
            f"{instrument.inst_id} is spot and cannot be sold short; leave allow_short off"
        )
