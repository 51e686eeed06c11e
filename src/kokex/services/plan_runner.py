"""What waits for a plan's agent, what of it wakes it, and when.

What is told together, and when, is the plan's own choice (`AgentSettings`): after a first trigger that can wait, more is waited for
(`debounce_seconds`); in quiet hours only what cannot wait wakes it, and the rest is told when they end. Events of the two journals
are always told in their order: those of them that would not wake it come along with what does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from kokex.domain.account_events import AccountEventRecord
from kokex.domain.decision import Trigger
from kokex.domain.events import OrderEvent, OrderEventKind
from kokex.domain.forecast import Forecast
from kokex.domain.notice import Notice
from kokex.domain.plan import Plan, TriggerKind
from kokex.ports.messages import UserMessage
from kokex.ports.toolbox import Toolbox
from kokex.services.due_times import DueTimes

MOST_EVENTS = 1000
"""Events of either journal told in one turn; more wait for the next."""
_MOST_MESSAGES = 10
"""The same, of messages from the user."""
_MOST_NOTICES = 50
"""The same, of risk events and price alerts."""
_ENDS: Final = frozenset({OrderEventKind.DONE, OrderEventKind.CANCELED, OrderEventKind.REJECTED})
_NEVER_WAITS: Final = frozenset(
    {TriggerKind.USER, TriggerKind.MARGIN, TriggerKind.STOP, TriggerKind.RISK_EVENT}
)
"""What is told at once, whatever a plan's debounce; so are order events that end an order."""


class ToolboxMaker(Protocol):
    """Makes the tools of a turn."""

    def __call__(self, plan: Plan, turn_id: int, *, fresh: bool) -> Toolbox:
        """Tools for turn `turn_id` of `plan`; `fresh`: it was never run before."""
        ...


@dataclass(slots=True)
class PlanRunner:
    """One plan's agent at work: what waits for it, and the turn it is in.

    Attributes:
        cursor: last journal number that a turn was told of.
        account_cursor: the same, of account events; those that the plan does not want count as told.
        awake: the account is reconciled and the plan is running.
        told_candle: trigger of the candle that a turn was told of last.
        due: of its schedule.
        waiting_since: when, by the monotonic clock, it first had something to tell that can wait.
    """

    plan: Plan
    make_toolbox: ToolboxMaker
    cursor: int = 0
    account_cursor: int = 0
    awake: bool = False
    events: list[OrderEvent] = field(default_factory=list)
    account_events: list[AccountEventRecord] = field(default_factory=list)
    last_account_event: int = 0
    forecast: tuple[int, Forecast] | None = None
    last_forecast: int = 0
    candle_at: datetime | None = None
    told_candle: str = ""
    messages: list[UserMessage] = field(default_factory=list)
    heard_messages: set[int] = field(default_factory=set)
    notices: list[Notice] = field(default_factory=list)
    heard_notices: set[int] = field(default_factory=set)
    due: DueTimes = field(default_factory=DueTimes)
    waiting_since: float | None = None
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    def hear_events(self, events: Sequence[OrderEvent]) -> None:
        """Order events of the plan, journalled; those that it is to be woken by wake it."""
        known = {one.id for one in self.events} if _may_wait(events, self.events) else frozenset()
        self.events.extend(one for one in events if one.id > self.cursor and one.id not in known)
        if any(self._is_woken_by(event) for event in events):
            self.wake.set()

    def hear_account_events(self, events: Sequence[AccountEventRecord]) -> None:
        """Account events that concern the plan, journalled; it is woken by the kinds that it wants, and told of no others."""
        waiting = self.account_events
        known = {one.id for one in waiting} if _may_wait(events, waiting) else frozenset()
        wanted = [
            one for one in events if self.wants(one) and one.id > self.account_cursor and one.id not in known
        ]
        self.account_events.extend(wanted)
        self.last_account_event = max((self.last_account_event, *(event.id for event in events)))
        if wanted:
            self.wake.set()

    def wants(self, event: AccountEventRecord) -> bool:
        """Whether the plan's agent is to be woken by it."""
        return event.event.kind.trigger in self.plan.agent.triggers

    def hear_forecast(self, number: int, forecast: Forecast) -> None:
        """A new forecast, kept; it takes the place of one that still waits. One heard before is no news."""
        if number <= self.last_forecast:
            return
        self.last_forecast = number
        self.forecast = (number, forecast)
        if TriggerKind.FORECAST in self.plan.agent.triggers:
            self.wake.set()

    def hear_candle(self, at: datetime) -> None:
        """The candle that closed `at` is kept, and the newest. One that a turn was told of is no news."""
        if TriggerKind.CANDLE in self.plan.agent.triggers and candle_key(at) != self.told_candle:
            self.candle_at = at
            self.wake.set()

    def hear_messages(self, messages: Sequence[UserMessage]) -> None:
        """Messages from the user that no turn was told of yet. One heard before is no news."""
        if TriggerKind.USER not in self.plan.agent.triggers:
            return
        new = [message for message in messages if message.id not in self.heard_messages]
        self.heard_messages.update(message.id for message in new)
        self.messages.extend(new)
        if new:
            self.wake.set()

    def hear_notices(self, notices: Iterable[Notice]) -> None:
        """Risk events and price alerts, kept, that no turn was told of yet. One heard before is no news."""
        wanted = self.plan.agent.triggers
        new = [one for one in notices if one.kind in wanted and one.id not in self.heard_notices]
        self.heard_notices.update(one.id for one in new)
        self.notices.extend(new)
        if new:
            self.wake.set()

    def hear_time(self, now: datetime) -> None:
        """It is `now`: what of the plan's schedule has come due waits."""
        if self.plan.agent.schedule is not None and TriggerKind.SCHEDULE in self.plan.agent.triggers:
            self.due.hear(self.plan.agent.schedule, now)

    def seconds_left(self, now: datetime, moment: float) -> float | None:
        """How soon something may come due though nothing happens; None: never. `moment`: of the monotonic clock."""
        agent, left = self.plan.agent, []
        if agent.schedule is not None and TriggerKind.SCHEDULE in agent.triggers:
            left.append((agent.schedule.next_after(now) - now).total_seconds())
        if self.waiting_since is not None:
            left.append(self.waiting_since + agent.debounce_seconds - moment)
        ends = agent.quiet_hours.ends(now) if agent.quiet_hours else None
        if ends is not None and self._waiting():
            left.append((ends - now).total_seconds())
        return max(min(left), 0.0) if left else None

    def take_triggers(self, now: datetime, moment: float) -> list[Trigger]:
        """What is to be told now, as the triggers of one turn; what is told waits no more. Empty where it is not to be woken yet."""
        agent = self.plan.agent
        quiet = agent.quiet_hours is not None and agent.quiet_hours.ends(now) is not None
        waking = {kind for kind in self._waiting() if not (quiet and kind.waits_at_night)}
        if not waking:
            self.waiting_since = None
            return []
        if agent.debounce_seconds and not self._cannot_wait(waking):
            self.waiting_since = moment if self.waiting_since is None else self.waiting_since
            if moment < self.waiting_since + agent.debounce_seconds:
                return []
        self.waiting_since = None
        triggers = self._take_messages() + self._take_events() + self._take_notices(quiet=quiet)
        return triggers if quiet else triggers + self._take_market()

    def _waiting(self) -> set[TriggerKind]:
        """Kinds of what waits that the plan wants to be woken by."""
        kinds = {one.event.kind.trigger for one in self.account_events} | {one.kind for one in self.notices}
        if any(self._is_woken_by(event) for event in self.events):
            kinds.add(TriggerKind.ORDER_EVENT)
        if self.forecast is not None:
            kinds.add(TriggerKind.FORECAST)
        if self.candle_at is not None:
            kinds.add(TriggerKind.CANDLE)
        if self.messages:
            kinds.add(TriggerKind.USER)
        if self.due.latest is not None:
            kinds.add(TriggerKind.SCHEDULE)
        return {kind for kind in kinds if kind is not None and kind in self.plan.agent.triggers}

    def _cannot_wait(self, waking: set[TriggerKind]) -> bool:
        ended = any(event.wakes_as in _ENDS and self._is_woken_by(event) for event in self.events)
        return ended or bool(waking & _NEVER_WAITS)

    def _is_woken_by(self, event: OrderEvent) -> bool:
        agent = self.plan.agent
        return TriggerKind.ORDER_EVENT in agent.triggers and event.wakes_as in agent.order_triggers

    def _take_market(self) -> list[Trigger]:
        """Forecast, candle and schedule."""
        triggers: list[Trigger] = []
        if self.forecast is not None and TriggerKind.FORECAST in self.plan.agent.triggers:
            (number, forecast), self.forecast = self.forecast, None
            key = f"forecast:{number}"
            triggers.append(Trigger(TriggerKind.FORECAST, key, forecast.origin_time, forecast=forecast))
        if self.candle_at is not None:
            at, self.candle_at = self.candle_at, None
            self.told_candle = candle_key(at)
            triggers.append(Trigger(TriggerKind.CANDLE, self.told_candle, at))
        return triggers + self.due.take()

    def _take_messages(self) -> list[Trigger]:
        """Each message as a trigger of its own; what is more than a turn takes waits for the next."""
        told, self.messages = self.messages[:_MOST_MESSAGES], self.messages[_MOST_MESSAGES:]
        if self.messages:
            self.wake.set()
        return [
            Trigger(TriggerKind.USER, message.trigger_key, message.sent_at, text=message.text)
            for message in told
        ]

    def _take_notices(self, *, quiet: bool) -> list[Trigger]:
        """Each notice as a trigger of its own; in quiet hours those that wait at night stay."""
        ready = [one for one in self.notices if not (quiet and one.kind.waits_at_night)]
        told = {one.id for one in ready[:_MOST_NOTICES]}
        self.notices = [one for one in self.notices if one.id not in told]
        if len(ready) > len(told):
            self.wake.set()
        return [
            Trigger(one.kind, one.trigger_key, one.occurred_at, facts=one.facts)
            for one in ready
            if one.id in told
        ]

    def _take_events(self) -> list[Trigger]:
        """Order events as one trigger, account events as one of each kind; what is more than a turn takes waits for the next."""
        triggers: list[Trigger] = []
        told, self.events = self.events[:MOST_EVENTS], self.events[MOST_EVENTS:]
        told_of_account, self.account_events = (
            self.account_events[:MOST_EVENTS],
            self.account_events[MOST_EVENTS:],
        )
        if self.events or self.account_events:
            self.wake.set()
        if told:
            key = f"events:{told[0].id}-{told[-1].id}"
            at = told[-1].update.occurred_at
            triggers.append(Trigger(TriggerKind.ORDER_EVENT, key, at, events=tuple(told)))
        for kind in TriggerKind:
            some = tuple(event for event in told_of_account if event.event.kind.trigger is kind)
            if some:
                key = f"{kind.value}:{some[0].id}-{some[-1].id}"
                triggers.append(Trigger(kind, key, some[-1].event.occurred_at, account_events=some))
        return triggers


def _may_wait(
    heard: Sequence[OrderEvent | AccountEventRecord], waiting: Sequence[OrderEvent | AccountEventRecord]
) -> bool:
    """Whether some of `heard` may wait already: the recovery reads the journal, and is faster than whoever tells now and then."""
    return bool(heard and waiting) and heard[0].id <= waiting[-1].id


def candle_key(closed_at: datetime) -> str:
    """The trigger of a closed candle."""
    return f"{TriggerKind.CANDLE.value}:{closed_at.isoformat()}"
