"""Turns of many plans in one transaction: each hears of its own, and none is lost with another."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

import psycopg
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from kokex.adapters.postgres import PostgresStore
from kokex.adapters.postgres.address import DatabaseAddress
from kokex.adapters.postgres.parameters import Parameter
from kokex.adapters.postgres.statement_line import Statement, StatementLine
from kokex.adapters.postgres.turn_sql import CLOSE, OPEN
from kokex.adapters.postgres.turn_writer import (
    OPTIONS,
    Closing,
    Opening,
    TurnWriter,
    closing_columns,
    opening_columns,
)
from kokex.domain.decision import Action, Decision, Trigger, TurnStatus
from kokex.domain.errors import StateError, StoreUnavailableError
from kokex.domain.events import OrderEvent
from kokex.domain.notice import AlertDirection
from kokex.domain.plan import Plan, TriggerKind
from tests.builders import START
from tests.integration.postgres.journalling import entry, new_plan

HELD = Decision(Action.HOLD, "no reason to trade", model="test")


def told(*numbers: int) -> list[Trigger]:
    told_of = entry()
    of = told_of.classified
    events = tuple(
        OrderEvent(
            number, 1, 1, of.event_type, of.kind, of.event_key, of.update, told_of.source, False, START
        )
        for number in numbers
    )
    return [
        Trigger(TriggerKind.ORDER_EVENT, f"events:{numbers[0]}-{numbers[-1]}", START, events=events),
        Trigger(TriggerKind.FORECAST, f"forecast:{numbers[0]}", START),
    ]


@pytest.fixture
async def plans(store: PostgresStore) -> list[Plan]:
    return [await new_plan(store, f"plan {number}") for number in range(6)]


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many statements each transaction had."""
    seen: list[int] = []
    run = StatementLine.run

    async def counted(self, *commands):  # type: ignore[no-untyped-def]
        seen.append(len(commands))
        return await run(self, *commands)

    monkeypatch.setattr(StatementLine, "run", counted)
    return seen


async def event_ids(database_url: str) -> dict[int, list[int]]:
    """What each turn was told of, as kept."""
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        return dict(await (await connection.execute("SELECT plan_id, event_ids FROM turns")).fetchall())


async def test_turns_of_many_plans_go_together(
    store: PostgresStore, database_url: str, plans: list[Plan], runs: list[int]
) -> None:
    """Opened in one transaction, closed in another, each with its own triggers, events and words."""
    lists = [[plan.id * 10 + place for place in range(number)] for number, plan in enumerate(plans, 1)]
    turns = await asyncio.gather(
        *(
            store.turns.start(plan.id, told(*events), 7, START)
            for plan, events in zip(plans, lists, strict=True)
        )
    )
    assert runs == [1]
    await asyncio.gather(
        *(store.turns.finish(turn, replace(HELD, reason=f"of {turn}"), START) for turn in turns)
    )
    assert runs == [1, 1]

    assert await event_ids(database_url) == dict(zip([plan.id for plan in plans], lists, strict=True))
    for plan, turn, events in zip(plans, turns, lists, strict=True):
        (kept,) = await store.turns.recent(plan.id, limit=5)
        assert kept.id == turn
        assert kept.trigger_keys == (f"events:{events[0]}-{events[-1]}", f"forecast:{events[0]}")
        assert kept.decision is not None and kept.decision.reason == f"of {turn}"
        assert await store.turns.handled(plan.id, f"forecast:{events[0]}")


async def test_what_is_refused_keeps_no_other_from_being_opened(
    store: PostgresStore, plans: list[Plan]
) -> None:
    """A plan that does not exist hears of it, the others have their turns."""
    asked = [store.turns.start(number, told(1), 0, START) for number in (plans[0].id, 99, plans[1].id)]
    first, refused, second = await asyncio.gather(*asked, return_exceptions=True)

    assert isinstance(refused, StateError)
    assert [await store.turns.running(plan.id) for plan in plans[2:]] == [None] * 4
    for plan, turn in zip(plans, (first, second), strict=False):
        running = await store.turns.running(plan.id)
        assert running is not None and running.id == turn


async def test_one_plan_twice_at_once(store: PostgresStore, plans: list[Plan]) -> None:
    """One turn of a plan at a time, however they are asked for; the same triggers are the same turn."""
    same = await asyncio.gather(*(store.turns.start(plans[0].id, told(1), 0, START) for _ in range(3)))

    assert len(set(same)) == 1
    assert len(await store.turns.recent(plans[0].id, limit=5)) == 1


async def test_closings_and_openings_share_a_transaction(
    store: PostgresStore, plans: list[Plan], runs: list[int]
) -> None:
    """While one is under way the next gathers, whatever is asked for."""
    turn = await store.turns.start(plans[0].id, told(1), 0, START)
    runs.clear()
    await asyncio.gather(
        store.turns.finish(turn, HELD, START),
        store.turns.start(plans[1].id, told(1), 0, START),
        store.turns.start(plans[2].id, told(1), 0, START),
    )

    assert runs == [2]


async def test_whoever_is_cancelled_takes_nothing_back(store: PostgresStore, plans: list[Plan]) -> None:
    """What is under way is finished for the others; asked for again, it is the same turn."""
    asked = [asyncio.ensure_future(store.turns.start(plan.id, told(1), 0, START)) for plan in plans[:2]]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    asked[0].cancel()

    theirs = await asked[1]
    with pytest.raises(asyncio.CancelledError):
        await asked[0]

    running = await store.turns.running(plans[1].id)
    assert running is not None and running.id == theirs
    again = await store.turns.start(plans[0].id, told(1), 0, START)
    assert [one.id for one in await store.turns.recent(plans[0].id, limit=5)] == [again]


async def test_whoever_gives_up_while_the_database_is_away_opens_no_turn_later(
    store: PostgresStore, plans: list[Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By then another engine may have taken his plan up: it would not be told of what his turn was."""
    run, asked = StatementLine.run, []

    async def lose_once(self, *commands):  # type: ignore[no-untyped-def]
        monkeypatch.setattr(StatementLine, "run", run)
        asked[0].cancel()
        await asyncio.wait([asked[0]])
        raise psycopg.OperationalError("away")

    monkeypatch.setattr(StatementLine, "run", lose_once)
    asked += [asyncio.ensure_future(store.turns.start(plan.id, told(1), 0, START)) for plan in plans[:2]]

    theirs = await asked[1]
    running = await store.turns.running(plans[1].id)
    assert running is not None and running.id == theirs
    assert await store.turns.running(plans[0].id) is None
    assert not await store.turns.handled(plans[0].id, "forecast:1")


@pytest.mark.parametrize("change", ["limits", "note", "alert"])
async def test_a_change_of_one_plan_that_takes_long_keeps_no_turn_waiting(
    store: PostgresStore, plans: list[Plan], monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """Neither its own nor, in the same transaction, those of others."""
    plan, begun, may_end = plans[0], asyncio.Event(), asyncio.Event()
    turn = await store.turns.start(plan.id, told(1), 0, START)
    execute = AsyncConnection.execute

    async def executed(self, statement, *args, **kwargs):  # type: ignore[no-untyped-def]
        found = await execute(self, statement, *args, **kwargs)
        if "FOR UPDATE" in str(statement):
            begun.set()
            await may_end.wait()
        return found

    asked = {
        "limits": lambda: store.risk.change_limits(plan.id, lambda kept: kept, by="ann", reason="", at=START),
        "note": lambda: store.notes.add(plan.id, turn, "rising", START),
        "alert": lambda: store.alerts.set(plan.id, turn, Decimal(1), AlertDirection.ABOVE, "", START),
    }
    with monkeypatch.context() as patched:
        patched.setattr(AsyncConnection, "execute", executed)
        changing = asyncio.ensure_future(asked[change]())
        await begun.wait()
        try:
            async with asyncio.timeout(20):
                await store.turns.finish(turn, HELD, START)
                await asyncio.gather(*(store.turns.start(one.id, told(2), 0, START) for one in plans))
        finally:
            may_end.set()
            await changing


async def test_closing_ends_everything(store: PostgresStore, database_url: str, plans: list[Plan]) -> None:
    """What is asked for by whoever has just got his answer is written too; no connection is left."""
    writer = TurnWriter(DatabaseAddress.parse(database_url))

    async def both() -> list[int | None]:
        return [await writer.open(Opening(plan.id, ["a"], "b", [], 1, 1, START)) for plan in plans[:2]]

    asked = asyncio.ensure_future(both())
    await asyncio.sleep(0)
    await writer.close()

    assert len(set(await asked)) == 2
    assert writer._line is None


async def test_a_commit_whose_answer_was_lost(
    store: PostgresStore, plans: list[Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next attempt finds the turns running, or closed, and gives the same numbers."""
    run = StatementLine.run
    cuts = 0

    async def run_and_lose(self, *commands):  # type: ignore[no-untyped-def]
        nonlocal cuts
        answers = await run(self, *commands)
        if cuts % 2 == 0:
            cuts += 1
            await self.close()
            raise psycopg.OperationalError("the answer was lost")
        cuts += 1
        return answers

    monkeypatch.setattr(StatementLine, "run", run_and_lose)
    turns = await asyncio.gather(*(store.turns.start(plan.id, told(1), 0, START) for plan in plans[:3]))
    await asyncio.gather(*(store.turns.finish(turn, HELD, START) for turn in turns))

    assert cuts == 4
    for plan, turn in zip(plans, turns, strict=False):
        assert [(one.id, one.status) for one in await store.turns.recent(plan.id, limit=5)] == [
            (turn, TurnStatus.DONE)
        ]


async def test_a_database_that_stays_away(
    store: PostgresStore, plans: list[Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everyone hears of it, and later calls work."""
    with monkeypatch.context() as patched:

        async def lost(self, *commands):  # type: ignore[no-untyped-def]
            raise psycopg.OperationalError("away")

        patched.setattr(StatementLine, "run", lost)
        asked = [store.turns.start(plan.id, told(1), 0, START) for plan in plans[:2]]
        found = await asyncio.gather(*asked, return_exceptions=True)

    assert [type(one) for one in found] == [StoreUnavailableError] * 2
    assert await store.turns.start(plans[0].id, told(1), 0, START)


async def test_each_turn_is_looked_up_by_itself(database_url: str) -> None:
    """However many have ended since the table was last vacuumed: no walk through an index or a table."""
    kinds = {1016: "bigint[]", 1009: "text[]", 3807: "jsonb[]", 1185: "timestamptz[]", 1022: "float8[]"}
    wanted: list[tuple[Statement, Mapping[str, Parameter]]] = [
        (OPEN, opening_columns([Opening(1, ["a"], "b", [1], 1, 1, START)])),
        (CLOSE, closing_columns([Closing(1, "done", START, b"[]", b"{}")])),
    ]
    async with await psycopg.AsyncConnection.connect(database_url, options=OPTIONS) as connection:
        for statement, told in wanted:
            types = [kinds[told[name].oid] for name in statement.parameters]
            query = re.sub(
                r"\$(\d+)",
                lambda found, of=types: f"{found[0]}::{of[int(found[1]) - 1]}",
                statement.text.decode(),
            )
            found = await connection.execute(f"EXPLAIN (GENERIC_PLAN) {query}".encode())
            lines = [row[0] for row in await found.fetchall()]
            scans = [place for place, line in enumerate(lines) if " on turns" in line and "Scan" in line]
            assert scans
            assert all("Index Cond" in lines[place + 1] for place in scans), "\n".join(lines)
