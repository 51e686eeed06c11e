"""Turns: opened once per trigger, at most one running per plan, closed with a decision or an error."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, exists, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from kokex.adapters.postgres.database import ConstraintError, Database
from kokex.adapters.postgres.tables import tool_calls, turn_records, turn_triggers, turns
from kokex.adapters.postgres.text import storable_document, storable_text
from kokex.adapters.postgres.turn_writer import Closing, Opening, TurnWriter
from kokex.domain.decision import Action, Decision, ToolCall, Trigger, TurnStatus
from kokex.domain.errors import NotFoundError, StateError
from kokex.domain.plan import TriggerKind
from kokex.ports.store import TurnNotes, TurnRecord, TurnTally

_LONGEST_QUOTE = 80


class PostgresTurns:
    """`TurnStore` on `turns`, `turn_triggers` and `tool_calls`."""

    def __init__(self, database: Database, writer: TurnWriter) -> None:
        self._database = database
        self._writer = writer

    async def start(
        self,
        plan_id: int,
        triggers: Sequence[Trigger],
        cursor: int,
        at: datetime,
        *,
        account_cursor: int = 0,
    ) -> int:
        """See `TurnStore`. Asked again while that same turn runs, gives its number: an answer may have been lost.

        A turn of the plan that was left running is closed as failed: a new one beginning shows that it is over.

        Raises:
            StateError: the plan does not exist, or another process opened a turn of it at this very moment.
        """
        keys = list(dict.fromkeys(trigger.key for trigger in triggers))
        opening = Opening(
            plan_id,
            keys,
            storable_text(summarise(triggers)),
            sorted({event.id for trigger in triggers for event in trigger.events}),
            cursor,
            account_cursor,
            at,
        )
        try:
            number = await self._writer.open(opening)
            while number is None:
                async with self._database.begin() as connection:
                    number = await _same_or_close(connection, plan_id, keys, at)
                number = number or await self._writer.open(opening)
        except ConstraintError as error:
            raise StateError(
                f"plan {plan_id} cannot open a turn: it does not exist, or another process has just opened one"
            ) from error
        return number

    async def finish(
        self, turn_id: int, decision: Decision, at: datetime, *, notes: TurnNotes | None = None
    ) -> None:
        """See `TurnStore`. Changes nothing where the turn is closed already. Raises `NotFoundError`."""
        notes = notes or TurnNotes({}, decision.tool_calls)
        await self._close(
            replace(
                _closing(turn_id, TurnStatus.DONE, at, notes),
                action=decision.action.value,
                reason=storable_text(decision.reason),
                confidence=decision.confidence,
                model=storable_text(decision.model),
                change_of_mind=decision.change_of_mind and storable_text(decision.change_of_mind),
            )
        )

    async def fail(self, turn_id: int, error: str, at: datetime, *, notes: TurnNotes | None = None) -> None:
        """See `TurnStore`. Changes nothing where the turn is closed already. Raises `NotFoundError`."""
        closing = _closing(turn_id, TurnStatus.FAILED, at, notes or TurnNotes({}, ()))
        await self._close(replace(closing, error=storable_text(error)))

    async def _close(self, closing: Closing) -> None:
        if not await self._writer.finish(closing):
            async with self._database.begin() as connection:
                await _must_exist(connection, closing.turn_id)

    async def get(self, turn_id: int) -> TurnRecord:
        """See `TurnStore`."""
        found = await self._read(select(turns).where(turns.c.id == turn_id))
        if not found:
            raise NotFoundError(f"turn {turn_id} does not exist")
        return found[0]

    async def notes(self, turn_id: int) -> Mapping[str, Any]:
        """See `TurnStore`."""
        query = select(turn_records.c.record).where(turn_records.c.turn_id == turn_id)
        async with self._database.begin() as connection:
            record: Mapping[str, Any] | None = (await connection.execute(query)).scalar_one_or_none()
        return record or {}

    async def running(self, plan_id: int) -> TurnRecord | None:
        """See `TurnStore`."""
        query = select(turns).where(turns.c.plan_id == plan_id, turns.c.status == TurnStatus.RUNNING.value)
        found = await self._read(query)
        return found[0] if found else None

    async def cursors(self, plan_id: int) -> tuple[int, int]:
        """See `TurnStore`."""
        newest = (func.max(turns.c.cursor), func.max(turns.c.account_cursor))
        query = select(*(func.coalesce(column, 0) for column in newest)).where(turns.c.plan_id == plan_id)
        async with self._database.begin() as connection:
            cursor, account_cursor = (await connection.execute(query)).one()
        return cursor, account_cursor

    async def handled(self, plan_id: int, trigger_key: str) -> bool:
        """See `TurnStore`."""
        key = (turn_triggers.c.plan_id == plan_id, turn_triggers.c.trigger_key == trigger_key)
        async with self._database.begin() as connection:
            return (await connection.execute(select(exists().where(*key)))).scalar_one()

    async def recent(self, plan_id: int, *, limit: int) -> list[TurnRecord]:
        """See `TurnStore`."""
        return await self._read(
            select(turns).where(turns.c.plan_id == plan_id).order_by(turns.c.id.desc()).limit(limit)
        )

    async def count(self, plan_id: int) -> int:
        """See `TurnStore`."""
        query = select(func.count()).where(
            turns.c.plan_id == plan_id, turns.c.status == TurnStatus.DONE.value
        )
        async with self._database.begin() as connection:
            return (await connection.execute(query)).scalar_one()

    async def tally(self, plan_id: int) -> TurnTally:
        """See `TurnStore`."""
        kind = func.split_part(turn_triggers.c.trigger_key, ":", 1)
        told = select(kind, func.count()).where(turn_triggers.c.plan_id == plan_id).group_by(kind)
        ends = (
            select(turns.c.status, turns.c.action, func.count())
            .where(turns.c.plan_id == plan_id)
            .group_by(turns.c.status, turns.c.action)
        )
        async with self._database.begin() as connection:
            triggers = {str(name): number for name, number in (await connection.execute(told)).all()}
            ended = {(status, action): number for status, action, number in await connection.execute(ends)}
        done = TurnStatus.DONE.value
        return TurnTally(
            triggers,
            ended.get((done, Action.ACT.value), 0),
            ended.get((done, Action.HOLD.value), 0),
            sum(number for (status, _), number in ended.items() if status == TurnStatus.FAILED.value),
        )

    async def _read(self, query: Select[tuple[object, ...]]) -> list[TurnRecord]:
        async with self._database.begin() as connection:
            rows = (await connection.execute(query)).all()
            closed = [row.id for row in rows if row.status != TurnStatus.RUNNING.value]
            calls = await _calls(connection, closed) if closed else {}
        return [_record(row, calls.get(row.id, ())) for row in rows]


def summarise(triggers: Sequence[Trigger]) -> str:
    """What woke a turn, for a person: `forecast; 2 buy_order_partial, 1 buy_order_done`."""
    parts = []
    for trigger in triggers:
        if trigger.kind is TriggerKind.ORDER_EVENT and trigger.events:
            counts = Counter(event.event_type for event in trigger.events)
            parts.append(", ".join(f"{count} {name}" for name, count in counts.items()))
        elif trigger.account_events:
            counted = Counter(event.event.kind.value for event in trigger.account_events)
            parts.append(", ".join(f"{count} {name}" for name, count in counted.items()))
        elif trigger.kind is TriggerKind.USER and trigger.text:
            parts.append(f"user: {trigger.text[:_LONGEST_QUOTE]}")
        else:
            parts.append(trigger.kind.value)
    return "; ".join(parts)


async def _same_or_close(
    connection: AsyncConnection, plan_id: int, keys: list[str], at: datetime
) -> int | None:
    """The running turn of these triggers; None where there is none, and any other running turn is closed."""
    running = (turns.c.plan_id == plan_id, turns.c.status == TurnStatus.RUNNING.value)
    query = select(turns.c.id, turns.c.trigger_keys).where(*running).with_for_update()
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        return None
    if list(row.trigger_keys) == keys:
        return int(row.id)
    await _close_failed(connection, row.id, "left open when the next turn began", at)
    return None


async def _close_failed(connection: AsyncConnection, turn_id: int, error: str, at: datetime) -> bool:
    """Close a running turn without a decision. False where it is not running."""
    running = (turns.c.id == turn_id, turns.c.status == TurnStatus.RUNNING.value)
    values = {"status": TurnStatus.FAILED.value, "finished_at": at, "error": error}
    change = update(turns).where(*running).values(**values).returning(turns.c.id)
    return (await connection.execute(change)).one_or_none() is not None


async def _must_exist(connection: AsyncConnection, turn_id: int) -> None:
    if (await connection.execute(select(turns.c.id).where(turns.c.id == turn_id))).first() is None:
        raise NotFoundError(f"turn {turn_id} does not exist")


def _closing(turn_id: int, status: TurnStatus, at: datetime, notes: TurnNotes) -> Closing:
    calls = storable_document(_call_rows(notes.tool_calls))
    record = storable_document(notes.record)
    return Closing(turn_id, status.value, at, calls, record, notes.tokens_in, notes.tokens_out)


def _call_rows(calls: Sequence[ToolCall]) -> list[dict[str, object]]:
    return [
        {
            "step": step,
            "name": call.name,
            "arguments": call.arguments,
            "result": call.result,
            "seconds": call.seconds,
            "asked_at": call.asked_at,
        }
        for step, call in enumerate(calls)
    ]


async def _calls(connection: AsyncConnection, turn_ids: Sequence[int]) -> dict[int, tuple[ToolCall, ...]]:
    query = (
        select(tool_calls)
        .where(tool_calls.c.turn_id.in_(turn_ids))
        .order_by(tool_calls.c.turn_id, tool_calls.c.step)
    )
    found: defaultdict[int, list[ToolCall]] = defaultdict(list)
    for row in (await connection.execute(query)).all():
        found[row.turn_id].append(ToolCall(row.name, row.arguments, row.result, row.seconds, row.asked_at))
    return {turn_id: tuple(calls) for turn_id, calls in found.items()}


def _record(row: Row[tuple[object, ...]], calls: tuple[ToolCall, ...]) -> TurnRecord:
    decision = None
    if row.action is not None:
        decision = Decision(
            Action(row.action), row.reason, row.confidence, row.model, calls, row.change_of_mind
        )
    return TurnRecord(
        id=row.id,
        plan_id=row.plan_id,
        status=TurnStatus(row.status),
        trigger_keys=tuple(row.trigger_keys),
        trigger_summary=row.trigger_summary,
        cursor=row.cursor,
        started_at=row.started_at,
        finished_at=row.finished_at,
        decision=decision,
        error=row.error,
        tool_calls=calls,
    )
