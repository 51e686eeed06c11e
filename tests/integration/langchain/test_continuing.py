"""Turns that a crash cut short go on where they were: conversations kept in a real PostgreSQL."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from kokex.adapters.langchain import LangChainAgentService, ModelSettings
from kokex.adapters.langchain.continuing import CONTINUED_WITHIN
from kokex.adapters.langchain.forgetting import KeptConversations
from kokex.adapters.postgres.address import DatabaseAddress
from kokex.domain.decision import Action, Decision, Transcript, Turn
from kokex.domain.errors import StoreUnavailableError
from kokex.domain.plan import TriggerKind
from tests.integration.langchain.scripted_llm import Answer, ScriptedLLM, calls, final, silence
from tests.unit.langchain.fake_toolbox import FakeClock, FakeToolbox, prediction, turn, woken

BUY = {"side": "buy", "order_type": "limit", "quantity": "0.1", "price": "1999.5"}
HOLD = final("hold", "nothing to do", 0.5)
LOOK_THEN_BUY = [calls(("get_positions", {})), calls(("place_order", BUY))]


class Now(FakeClock):
    """Says what time it is, as kept conversations are dated by the machine's clock; `later` is added."""

    later = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.later


class Bench:
    """One turn, a scripted model, and a database that outlives the process."""

    def __init__(self, database_url: str) -> None:
        self.connect = DatabaseAddress.parse(database_url).connect_arguments
        self.box = FakeToolbox(prediction=prediction(0.57, 0.003))
        self.clock = Now()
        self.turn = turn(woken(TriggerKind.FORECAST))

    @asynccontextmanager
    async def process(self, llm: ScriptedLLM) -> AsyncIterator[Callable[[Turn], Any]]:
        """An engine's agent, from its start to its end."""
        settings = ModelSettings(llm.base_url, "scripted")
        service = LangChainAgentService(settings, self.clock, connect=self.connect)
        try:
            yield lambda one: service.run_turn(one, self.box)
        finally:
            await service.close()

    async def cut_short(self, script: list[Answer]) -> None:
        """Run the turn until the model is asked beyond `script`, and end the process there."""
        async with ScriptedLLM([*script, silence()]) as llm, self.process(llm) as run:
            task = asyncio.create_task(run(self.turn))
            async with asyncio.timeout(60):
                while len(llm.requests) <= len(script):
                    assert not task.done()
                    await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.wait({task})

    async def go_on(self, script: list[Answer]) -> tuple[Decision, ScriptedLLM, Transcript]:
        """The same turn in a new process."""
        again = replace(self.turn, resumed=True, transcript=Transcript())
        async with ScriptedLLM(script) as llm, self.process(llm) as run:
            return await run(again), llm, again.transcript


@pytest.fixture
def bench(database_url: str) -> Bench:
    return Bench(database_url)


async def test_the_conversation_goes_on(bench: Bench) -> None:
    """The model is asked what comes next, is told of the restart, and the record has the whole turn."""
    await bench.cut_short(LOOK_THEN_BUY)
    first = list(bench.box.used)
    decision, llm, transcript = await bench.go_on([calls(("place_order", BUY)), final("act", "bought", 0.5)])
    assert decision.action is Action.ACT and len(llm.requests) == 2
    roles = [message["role"] for message in llm.requests[0]["messages"]]
    assert roles == ["system", "user", "assistant", "tool", "assistant", "tool", "user"]
    assert "cut short by a restart" in llm.requests[0]["messages"][-1]["content"]
    assert [made.name for made in decision.tool_calls] == ["get_positions", "place_order", "place_order"]
    assert bench.box.used[len(first) :] == ["place_order"]
    steps = [name.rpartition("S")[2] for name in bench.box.orders]
    assert steps == ["0", "1"]
    assert len(transcript.model_calls) == 4 and all(one.answer for one in transcript.model_calls)
    assert transcript.context["turn_message"] == llm.requests[0]["messages"][1]["content"]


async def test_of_two_orders_in_one_message_the_one_that_was_sent_is_not_sent_again(bench: Bench) -> None:
    """Each keeps its number, although only one of them was answered before the crash."""
    send = bench.box.place_order
    sell = BUY | {"side": "sell", "price": "2100"}
    bench.box.held = Decimal(1)

    async def only_once(side: Any, *given: Any, **named: Any) -> dict[str, Any]:
        bench.box.place_order = away  # type: ignore[method-assign]
        return await send(side, *given, **named)

    async def away(*given: Any, **named: Any) -> dict[str, Any]:
        raise StoreUnavailableError("the database is away")

    bench.box.place_order = only_once  # type: ignore[method-assign]
    both = calls(("place_order", BUY), ("place_order", sell))
    async with ScriptedLLM([both]) as llm, bench.process(llm) as run:
        with pytest.raises(StoreUnavailableError):
            await run(bench.turn)
    bench.box.place_order = send  # type: ignore[method-assign]
    decision, llm, _ = await bench.go_on([final("act", "both", 0.5)])
    assert len(llm.requests) == 1 and len(bench.box.orders) == 2
    assert [order.side.value for order in bench.box.orders.values()] == ["buy", "sell"]
    assert [made.arguments["side"] for made in decision.tool_calls] == ["buy", "sell"]


async def test_a_turn_that_had_its_answer_asks_nobody(bench: Bench) -> None:
    """The crash came between the final answer and its record."""
    async with ScriptedLLM([HOLD]) as llm, bench.process(llm) as run:
        before = await run(bench.turn)
    decision, llm, _ = await bench.go_on([final("act", "something else", 0.1)])
    assert llm.requests == [] and decision.reason == before.reason and decision.action is Action.HOLD


async def test_a_conversation_that_stood_still_begins_anew(bench: Bench) -> None:
    """What was meant for another market is not done now."""
    await bench.cut_short([calls(("get_positions", {}))])
    bench.clock.later = CONTINUED_WITHIN + timedelta(seconds=1)
    decision, llm, _ = await bench.go_on([HOLD])
    assert [message["role"] for message in llm.requests[0]["messages"]] == ["system", "user"]
    assert "cut short and runs again" in llm.requests[0]["messages"][1]["content"]
    assert decision.tool_calls == ()


async def test_only_the_plans_latest_turn_is_kept(bench: Bench) -> None:
    """And of other plans everything."""
    bench.turn = replace(bench.turn, id=8)
    other = replace(bench.turn, id=7, plan=replace(bench.turn.plan, id=12))
    async with ScriptedLLM([HOLD]) as llm, bench.process(llm) as run:
        for one in (bench.turn, other, replace(bench.turn, id=9, transcript=Transcript())):
            await run(replace(one, transcript=Transcript()))
    async with await psycopg.AsyncConnection.connect(**bench.connect) as connection:
        rows = await connection.execute("SELECT DISTINCT thread_id FROM langgraph.checkpoints ORDER BY 1")
        kept = [row[0] for row in await rows.fetchall()]
    assert kept == sorted([f"plan:{bench.turn.plan.id}:turn:9", "plan:12:turn:7"])


async def test_what_is_kept_of_a_plan_is_let_go_of(bench: Bench) -> None:
    """Of other plans everything stays; a second time, and where nothing was ever kept, there is nothing to do."""
    conversations = KeptConversations(bench.connect)
    await conversations.forget(bench.turn.plan.id)
    other = replace(bench.turn, id=7, plan=replace(bench.turn.plan, id=12))
    async with ScriptedLLM([HOLD]) as llm, bench.process(llm) as run:
        for one in (bench.turn, other):
            await run(replace(one, transcript=Transcript()))
    for _ in range(2):
        await conversations.forget(bench.turn.plan.id)
        async with await psycopg.AsyncConnection.connect(**bench.connect) as connection:
            rows = await connection.execute("SELECT DISTINCT thread_id FROM langgraph.checkpoints")
            assert await rows.fetchall() == [("plan:12:turn:7",)]
    away = KeptConversations(bench.connect | {"dbname": "no_such_database", "connect_timeout": 2})
    with pytest.raises(StoreUnavailableError, match="cannot be removed now"):
        await away.forget(bench.turn.plan.id)


async def test_nothing_is_asked_where_nothing_can_be_kept(bench: Bench) -> None:
    """The turn waits for the database, as everything does."""
    bench.connect = bench.connect | {"dbname": "no_such_database", "connect_timeout": 2}
    async with ScriptedLLM([HOLD]) as llm, bench.process(llm) as run:
        with pytest.raises(StoreUnavailableError, match="conversation cannot be kept"):
            await run(bench.turn)
    assert llm.requests == [] and json.dumps(bench.box.used) == "[]"


@pytest.mark.parametrize("there", [False, True])
async def test_a_database_that_lets_nothing_be_made_costs_no_turn(bench: Bench, there: bool) -> None:
    """Its user may not create a schema, or has no rights in the one that is there: turns go without their net."""
    role = f"reader_{uuid4().hex[:12]}"
    async with await psycopg.AsyncConnection.connect(**bench.connect, autocommit=True) as connection:
        await connection.execute(SQL("CREATE ROLE {}").format(Identifier(role)))
        if there:
            await connection.execute("CREATE SCHEMA langgraph")
    whole = bench.connect
    bench.connect = whole | {"options": f"{whole['options']} -c role={role}"}
    try:
        async with ScriptedLLM([HOLD, HOLD]) as llm, bench.process(llm) as run:
            decision = await run(bench.turn)
            again = await run(replace(bench.turn, id=9, transcript=Transcript()))
        await KeptConversations(bench.connect).forget(bench.turn.plan.id)
        assert decision.action is again.action is Action.HOLD and decision.reason == "nothing to do"
        assert len(llm.requests) == 2
    finally:
        async with await psycopg.AsyncConnection.connect(**whole, autocommit=True) as connection:
            await connection.execute(SQL("DROP ROLE {}").format(Identifier(role)))


async def test_a_schema_made_by_the_databases_owner_is_enough(bench: Bench) -> None:
    """The user may keep conversations there although it may create no schema."""
    role = f"keeper_{uuid4().hex[:12]}"
    async with await psycopg.AsyncConnection.connect(**bench.connect, autocommit=True) as connection:
        await connection.execute(SQL("CREATE ROLE {}").format(Identifier(role)))
        await connection.execute(SQL("CREATE SCHEMA langgraph AUTHORIZATION {}").format(Identifier(role)))
        whole = bench.connect
        bench.connect = whole | {"options": f"{whole['options']} -c role={role}"}
        try:
            async with ScriptedLLM([HOLD]) as llm, bench.process(llm) as run:
                await run(bench.turn)
            rows = await connection.execute("SELECT DISTINCT thread_id FROM langgraph.checkpoints")
            assert len(await rows.fetchall()) == 1
        finally:
            await connection.execute(SQL("DROP OWNED BY {}").format(Identifier(role)))
            await connection.execute(SQL("DROP ROLE {}").format(Identifier(role)))
