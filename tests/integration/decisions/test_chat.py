"""A user and a plan's agent: through the database, once, also where no engine runs yet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kokex.domain.decision import TurnStatus
from kokex.domain.plan import AgentSettings, PlanStatus, TriggerKind
from tests.builders import TRADES
from tests.integration.decisions.desk import desk, told
from tests.integration.langchain.scripted_llm import Body, ScriptedLLM, calls, final
from tests.world import eventually, idle, paper_world, running_engine

CHATTY = AgentSettings(trading_tools=TRADES, triggers=frozenset({TriggerKind.FORECAST, TriggerKind.USER}))
CHAT_ALONE = AgentSettings(trading_tools=TRADES, triggers=frozenset({TriggerKind.USER}))
BUY = {"side": "buy", "order_type": "market", "quantity": "0.1"}


async def test_why_did_you_buy_gets_the_records_own_numbers(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The model reads its past decisions with a tool; the second message comes with the first and its answer."""

    async def explain(request: Body) -> Any:
        [tool] = [word for word in request["messages"] if word["role"] == "tool"]
        one = json.loads(tool["content"])["decisions"][0]
        order = one["orders"][0]
        words = f"Decision {one['decision']} bought {order['filled_quantity']} at {order['average_price']}."
        return await final("hold", words)(request)

    script = [
        calls(("place_order", BUY)),
        final("act", "Bought 0.1 ETH."),
        calls(("get_past_decisions", {"limit": 1})),
        explain,
        final("hold", "You are welcome."),
    ]
    async with ScriptedLLM(script) as llm, desk(database_url, tmp_path, llm, agent=CHAT_ALONE) as made:
        assert "Bought 0.1 ETH." in await told(capsys, "agent", "chat", "plan 1", "Please buy a little.")
        [bought] = await made.closed(1)
        [fill] = await eventually(lambda: made.store.journal.fills(made.plan.id), "the fill")
        answer = json.loads(await told(capsys, "agent", "chat", "plan 1", "Why did you buy?", "--json"))
        assert (
            answer["answer"] == f"Decision {bought.id} bought {fill.quantity} at {fill.price.normalize():f}."
        )
        assert "You are welcome." in await told(capsys, "agent", "chat", "plan 1", "Thanks!")
        second = llm.requests[-1]["messages"][1]["content"]
        assert '"message_of_the_owner": "Thanks!"' in second and "Why did you buy?" in second
        assert answer["answer"] in second and '"your_answer"' in second
        turns = await made.closed(3)
        assert [turn.trigger_keys[0] for turn in turns] == ["user:1", "user:2", "user:3"]


async def test_the_built_in_policy_answers_from_the_record(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the numbers of the order that it asked for."""
    async with desk(database_url, tmp_path, agent=CHATTY) as made:
        for _ in range(6):
            await made.after_a_candle()
            if await made.store.journal.fills(made.plan.id):
                break
        said = await told(capsys, "agent", "chat", "plan 1", "why did you buy?")
        bought = {fill.client_order_id for fill in await made.store.journal.fills(made.plan.id)}
    assert "its record says" in said and any(name and name in said for name in bought)


async def test_a_message_without_an_engine_is_kept_and_read_later(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A clear sentence now; one turn when the engine comes, and none again after a restart."""
    async with paper_world(database_url, tmp_path) as world:
        plan = await world.plan(agent=CHAT_ALONE)
        said = await told(capsys, "agent", "chat", "plan 1", "hello", code=1)
        assert "no engine works on this plan now" in said
        store = world.application.store
        told_of: list[list[str | None]] = []
        for _ in range(2):
            async with running_engine(world.application, idle) as (engine, agent):
                await eventually(lambda engine=engine: not engine.activity.waiting, "readiness")

                async def answered() -> bool:
                    found = await store.messages.answered(plan.id, limit=5)
                    return bool(found and found[0].finished)

                await eventually(answered, "the answer")
                told_of.append([trigger.text for turn in agent.turns for trigger in turn.triggers])
        assert told_of == [["hello"], []]
        assert await store.messages.waiting(plan.id) == []
        [turn] = await store.turns.recent(plan.id, limit=5)
        assert turn.trigger_keys == ("user:1",) and turn.status is TurnStatus.DONE


async def test_what_cannot_be_sent(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is kept; the sentence says why."""
    async with paper_world(database_url, tmp_path) as world:
        deaf = AgentSettings(trading_tools=TRADES, triggers=frozenset({TriggerKind.FORECAST}))
        await world.plan(name="deaf", agent=deaf)
        paused = await world.plan(name="paused")
        await world.application.store.plans.set_status(paused.id, PlanStatus.PAUSED)
        await world.plan(name="eth")
        for name, message, words in (
            ("deaf", "hi", "--trigger user"),
            ("paused", "hi", "is paused"),
            ("eth", "  ", "is empty"),
            ("eth", "x" * 4001, "more than 4000"),
            ("nobody", "hi", "there is no plan 'nobody'"),
        ):
            assert words in await told(capsys, "agent", "chat", name, message, code=1)
        for plan in await world.application.store.plans.list():
            assert await world.application.store.messages.waiting(plan.id) == []
