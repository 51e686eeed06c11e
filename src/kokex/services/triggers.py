"""The triggers of a turn that was opened before, from their keys: to run it again after a crash, or to replay it."""

from __future__ import annotations

from kokex.domain.account_events import AccountEventKind
from kokex.domain.decision import Trigger
from kokex.domain.plan import Plan, TriggerKind
from kokex.domain.trigger_facts import time_text
from kokex.ports.store import Store, TurnRecord
from kokex.services import plan_runner
from kokex.services.due_times import due_of

_OF_ACCOUNT = frozenset(kind.value for kind in TriggerKind if kind.of_account)
_NOTICED = frozenset(kind.value for kind in TriggerKind if kind.noticed)


async def rebuild(store: Store, record: TurnRecord, plan: Plan) -> tuple[Trigger, ...]:
    """The triggers of a turn of `plan`; a forecast itself only where it is still the latest."""
    triggers: list[Trigger] = []
    latest = await store.forecasts.latest(record.plan_id)
    for key in record.trigger_keys:
        kind, _, rest = key.partition(":")
        if kind == "events":
            triggers.append(await _order_events(store, record, key))
        elif kind == TriggerKind.USER.value:
            message = await store.messages.get(int(rest))
            triggers.append(Trigger(TriggerKind.USER, key, message.sent_at, text=message.text))
        elif kind in _OF_ACCOUNT:
            triggers.append(await _of_account(store, record, plan, key))
        elif kind in _NOTICED:
            notice = await store.notices.get(int(rest))
            triggers.append(Trigger(notice.kind, key, notice.occurred_at, facts=notice.facts))
        elif kind == TriggerKind.SCHEDULE.value:
            due = due_of(key)
            triggers.append(Trigger(TriggerKind.SCHEDULE, key, due, facts={"due_at": time_text(due)}))
        elif kind == "forecast":
            forecast = latest[1] if latest is not None and latest[0] == int(rest) else None
            at = forecast.origin_time if forecast else record.started_at
            triggers.append(Trigger(TriggerKind.FORECAST, key, at, forecast=forecast))
        else:
            triggers.append(Trigger(TriggerKind.CANDLE, key, record.started_at))
    return tuple(triggers)


async def _order_events(store: Store, record: TurnRecord, key: str) -> Trigger:
    first, last = (int(number) for number in key.partition(":")[2].split("-"))
    events = await store.journal.events_after(record.plan_id, first - 1, limit=plan_runner.MOST_EVENTS)
    told = tuple(event for event in events if event.id <= last)
    return Trigger(TriggerKind.ORDER_EVENT, key, record.started_at, events=told)


async def _of_account(store: Store, record: TurnRecord, plan: Plan, key: str) -> Trigger:
    word, _, rest = key.partition(":")
    kind = TriggerKind(word)
    first, last = (int(number) for number in rest.split("-"))
    events = await store.account_journal.events_after(
        plan.account_id,
        first - 1,
        plan_id=plan.id,
        kinds=[one for one in AccountEventKind if one.trigger is kind],
        limit=plan_runner.MOST_EVENTS,
    )
    told = tuple(event for event in events if event.id <= last)
    return Trigger(kind, key, record.started_at, account_events=told)
