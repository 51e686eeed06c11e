"""Trailing stops in the engine: outside every agent, so that they hold while a model is down, slow, or of another opinion.

The best price since entry is kept (`plan_trails`), and a restart looks it up there and in the candles of the time between. What ends a
holding passes the same gate as every order: while that lets nothing through (a pause, a halt), the stop waits and is carried out after.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final, Protocol

import structlog

from kokex.domain.capital import Trail
from kokex.domain.capital.sizing import HEADROOM
from kokex.domain.errors import KokexError
from kokex.domain.instrument import Side
from kokex.domain.order import OrderRequest, OrderType
from kokex.domain.plan import Plan, TriggerKind
from kokex.domain.results import Entry
from kokex.domain.risk import Denied, check_protecting
from kokex.domain.trigger_facts import time_text
from kokex.ports.clock import Clock
from kokex.ports.store import Store
from kokex.ports.trails import TrailRecord
from kokex.services.accounts import AccountSession
from kokex.services.alerts import NoticeSink
from kokex.services.answers import Wish
from kokex.services.executing import ExecutingService
from kokex.services.flattening import Flattening
from kokex.services.halting import PlansAtWork
from kokex.services.ledger import Ledgers, PlanLedger
from kokex.services.market_data import MarketDataService
from kokex.services.performance import PerformanceService
from kokex.services.risk_events import Found, keep_once
from kokex.services.risk_picture import RiskPictures
from kokex.services.trading import TradingService

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 0.5
"""How often the last price is looked at."""
RETRY_SECONDS: Final = 0.5
LONGEST_RETRY_SECONDS: Final = 5.0
ATTEMPTS: Final = 1000
"""Orders by which one stop tries to end one holding."""
FIRST_STEP: Final = 1 << 30
"""Steps of orders that no turn asked for but a trailing stop; those of halts are below."""
_CANDLES: Final = 1500
_HIGH, _LOW = 1, 2


class PlansToTell(PlansAtWork, NoticeSink, Protocol):
    """Knows the plans at work, and passes on to each what it is to be told."""


@dataclass(frozen=True, slots=True)
class Hands:
    """What ends a holding."""

    trading: TradingService
    flattening: Flattening
    pictures: RiskPictures
    executing: ExecutingService


class TrailingStops:
    """Follows the holdings of plans that have a trailing stop, and ends those whose stop is hit."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        ledgers: Ledgers,
        market_data: MarketDataService,
        performance: PerformanceService,
        hands: Hands,
    ) -> None:
        self._store = store
        self._clock = clock
        self._ledgers = ledgers
        self._market_data = market_data
        self._performance = performance
        self._hands = hands
        self._records: dict[int, TrailRecord] = {}
        self._unread: set[int] = set()
        self._ending: dict[int, asyncio.Task[None]] = {}
        self._faults: dict[int, str] = {}
        self._told: set[int] = set()
        self._asked: set[str] = set()

    async def run(self, plans: PlansToTell) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                for plan, session in list(plans.at_work()):
                    try:
                        await self._look(plan, session, plans, tasks)
                    except KokexError as error:
                        log.warning("trailing stop not looked after now", plan=plan.id, reason=str(error))
                    except Exception as error:  # the stops of all other plans hold
                        if self._is_new(plan.id, error):
                            log.error("trailing stop broken off, tried again", plan=plan.id, exc_info=error)
                await self._clock.sleep(LOOK_SECONDS)

    def hear_candles(self, plan_id: int) -> None:
        """Candles of the plan are kept that were not before: they tell what happened between two looks, or while no engine ran."""
        self._unread.add(plan_id)

    async def _look(
        self, plan: Plan, session: AccountSession, plans: PlansToTell, tasks: asyncio.TaskGroup
    ) -> None:
        share, ledger = plan.capital.trailing_stop, self._ledgers.get(plan.id)
        entry = None if share is None or ledger is None else ledger.results.entry
        if share is None or entry is None:
            self._records.pop(plan.id, None)
            return
        record = await self._followed(plan, session, entry)
        ticker = self._market_data.fresh_ticker(session.account, plan.inst_id)
        if ticker is not None and ticker.occurred_at >= entry.at:
            trail = record.trail.judge(share, ticker.last, ticker.occurred_at)
            if trail != record.trail:
                record = await self._keep(plan, record.trail, trail)
        if record.trail.hit_at is None:
            return
        if record.number not in self._told:
            await self._tell(plan, record, plans)
        if self._idle(plan.id):
            self._ending[plan.id] = tasks.create_task(self._end(record, session, plans))

    def _idle(self, plan_id: int) -> bool:
        task = self._ending.get(plan_id)
        return task is None or task.done()

    async def _followed(self, plan: Plan, session: AccountSession, entry: Entry) -> TrailRecord:
        """The record of the present holding, with what closed candles tell of it."""
        record = self._records.get(plan.id)
        known = record is not None and (record.trail.since, record.trail.sign) == (entry.at, entry.sign)
        if record is not None and known and plan.id not in self._unread:
            return record
        trail = record.trail if record is not None and known else Trail(entry.at, entry.sign, entry.price)
        self._unread.discard(plan.id)
        try:
            series = await self._market_data.series(session.account, plan.inst_id, plan.interval, _CANDLES)
        except KokexError:
            self._unread.add(plan.id)
            raise
        since = series.values[series.open_times >= entry.at.timestamp()]
        if len(since):
            best = since[:, _HIGH].max() if entry.sign > 0 else since[:, _LOW].min()
            trail = trail.see(Decimal(repr(float(best))))
        record = await self._store.trails.keep(plan.id, trail)
        self._records[plan.id] = record
        if not known:
            log.info("trailing stop follows", plan=plan.id, best=str(record.trail.best), sign=entry.sign)
        return record

    async def _keep(self, plan: Plan, before: Trail, trail: Trail) -> TrailRecord:
        record = await self._store.trails.keep(plan.id, trail)
        self._records[plan.id] = record
        hit_at = record.trail.hit_at
        if hit_at is not None and before.hit_at is None:
            self._performance.hear_stop(plan.id, hit_at)
            log.warning("trailing stop hit", plan=plan.id, best=str(record.trail.best), at=hit_at.isoformat())
        return record

    async def _tell(self, plan: Plan, record: TrailRecord, sink: NoticeSink) -> None:
        """A hit is a risk event of the plan; what cannot be kept now is at the next look, and holds the ending up no longer than that."""
        if TriggerKind.RISK_EVENT in plan.agent.triggers:
            try:
                told = await keep_once(
                    self._store, plan.id, _risk_event(record), self._clock.now(), self._asked
                )
            except KokexError as error:
                log.warning("hit of a trailing stop not told yet", plan=plan.id, reason=str(error))
                return
            if told:
                sink.on_notices(plan.id, told)
        self._told.add(record.number)

    async def _end(self, record: TrailRecord, session: AccountSession, plans: PlansAtWork) -> None:
        """Cancel what is open and end the holding, order by order; what cannot be done now is tried again."""
        delay, attempt, refused = RETRY_SECONDS, 0, ""
        while attempt < ATTEMPTS:
            plan = next((one for one, _ in plans.at_work() if one.id == record.plan_id), None)
            if plan is None or plan.capital.trailing_stop is None or not self._same(record):
                return
            try:
                why = await self._attempt(plan, session, record, attempt)
            except KokexError as error:
                why = str(error)
            except Exception as error:
                if self._is_new(plan.id, error):
                    log.error("trailing stop broken off, tried again", plan=plan.id, exc_info=error)
                why = f"a fault of KOKEX: {type(error).__name__}: {error}"
            if why is None:
                attempt, delay, refused = attempt + 1, RETRY_SECONDS, ""
                continue
            if why != refused:
                log.warning("holding not ended by its trailing stop yet", plan=plan.id, reason=why)
            refused = why
            await self._clock.sleep(delay)
            delay = min(2 * delay, LONGEST_RETRY_SECONDS)
        log.error("holding not ended by its trailing stop", plan=record.plan_id, orders=ATTEMPTS)

    def _is_new(self, plan_id: int, error: Exception) -> bool:
        """Whether a fault is not the plan's last one: it is told at length once, not twice a second."""
        said = f"{type(error).__name__}: {error}"
        before, self._faults[plan_id] = self._faults.get(plan_id), said
        return said != before

    def _same(self, record: TrailRecord) -> bool:
        """Whether what is held is still the holding whose stop was hit."""
        ledger = self._ledgers.get(record.plan_id)
        entry = None if ledger is None else ledger.results.entry
        return entry is not None and (entry.at, entry.sign) == (record.trail.since, record.trail.sign)

    async def _attempt(
        self, plan: Plan, session: AccountSession, record: TrailRecord, attempt: int
    ) -> str | None:
        """One order less of the holding; None: it was asked for under this number. Else why not yet."""
        ledger = self._ledgers.of(plan.id)
        wish = self._wish(plan, session, ledger)
        if wish is None:
            return "what is held is too little for an order, or no fresh price is known"
        denied = self._denied(plan, session, wish, ledger)
        if denied is not None:
            return denied
        await self._hands.executing.stop_all(plan, session, "the trailing stop was hit")
        await self._hands.flattening.cancel_open(session, plan)
        wish = self._wish(plan, session, ledger)
        if wish is None or not self._same(record):
            return None
        step = FIRST_STEP + record.number * ATTEMPTS + attempt
        answer = await self._hands.trading.stop_out(session, plan, step, wish)
        await self._hands.flattening.until_gone(plan, answer.order.client_order_id or "")
        if answer.code not in (None, "already_submitted", "unknown"):
            log.warning(
                "order of a trailing stop", plan=plan.id, code=answer.code, reason=answer.order.reason
            )
        return None

    def _denied(self, plan: Plan, session: AccountSession, wish: Wish, ledger: PlanLedger) -> str | None:
        """Why the gate would let nothing through now, were nothing of the plan's open: asked before, so that no number is used up."""
        request = OrderRequest("", plan.id, plan.inst_id, wish.side, wish.order_type, wish.quantity, None)
        state = replace(self._hands.pictures.state(session, plan, ledger), pending=())
        verdict = check_protecting(request, plan.limits, state)
        return f"{verdict.code.value}: {verdict.reason}" if isinstance(verdict, Denied) else None

    def _wish(self, plan: Plan, session: AccountSession, ledger: PlanLedger) -> Wish | None:
        """What ends the holding, or as much of it as one order may be."""
        held, instrument = ledger.book.quantity, ledger.book.instrument
        ticker = self._market_data.fresh_ticker(session.account, plan.inst_id)
        if ticker is None or not held:
            return None
        most = instrument.quantity_for(plan.limits.max_order_notional * (1 - HEADROOM), ticker.last)
        if instrument.max_market_quantity is not None:
            most = min(most, instrument.max_market_quantity)
        quantity = instrument.round_quantity(min(abs(held), most))
        if quantity < instrument.min_quantity:
            return None
        side = Side.SELL if held > 0 else Side.BUY
        return Wish(side, OrderType.MARKET, quantity, reduce_only=self._hands.flattening.alone(plan))


def _risk_event(record: TrailRecord) -> Found:
    trail = record.trail
    facts = {
        "risk_event": "trailing_stop_hit",
        "hit_at": None if trail.hit_at is None else time_text(trail.hit_at),
        "holding": "long" if trail.sign > 0 else "short",
        "best_price": f"{trail.best:f}",
        "reason": "the trailing stop was hit: the engine cancels what is open and ends the holding at market",
    }
    return f"trailing_stop:{record.number}", facts
