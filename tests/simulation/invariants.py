"""What must hold once nothing goes wrong any more: KOKEX's record against the exchange's own, to the last digit."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from kokex.adapters.postgres import PostgresStore
from kokex.domain.account import ExchangeAccount
from kokex.domain.account_events import AccountEventKind, AccountEventRecord
from kokex.domain.account_reports import BalanceReport, PositionReport
from kokex.domain.decision import TurnStatus
from kokex.domain.events import EventSource, OrderEvent
from kokex.domain.ids import order_origin
from kokex.domain.order import Order, OrderStatus
from kokex.domain.plan import Plan
from kokex.domain.position import PlanBook
from kokex.paper.exchange.exchange import PaperExchange
from kokex.paper.ledger.account import Account
from kokex.ports.store import TurnRecord
from kokex.services.ledger import Ledgers
from tests.simulation.agent import Script

_NEVER_TAKEN = {OrderStatus.DENIED, OrderStatus.REJECTED, OrderStatus.EXPIRED}
_STATES = {"accepted": "live"}
_CLOSED = {"filled", "canceled"}
_SLACK = Decimal("1.02")
"""How far the price that the gate knew may have been from the one at which the exchange took the order."""

Happening = tuple[str, str]
"""An order's state and the trade that brought it there."""


@dataclass(frozen=True)
class Case:
    """A plan with all that is to be compared.

    Attributes:
        account: the exchange's own.
        amended: their owner made an order larger by hand, beyond what the gate let through.
        forgetful: the exchange denied orders that were canceled without a fill.
        unordered: pushes of single orders were lost or swapped on a connection that went on: what was missed is journalled late,
            but for the `live` that an order begins with.
    """

    plan: Plan
    owner: ExchangeAccount
    account: Account
    script: Script
    amended: bool = False
    forgetful: bool = False
    unordered: bool = False


async def differences(
    exchange: PaperExchange, store: PostgresStore, cases: Sequence[Case], ledgers: Ledgers | None
) -> list[str]:
    """In what the records differ, in sentences; empty where every invariant holds.

    Args:
        ledgers: the engine's; None once the plans are stopped: what happens then wakes no agent.
    """
    found: list[str] = []
    for case in cases:
        events = await store.journal.events_after(case.plan.id, 0, limit=100_000)
        orders = await store.orders.recent(case.plan.id, limit=100_000)
        found += _journal(exchange, case, events)
        found += _fates(exchange, case, orders)
        found += await _fills(exchange, store, case, ledgers)
        found += _foreign(case, events)
        found += await _turns(store, case, events, asleep=ledgers is None)
        found += _limits(exchange, case)
    for owner, account in {case.owner.id: (case.owner, case.account) for case in cases}.values():
        found += await _account(store, owner, account)
    return found


# -- the journal


def _journal(exchange: PaperExchange, case: Case, events: Sequence[OrderEvent]) -> list[str]:
    theirs: dict[str, list[Happening]] = defaultdict(list)
    for event in exchange.records.events[case.account.uid]:
        if _concerns(case, event.client_order_id, event.inst_id):
            theirs[event.order_id].append((event.state, event.trade_id))
    ours: dict[str, list[Happening]] = defaultdict(list)
    refused = {event.update.order_id for event in events if event.source is EventSource.COMMAND}
    for journalled in events:
        update = journalled.update
        if update.order_id not in refused:
            state = _STATES.get(update.status.value, update.status.value)
            ours[update.order_id].append((state, (update.fill.trade_id or "") if update.fill else ""))
    found = []
    for name in sorted(set(theirs) | set(ours)):
        there, here = _steps(theirs.get(name, [])), _steps(ours.get(name, []))
        if case.forgetful and _without_trace(there) and not [step for step in here if step[1]]:
            continue
        if case.unordered:
            there, here = _first_then_sorted(there), _first_then_sorted(here)
        if there != here:
            found.append(
                f"plan {case.plan.id}, events of {name}: the exchange has {there}, the journal {here}"
            )
    twice = [key for key, count in Counter(_keys(events)).items() if count > 1]
    found.extend(f"plan {case.plan.id}: {key} is journalled twice" for key in twice)
    return found


def _concerns(case: Case, name: str, inst_id: str) -> bool:
    origin = order_origin(name)
    return inst_id == case.plan.inst_id and (origin is None or origin.plan_id == case.plan.id)


def _steps(happenings: Iterable[Happening]) -> list[Happening]:
    """The life of an order: each step once. An amendment repeats the state that it finds, and may be missed."""
    steps: list[Happening] = []
    for state, trade in happenings:
        echo = state == "partially_filled" and not trade
        if not echo and (state, trade) not in steps:
            steps.append((state, trade))
    return steps


def _first_then_sorted(steps: Sequence[Happening]) -> list[Happening]:
    """What an order began with is always journalled first, whatever was lost or swapped."""
    return [*steps[:1], *sorted(steps[1:])]


def _without_trace(steps: Sequence[Happening]) -> bool:
    return steps[-1:] == [("canceled", "")] and not any(trade for _, trade in steps)


def _keys(events: Iterable[OrderEvent]) -> Iterable[tuple[str, str, str]]:
    return ((event.update.order_id, event.event_type, event.event_key) for event in events)


# -- orders


def _fates(exchange: PaperExchange, case: Case, orders: Sequence[Order]) -> list[str]:
    found = []
    theirs = {}
    for order in exchange.records.orders_of(case.account.uid):
        origin = order_origin(order.client_order_id)
        if origin is None or origin.plan_id != case.plan.id:
            continue
        if order.client_order_id in theirs:
            found.append(f"{order.client_order_id} exists twice at the exchange")
        theirs[order.client_order_id] = order
    ours = {order.client_order_id: order for order in orders if order.decision_id is not None}
    found.extend(f"{name} is at the exchange and not on record" for name in theirs.keys() - ours.keys())
    for name, known in ours.items():
        there = theirs.get(name or "")
        found += _unlike(known, there, forgetful=case.forgetful)
    return found


def _unlike(order: Order, there: Any, *, forgetful: bool) -> list[str]:
    name, here = order.client_order_id, order.status
    if there is None:
        return [] if here in _NEVER_TAKEN else [f"{name} is {here} here and unknown at the exchange"]
    state, filled = there.state, there.instrument.size(there.filled_lots)
    if (
        forgetful
        and state == "canceled"
        and not filled
        and here in (OrderStatus.CANCELED, OrderStatus.EXPIRED)
    ):
        return []
    found = []
    if _STATES.get(here.value, here.value) != state:
        found.append(f"{name} is {state} at the exchange and {here} here")
    if order.filled_quantity != filled:
        found.append(f"{name}: {filled} filled at the exchange, {order.filled_quantity} here")
    if order.order_id != str(there.order_id):
        found.append(f"{name} is {there.order_id} at the exchange and {order.order_id} here")
    return found


# -- fills and holdings


async def _fills(
    exchange: PaperExchange, store: PostgresStore, case: Case, ledgers: Ledgers | None
) -> list[str]:
    plan = case.plan
    fills = await store.journal.fills(plan.id)
    theirs = []
    for fill in exchange.records.fills[case.account.uid]:
        origin = order_origin(fill.client_order_id)
        if origin is not None and origin.plan_id == plan.id:
            theirs.append(
                (
                    str(fill.order_id),
                    fill.trade_id,
                    fill.side,
                    fill.price,
                    fill.quantity,
                    fill.fee,
                    fill.fee_currency,
                )
            )
    ours = [
        (
            fill.order_id,
            fill.trade_id,
            fill.side.value,
            fill.price,
            fill.quantity,
            fill.fee,
            fill.fee_currency,
        )
        for fill in fills
    ]
    found = []
    there, here = Counter[tuple[Any, ...]](theirs), Counter[tuple[Any, ...]](ours)
    missing, extra = there - here, here - there
    if missing or extra:
        found.append(f"plan {plan.id}, fills: missing {list(missing)}, too many {list(extra)}")
    ledger = ledgers.get(plan.id) if ledgers is not None else None
    if ledger is not None:
        book = PlanBook(ledger.book.instrument).apply_all(fills)
        if (book.quantity, book.cash) != (ledger.book.quantity, ledger.book.cash):
            found.append(
                f"plan {plan.id}: the gate counts {ledger.book.quantity} and {ledger.book.cash}, "
                f"the fills are {book.quantity} and {book.cash}"
            )
        pending = {order.client_order_id for order in await store.orders.pending(plan_id=plan.id)}
        if pending != set(ledger.pending):
            found.append(f"plan {plan.id}: pending {sorted(ledger.pending)} in the gate, {pending} on record")
    return found


async def _account(store: PostgresStore, owner: ExchangeAccount, account: Account) -> list[str]:
    book = await store.account_journal.book(owner.id)
    found = []
    cash = {currency: amount for currency, amount in account.cash.items() if amount}
    known = {currency: report.total for currency, report in book.balances.items()}
    if cash != known:
        found.append(f"account {owner.id}, balances: {cash} at the exchange, {known} here")
    held = {
        position.instrument.inst_id: position.instrument.size(position.lots)
        for position in account.open_positions()
    }
    positions = {report.inst_id: report.quantity for report in book.positions}
    if held != positions:
        found.append(f"account {owner.id}, positions: {held} at the exchange, {positions} here")
    now = known | positions
    return found + _chains(owner, now, await store.account_journal.events_after(owner.id, 0, limit=100_000))


def _chains(
    owner: ExchangeAccount, now: Mapping[str, Decimal | None], records: Sequence[AccountEventRecord]
) -> list[str]:
    """Each event of a position or a balance begins where the one before it ended, the last is where it stands, none is there twice."""
    found = []
    reached: dict[str, Decimal | None] = {}
    for record in records:
        event = record.event
        if record.account_id != owner.id:
            found.append(f"account {owner.id} has event {record.id} of account {record.account_id}")
        if not isinstance(event.report, BalanceReport | PositionReport):
            continue
        about = event.currency or event.inst_id or ""
        if about in reached and reached[about] != event.before:
            found.append(
                f"account {owner.id}, {about}: event {record.id} begins at {event.before}, the one before ended at {reached[about]}"
            )
        reached[about] = event.after
    for about, amount in reached.items():
        if amount != (now.get(about) or 0):
            found.append(
                f"account {owner.id}, {about}: the last event ended at {amount}, it stands at {now.get(about)}"
            )
    keys = Counter((record.event.kind, record.event.event_key) for record in records)
    return found + [
        f"account {owner.id}: {key} is journalled twice" for key, count in keys.items() if count > 1
    ]


# -- who hears what


def _foreign(case: Case, events: Sequence[OrderEvent]) -> list[str]:
    """No plan hears of another account, or of another plan's orders."""
    found = []
    heard = [
        event for turn in case.script.turns.values() for trigger in turn.triggers for event in trigger.events
    ]
    for event in [*events, *heard]:
        update, origin = event.update, order_origin(event.update.client_order_id)
        mine = origin is not None and origin.plan_id == case.plan.id
        fits = event.account_id == case.plan.account_id and update.inst_id == case.plan.inst_id
        if not fits or event.external == mine or (origin is not None and not mine):
            found.append(
                f"plan {case.plan.id} heard of {update.client_order_id or update.order_id} "
                f"on account {event.account_id}, external {event.external}"
            )
    for turn in case.script.turns.values():
        for trigger in turn.triggers:
            found.extend(
                f"plan {case.plan.id} heard of account {record.account_id}"
                for record in trigger.account_events
                if record.account_id != case.plan.account_id
            )
    return found


async def _turns(
    store: PostgresStore, case: Case, events: Sequence[OrderEvent], *, asleep: bool
) -> list[str]:
    """Everything that wakes the agent is told in one turn, which ended well."""
    turns = await store.turns.recent(case.plan.id, limit=100_000)
    found = [
        f"plan {case.plan.id}: turn {turn.id} is {turn.status}: {turn.error}"
        for turn in turns
        if turn.status is not TurnStatus.DONE
    ]
    found += _told_once(case, "events", [event.id for event in events], turns, asleep=asleep)
    for kind in {one.trigger for one in AccountEventKind if one.trigger in case.plan.agent.triggers}:
        kinds = [one for one in AccountEventKind if one.trigger is kind]
        records = await store.account_journal.events_after(
            case.plan.account_id, 0, plan_id=case.plan.id, kinds=kinds, limit=100_000
        )
        found += _told_once(case, str(kind), [record.id for record in records], turns, asleep=asleep)
    return found


def _told_once(
    case: Case, word: str, numbers: Sequence[int], turns: Sequence[TurnRecord], *, asleep: bool
) -> list[str]:
    ranges = []
    for turn in turns:
        for key in turn.trigger_keys:
            name, _, rest = key.partition(":")
            if name == word:
                first, last = (int(number) for number in rest.split("-"))
                ranges.append((first, last, turn.id))
    found = []
    last_told = max((last for _, last, _ in ranges), default=0)
    if word == "events":
        last_told = max((turn.cursor for turn in turns), default=0)
    for number in numbers:
        if asleep and number > last_told:
            continue
        told = [turn for first, last, turn in ranges if first <= number <= last]
        if len(told) != 1:
            found.append(f"plan {case.plan.id}: {word} {number} was told in turns {told}")
    return found


# -- limits


def _limits(exchange: PaperExchange, case: Case) -> list[str]:
    """What the gate must never let through, by the exchange's own record of each moment."""
    limits, found = case.plan.limits, []
    live: dict[str, tuple[bool, Decimal]] = {}
    held = Decimal(0)
    filled: dict[str, Decimal] = {}
    for event in exchange.records.events[case.account.uid]:
        origin = order_origin(event.client_order_id)
        if origin is None or origin.plan_id != case.plan.id:
            continue
        row: dict[str, Any] = json.loads(event.payload)
        buys, size, done = row["side"] == "buy", Decimal(row["sz"]), Decimal(event.filled)
        held += (done - filled.get(event.order_id, Decimal(0))) * (1 if buys else -1)
        filled[event.order_id] = done
        live.pop(event.order_id, None)
        if event.state not in _CLOSED:
            live[event.order_id] = (buys, size - done)
        if len(live) > limits.max_open_orders:
            found.append(f"plan {case.plan.id}: {len(live)} orders open at event {event.seq}")
        if case.amended:
            continue
        found += _exposure(exchange, case, row, held, live)
    return found


def _exposure(
    exchange: PaperExchange,
    case: Case,
    row: dict[str, Any],
    held: Decimal,
    live: dict[str, tuple[bool, Decimal]],
) -> list[str]:
    item = exchange.instruments[row["instId"]]
    price = Decimal(row["fillPx"] or row["px"] or exchange.marks[item.inst_id])
    worth = price * (item.contract_value if item.inst_type == "SWAP" else 1)
    limits, found = case.plan.limits, []
    if Decimal(row["sz"]) * worth > limits.max_order_notional * _SLACK:
        found.append(f"plan {case.plan.id}: order {row['clOrdId']} is worth {Decimal(row['sz']) * worth}")
    most = held + sum((size for buys, size in live.values() if buys), Decimal(0))
    least = held - sum((size for buys, size in live.values() if not buys), Decimal(0))
    if max(abs(most), abs(least)) * worth > limits.max_position_notional * _SLACK:
        found.append(f"plan {case.plan.id}: {least} to {most} at stake, at {price}")
    if not limits.allow_short and least < 0:
        found.append(f"plan {case.plan.id}: short by {least}")
    return found
