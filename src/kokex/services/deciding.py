"""Turns: what wakes an agent, and one turn per plan at a time.

A trigger is durable before the agent hears of it: order events are in the journal, forecasts in their table. A turn is opened
with the last journal number that it is told of, so after a crash the plan goes on exactly there: the turn that was cut short is
run again under its own number (its orders keep their names, so none is sent twice), then everything after it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

import structlog

from kokex.domain.decision import Trigger, Turn
from kokex.domain.errors import KokexError, StoreUnavailableError
from kokex.domain.events import OrderEvent
from kokex.domain.forecast import Forecast
from kokex.domain.plan import Plan, TriggerKind
from kokex.ports.agent import Agent, Toolbox
from kokex.ports.clock import Clock
from kokex.ports.store import Store, TurnRecord

log = structlog.get_logger(__name__)

MOST_EVENTS = 1000
"""Events told in one turn; more wait for the next."""


class ToolboxMaker(Protocol):
    """Makes the tools of a turn."""

    def __call__(self, plan: Plan, turn_id: int) -> Toolbox:
        """Tools for turn `turn_id` of `plan`."""
        ...


@dataclass(slots=True)
class PlanRunner:
    """One plan's agent at work: what waits for it, and the turn it is in.

    Attributes:
        cursor: last journal number that a turn was told of.
        awake: the account is reconciled and the plan is running.
    """

    plan: Plan
    make_toolbox: ToolboxMaker
    cursor: int = 0
    awake: bool = False
    events: list[OrderEvent] = field(default_factory=list)
    forecast: tuple[int, Forecast] | None = None
    last_forecast: int = 0
    candle_at: datetime | None = None
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    def hear_events(self, events: Sequence[OrderEvent]) -> None:
        """Order events of the plan, journalled; those that it is to be woken by wake it."""
        self.events.extend(event for event in events if event.id > self.cursor)
        if TriggerKind.ORDER_EVENT in self.plan.agent.triggers and any(
            event.kind in self.plan.agent.order_triggers for event in events
        ):
            self.wake.set()

    def hear_forecast(self, number: int, forecast: Forecast) -> None:
        """A new forecast, kept; it takes the place of one that still waits. One heard before is no news."""
        if number <= self.last_forecast:
            return
        self.last_forecast = number
        self.forecast = (number, forecast)
        if TriggerKind.FORECAST in self.plan.agent.triggers:
            self.wake.set()

    def hear_candle(self, at: datetime) -> None:
        """A candle closed and is kept."""
        if TriggerKind.CANDLE in self.plan.agent.triggers:
            self.candle_at = at
            self.wake.set()


class DecidingService:
    """Runs the agents of plans."""

    def __init__(self, store: Store, clock: Clock, agent: Agent) -> None:
        self._store = store
        self._clock = clock
        self._agent = agent

    async def run(self, runner: PlanRunner) -> None:
        """Serve one plan until cancelled."""
        await self._recover(runner)
        while True:
            await runner.wake.wait()
            runner.wake.clear()
            if not runner.awake:
                continue
            triggers = _triggers(runner)
            if triggers:
                await self._turn(runner, triggers)

    async def _recover(self, runner: PlanRunner) -> None:
        """Take up what a crash cut short and what was journalled since."""
        store = self._store
        plan = runner.plan
        cut_short = await store.turns.running(plan.id)
        runner.cursor = await store.turns.cursor(plan.id)
        if cut_short is not None:
            triggers = await self._rebuild(cut_short)
            await self._until_awake(runner)
            log.info("turn resumed", plan=plan.id, turn=cut_short.id)
            await self._run_turn(
                runner, Turn(cut_short.id, plan, triggers, cut_short.started_at, resumed=True)
            )
        journalled = await store.journal.events_after(plan.id, runner.cursor)
        known = {event.id for event in runner.events}
        missed = [event for event in journalled if event.id not in known]
        if missed:
            runner.events = sorted([*missed, *runner.events], key=lambda event: event.id)
            runner.wake.set()
        latest = await store.forecasts.latest(plan.id)
        if latest is None:
            return
        if await store.turns.handled(plan.id, f"forecast:{latest[0]}"):
            runner.last_forecast = max(runner.last_forecast, latest[0])
        else:
            runner.hear_forecast(*latest)

    async def _rebuild(self, record: TurnRecord) -> tuple[Trigger, ...]:
        """The triggers of a turn that was cut short, from their keys."""
        triggers: list[Trigger] = []
        latest = await self._store.forecasts.latest(record.plan_id)
        for key in record.trigger_keys:
            kind, _, rest = key.partition(":")
            if kind == "events":
                first, last = (int(number) for number in rest.split("-"))
                events = await self._store.journal.events_after(record.plan_id, first - 1, limit=MOST_EVENTS)
                told = tuple(event for event in events if event.id <= last)
                triggers.append(Trigger(TriggerKind.ORDER_EVENT, key, record.started_at, events=told))
            elif kind == "forecast" and latest is not None and latest[0] == int(rest):
                triggers.append(Trigger(TriggerKind.FORECAST, key, latest[1].origin_time, forecast=latest[1]))
            else:
                triggers.append(Trigger(TriggerKind.CANDLE, key, record.started_at))
        return tuple(triggers)

    async def _until_awake(self, runner: PlanRunner) -> None:
        while not runner.awake:
            await runner.wake.wait()
            runner.wake.clear()
        runner.wake.set()

    async def _turn(self, runner: PlanRunner, triggers: Sequence[Trigger]) -> None:
        last = max((event.id for trigger in triggers for event in trigger.events), default=runner.cursor)
        runner.cursor = max(runner.cursor, last)
        started_at = self._clock.now()
        turn_id = await self._patiently(runner, triggers, started_at)
        await self._run_turn(runner, Turn(turn_id, runner.plan, tuple(triggers), started_at))

    async def _patiently(self, runner: PlanRunner, triggers: Sequence[Trigger], at: datetime) -> int:
        while True:
            try:
                return await self._store.turns.start(runner.plan.id, triggers, runner.cursor, at)
            except StoreUnavailableError as error:
                log.warning("turn waits for the database", plan=runner.plan.id, reason=str(error))
                await self._clock.sleep(0.5)

    async def _run_turn(self, runner: PlanRunner, turn: Turn) -> None:
        """One turn to its end; where the database fails in between, the same turn again."""
        while not await self._attempt(runner, turn):
            await self._clock.sleep(0.5)
            turn = replace(turn, resumed=True)

    async def _attempt(self, runner: PlanRunner, turn: Turn) -> bool:
        try:
            try:
                async with asyncio.timeout(turn.plan.agent.turn_seconds):
                    decision = await self._agent.run_turn(turn, runner.make_toolbox(turn.plan, turn.id))
            except TimeoutError:
                await self._fail(turn, f"the turn took longer than {turn.plan.agent.turn_seconds:g} s")
                return True
            await self._store.turns.finish(turn.id, decision, self._clock.now())
        except StoreUnavailableError as error:
            log.warning("turn waits for the database", turn=turn.id, reason=str(error))
            return False
        except Exception as error:
            expected = isinstance(error, KokexError)
            log.error(
                "turn failed", plan=turn.plan.id, turn=turn.id, reason=str(error), exc_info=not expected
            )
            await self._fail(turn, str(error) if expected else f"{type(error).__name__}: {error}")
            return True
        log.info(
            "decision", plan=turn.plan.id, turn=turn.id, action=decision.action.value, reason=decision.reason
        )
        return True

    async def _fail(self, turn: Turn, reason: str) -> None:
        try:
            await self._store.turns.fail(turn.id, reason, self._clock.now())
        except StoreUnavailableError as error:
            log.warning("turn left for recovery", turn=turn.id, reason=str(error))


def _triggers(runner: PlanRunner) -> list[Trigger]:
    """Everything that waits, as the triggers of one turn; what waits is emptied."""
    triggers: list[Trigger] = []
    told, runner.events = runner.events[:MOST_EVENTS], runner.events[MOST_EVENTS:]
    if runner.events:
        runner.wake.set()
    if told:
        waking = any(event.kind in runner.plan.agent.order_triggers for event in told)
        key = f"events:{told[0].id}-{told[-1].id}"
        if waking and TriggerKind.ORDER_EVENT in runner.plan.agent.triggers:
            triggers.append(
                Trigger(TriggerKind.ORDER_EVENT, key, told[-1].update.occurred_at, events=tuple(told))
            )
    if runner.forecast is not None and TriggerKind.FORECAST in runner.plan.agent.triggers:
        number, forecast = runner.forecast
        triggers.append(
            Trigger(TriggerKind.FORECAST, f"forecast:{number}", forecast.origin_time, forecast=forecast)
        )
        runner.forecast = None
    if runner.candle_at is not None:
        at, runner.candle_at = runner.candle_at, None
        triggers.append(Trigger(TriggerKind.CANDLE, f"candle:{at.isoformat()}", at))
    if told and triggers and triggers[0].kind is not TriggerKind.ORDER_EVENT:
        triggers[0] = replace(triggers[0], events=tuple(told))
    return triggers
