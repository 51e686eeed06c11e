"""What waits for a plan's agent, and what of it wakes it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from kokex.domain.account_events import AccountEventRecord
from kokex.domain.decision import Trigger
from kokex.domain.events import OrderEvent
from kokex.domain.forecast import Forecast
from kokex.domain.plan import Plan, TriggerKind
from kokex.ports.messages import UserMessage
from kokex.ports.toolbox import Toolbox

MOST_EVENTS = 1000
"""Events of either journal told in one turn; more wait for the next."""
_MOST_MESSAGES = 10
"""The same, of messages from the user."""


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
        account_cursor: the same, of account events; those that the plan does not want count as told.
        awake: the account is reconciled and the plan is running.
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
    messages: list[UserMessage] = field(default_factory=list)
    heard_messages: set[int] = field(default_factory=set)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    def hear_events(self, events: Sequence[OrderEvent]) -> None:
        """Order events of the plan, journalled; those that it is to be woken by wake it."""
        self.events.extend(event for event in events if event.id > self.cursor)
        if TriggerKind.ORDER_EVENT in self.plan.agent.triggers and any(
            event.kind in self.plan.agent.order_triggers for event in events
        ):
            self.wake.set()

    def hear_account_events(self, events: Sequence[AccountEventRecord]) -> None:
        """Account events that concern the plan, journalled; it is woken by the kinds that it wants, and told of no others."""
        wanted = [event for event in events if self.wants(event) and event.id > self.account_cursor]
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
        """A candle closed and is kept."""
        if TriggerKind.CANDLE in self.plan.agent.triggers:
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

    def take_triggers(self) -> list[Trigger]:
        """Everything that waits, as the triggers of one turn; what is told waits no more. Empty where nothing is to wake the agent.

        Order events that need not wake it come along with what does.
        """
        wanted = self.plan.agent.triggers
        woken = TriggerKind.ORDER_EVENT in wanted and any(
            event.kind in self.plan.agent.order_triggers for event in self.events
        )
        forecast = self.forecast if TriggerKind.FORECAST in wanted else None
        other = forecast is not None or self.candle_at is not None or self.messages
        if not (woken or self.account_events or other):
            return []
        triggers = self._take_messages() + self._take_events()
        if forecast is not None:
            key = f"forecast:{forecast[0]}"
            triggers.append(Trigger(TriggerKind.FORECAST, key, forecast[1].origin_time, forecast=forecast[1]))
            self.forecast = None
        if self.candle_at is not None:
            at, self.candle_at = self.candle_at, None
            triggers.append(Trigger(TriggerKind.CANDLE, f"candle:{at.isoformat()}", at))
        return triggers

    def _take_messages(self) -> list[Trigger]:
        """Each message as a trigger of its own; what is more than a turn takes waits for the next."""
        told, self.messages = self.messages[:_MOST_MESSAGES], self.messages[_MOST_MESSAGES:]
        if self.messages:
            self.wake.set()
        return [
            Trigger(TriggerKind.USER, message.trigger_key, message.sent_at, text=message.text)
            for message in told
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
