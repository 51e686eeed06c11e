"""Turns: what wakes an agent, and one turn per plan at a time.

A trigger is durable before the agent hears of it: order events and account events are in their journals, forecasts, messages and
notices in their tables, and a schedule follows from the clock and from what was told last.
A turn is opened with the last number of each journal that it is told of, so after a crash the plan goes on exactly there: the turn
that was cut short is run again under its own number (its orders keep their names, so none is sent twice), then everything after it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import structlog

from kokex.domain.account_events import AccountEventKind
from kokex.domain.decision import Transcript, Trigger, Turn
from kokex.domain.errors import KokexError, StoreUnavailableError
from kokex.domain.events import OrderEvent
from kokex.domain.plan import TradingTool, TriggerKind
from kokex.ports.agent import Agent
from kokex.ports.clock import Clock
from kokex.ports.store import Store
from kokex.services.chat import conversation
from kokex.services.decision_record import notes_of
from kokex.services.due_times import due_of
from kokex.services.plan_runner import PlanRunner, candle_key
from kokex.services.spacing import Spacing
from kokex.services.triggers import rebuild

log = structlog.get_logger(__name__)

_TRADES = frozenset(tool.value for tool in TradingTool)

PAGE = 1000
"""Journalled events that are read at once."""
LONGEST_SLEEP = 60.0
"""How long a plan waits for a moment before it looks at the clock again, which may have been put right."""


class DecidingService:
    """Runs the agents of plans."""

    def __init__(self, store: Store, clock: Clock, agent: Agent) -> None:
        self._store = store
        self._clock = clock
        self._agent = agent
        self._spacing = Spacing()

    async def run(self, runner: PlanRunner) -> None:
        """Serve one plan until cancelled."""
        while not await self._has_recovered(runner):
            await self._clock.sleep(0.5)
        while True:
            await self._woken(runner)
            if not runner.awake:
                continue
            runner.hear_time(self._clock.now())
            triggers = runner.take_triggers(self._clock.now(), self._clock.monotonic())
            if triggers:
                await self._turn(runner, triggers)

    async def _woken(self, runner: PlanRunner) -> None:
        """Return when something happened, or a moment came that the plan waits for."""
        left = runner.seconds_left(self._clock.now(), self._clock.monotonic()) if runner.awake else None
        if left is None or runner.wake.is_set():
            await runner.wake.wait()
        elif left > 0:
            async with asyncio.TaskGroup() as tasks:
                alarm = tasks.create_task(self._ring(runner, min(left, LONGEST_SLEEP)))
                await runner.wake.wait()
                alarm.cancel()
        runner.wake.clear()

    async def _ring(self, runner: PlanRunner, seconds: float) -> None:
        await self._clock.sleep(seconds)
        runner.wake.set()

    async def _has_recovered(self, runner: PlanRunner) -> bool:
        """Recover; False where the database is away: once more."""
        try:
            await self._recover(runner)
        except StoreUnavailableError as error:
            log.warning("plan waits for the database", plan=runner.plan.id, reason=str(error))
            return False
        return True

    async def _recover(self, runner: PlanRunner) -> None:
        """Take up what a crash cut short and what was journalled since."""
        store = self._store
        plan = runner.plan
        cut_short = await store.turns.running(plan.id)
        runner.cursor, runner.account_cursor = await store.turns.cursors(plan.id)
        if cut_short is not None:
            triggers = await rebuild(self._store, cut_short, plan)
            await self._until_awake(runner)
            log.info("turn resumed", plan=plan.id, turn=cut_short.id)
            await self._run_turn(
                runner, Turn(cut_short.id, plan, triggers, cut_short.started_at, resumed=True)
            )
        journalled = await self._order_events_after(plan.id, runner.cursor)
        known = {event.id for event in runner.events}
        missed = [event for event in journalled if event.id not in known]
        if missed:
            runner.events = sorted([*missed, *runner.events], key=lambda event: event.id)
            runner.wake.set()
        await self._recover_account_events(runner)
        await self.hear_messages(runner)
        await self._recover_notices(runner)
        latest = await store.forecasts.latest(plan.id)
        if latest is None:
            return
        if await store.turns.handled(plan.id, f"forecast:{latest[0]}"):
            runner.last_forecast = max(runner.last_forecast, latest[0])
        else:
            runner.hear_forecast(*latest)

    async def _order_events_after(self, plan_id: int, after: int) -> list[OrderEvent]:
        found: list[OrderEvent] = []
        while True:
            page = await self._store.journal.events_after(plan_id, after, limit=PAGE)
            found += page
            if len(page) < PAGE:
                return found
            after = page[-1].id

    async def _recover_account_events(self, runner: PlanRunner) -> None:
        kinds = [kind for kind in AccountEventKind if kind.trigger in runner.plan.agent.triggers]
        after, full = runner.account_cursor, bool(kinds)
        while full:
            page = await self._store.account_journal.events_after(
                runner.plan.account_id, after, plan_id=runner.plan.id, kinds=kinds, limit=PAGE
            )
            known = {event.id for event in runner.account_events}
            missed = [event for event in page if event.id not in known]
            if missed:
                together = sorted([*missed, *runner.account_events], key=lambda event: event.id)
                runner.account_events = together
                runner.last_account_event = max(runner.last_account_event, together[-1].id)
                runner.wake.set()
            full = len(page) == PAGE
            after = page[-1].id if page else after

    async def _recover_notices(self, runner: PlanRunner) -> None:
        """Risk events and alerts that no turn was told of, and how far candles and schedule were told."""
        agent, notices = runner.plan.agent, self._store.notices
        if any(kind.noticed for kind in agent.triggers):
            runner.hear_notices(await notices.waiting(runner.plan.id))
        if TriggerKind.CANDLE in agent.triggers:
            runner.told_candle = await notices.last_told(runner.plan.id, TriggerKind.CANDLE) or ""
            if runner.candle_at is not None and candle_key(runner.candle_at) == runner.told_candle:
                runner.candle_at = None
        if agent.schedule is not None and TriggerKind.SCHEDULE in agent.triggers:
            since = await notices.watch(runner.plan.id, self._clock.now())
            told = await notices.last_told(runner.plan.id, TriggerKind.SCHEDULE)
            runner.due.until = since if told is None else max(since, due_of(told))
            runner.wake.set()

    async def hear_messages(self, runner: PlanRunner) -> None:
        """Tell the plan's agent of messages from the user that no turn was told of yet."""
        if TriggerKind.USER in runner.plan.agent.triggers:
            runner.hear_messages(await self._store.messages.waiting(runner.plan.id))

    async def _until_awake(self, runner: PlanRunner) -> None:
        while not runner.awake:
            await runner.wake.wait()
            runner.wake.clear()
        runner.wake.set()

    async def _turn(self, runner: PlanRunner, triggers: Sequence[Trigger]) -> None:
        told = max((event.id for trigger in triggers for event in trigger.events), default=0)
        runner.cursor = max(runner.cursor, told)
        waiting = runner.account_events[0].id - 1 if runner.account_events else runner.last_account_event
        runner.account_cursor = max(runner.account_cursor, waiting)
        started_at = self._clock.now()
        turn_id = await self._patiently(runner, triggers, started_at)
        await self._spacing.wait()
        await self._run_turn(runner, Turn(turn_id, runner.plan, tuple(triggers), started_at))

    async def _patiently(self, runner: PlanRunner, triggers: Sequence[Trigger], at: datetime) -> int:
        while True:
            try:
                return await self._store.turns.start(
                    runner.plan.id, triggers, runner.cursor, at, account_cursor=runner.account_cursor
                )
            except StoreUnavailableError as error:
                log.warning("turn waits for the database", plan=runner.plan.id, reason=str(error))
                await self._clock.sleep(0.5)

    async def _run_turn(self, runner: PlanRunner, turn: Turn) -> None:
        """One turn to its end; where the database fails in between, the same turn again."""
        while not await self._attempt(runner, turn):
            await self._clock.sleep(0.5)
            again = Transcript(attempt=turn.transcript.attempt + 1)
            turn = replace(turn, resumed=True, transcript=again)

    async def _attempt(self, runner: PlanRunner, turn: Turn) -> bool:
        try:
            turn = await self._with_conversation(turn)
            try:
                async with asyncio.timeout(turn.plan.agent.turn_seconds):
                    toolbox = runner.make_toolbox(turn.plan, turn.id, fresh=not turn.resumed)
                    decision = await self._agent.run_turn(turn, toolbox)
            except TimeoutError:
                await self._fail(turn, _too_long(turn))
                return True
            await self._spacing.wait()
            notes = notes_of(turn, decision)
            await self._store.turns.finish(turn.id, decision, self._clock.now(), notes=notes)
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

    async def _with_conversation(self, turn: Turn) -> Turn:
        if all(trigger.kind is not TriggerKind.USER for trigger in turn.triggers):
            return turn
        return replace(turn, conversation=await conversation(self._store.messages, turn.plan.id, turn.id))

    async def _fail(self, turn: Turn, reason: str) -> None:
        try:
            await self._store.turns.fail(turn.id, reason, self._clock.now(), notes=notes_of(turn, None))
        except StoreUnavailableError as error:
            log.warning("turn left for recovery", turn=turn.id, reason=str(error))


def _too_long(turn: Turn) -> str:
    """Why a turn was cut off, and how far it had come."""
    sent = sum(1 for call in turn.transcript.tool_calls if call.name in _TRADES)
    calls = len(turn.transcript.tool_calls)
    return (
        f"the turn took longer than {turn.plan.agent.turn_seconds:g} s; it had used {calls} tools, "
        f"{sent} of them to trade, and what reached the exchange stands"
    )
