"""A decision run again on its record: identical with the recorded answers, side by side with another prompt, never at the exchange."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest

from kokex.domain.plan import AgentSettings, TriggerKind
from tests.builders import TRADES
from tests.integration.decisions.desk import Desk, desk, told
from tests.integration.langchain.scripted_llm import Answer, ScriptedLLM, call, calls, failure, final, message

FORECASTS = AgentSettings(
    trading_tools=TRADES, triggers=frozenset({TriggerKind.FORECAST, TriggerKind.USER}), prompt="Be bold."
)
BUY = {"side": "buy", "order_type": "market", "quantity": "0.1"}
MALFORMED = message(tool_calls=[call("place_order", '{"side": ')])


async def orders(made: Desk) -> int:
    """How many orders the exchange has seen."""
    return len(await made.store.orders.recent(made.plan.id, limit=1000))


@pytest.mark.parametrize(
    "script",
    [
        [
            calls(("get_current_price", {}), ("query_prediction_data", {})),
            calls(("place_order", BUY | {"quantity": "100"}), ("buy_everything", {})),
            MALFORMED,
            calls(("place_order", BUY)),
            message("I would stop."),
            final("act", "Bought 0.1 ETH.", 0.7),
        ],
        [calls(("get_positions", {})), failure(400, "bad request")],
    ],
    ids=["a whole turn", "a model that went away"],
)
async def test_with_the_recorded_answers_it_is_identical(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], script: list[Answer]
) -> None:
    """Without asking a model and without an order."""
    async with ScriptedLLM(script) as llm, desk(database_url, tmp_path, llm, agent=FORECASTS) as made:
        turn = await made.first_turn()
    requests = len(llm.requests)
    found = json.loads(await told(capsys, "decision", "replay", str(turn.id), "--json"))
    assert found["identical"] is True and found["difference"] == []
    assert found["as_it_was"]["tool_calls"] == found["as_it_came_out_now"]["tool_calls"] != []
    assert "identical, tool call by tool call" in await told(capsys, "decision", "replay", str(turn.id))
    assert len(llm.requests) == requests


async def test_the_built_in_policy_is_identical(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Turns woken by forecasts, by order events and by a message; and not identical once the record was changed."""
    agent = AgentSettings(
        trading_tools=TRADES,
        triggers=frozenset({TriggerKind.FORECAST, TriggerKind.ORDER_EVENT, TriggerKind.USER}),
    )
    async with desk(database_url, tmp_path, agent=agent) as made:
        for _ in range(4):
            await made.after_a_candle()
        await told(capsys, "agent", "chat", "plan 1", "why did you buy?")
        turns = await made.closed(5)
    for turn in turns:
        found = json.loads(await told(capsys, "decision", "replay", str(turn.id), "--json"))
        assert found["identical"] is True, found["difference"]
    asked = next(turn for turn in turns if len(turn.tool_calls) > 4)
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        await connection.execute(
            "UPDATE tool_calls SET result = jsonb_set(result, '{probability_up}', '0.1')"
            " WHERE turn_id = %s AND name = 'query_prediction_data'",
            [asked.id],
        )
    changed = await told(capsys, "decision", "replay", str(asked.id), code=1)
    assert "came out differently" in changed and "+reason: " in changed and "-reason: " in changed


@pytest.mark.parametrize("recorded", [True, False])
async def test_a_replay_goes_by_the_use_of_capital_of_its_time(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], recorded: bool
) -> None:
    """By the turn's own record; where that is older than this, by the changes that were kept since."""
    async with desk(database_url, tmp_path, agent=FORECASTS) as made:
        for _ in range(4):
            await made.after_a_candle()
        change = made.world.application.plans.use_capital
        await change(made.plan.id, ["sizing=fixed", "fixed_notional=700"], by="ann", reason="")
        await change(made.plan.id, ["avg_orders_per_batch=3"], by="ann", reason="")
        turns = await made.closed(4)
        assert any(call.name == "place_order" for turn in turns for call in turn.tool_calls)
    if not recorded:
        async with await psycopg.AsyncConnection.connect(database_url) as connection:
            await connection.execute("UPDATE turn_records SET record = record #- '{plan,capital}'")
    for turn in turns:
        found = json.loads(await told(capsys, "decision", "replay", str(turn.id), "--json"))
        assert found["identical"] is True, found["difference"]


async def test_another_prompt_or_model_stands_side_by_side(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recorded results answer; what was not asked then has no answer now; orders go nowhere."""
    script = [calls(("get_current_price", {})), calls(("place_order", BUY)), final("act", "Bought 0.1 ETH.")]
    prompt = tmp_path / "careful.txt"
    prompt.write_text("Be careful.")
    async with ScriptedLLM(script) as llm, desk(database_url, tmp_path, llm, agent=FORECASTS) as made:
        turn = await made.first_turn()
        sent = await orders(made)
    again = [
        calls(("get_current_price", {}), ("get_positions", {})),
        calls(("place_order", BUY | {"quantity": "5"})),
        final("hold", "Too dear."),
    ]
    refused = await told(capsys, "decision", "replay", str(turn.id), "--prompt", str(prompt), code=1)
    assert "no language model is configured" in refused
    async with ScriptedLLM(again) as other:
        monkeypatch.setenv("KOKEX_LLM_BASE_URL", other.base_url)
        monkeypatch.setenv("KOKEX_LLM_MODEL", "scripted")
        arguments = ("decision", "replay", str(turn.id), "--prompt", str(prompt), "--model", "other")
        text = await told(capsys, *arguments)
        assert "Too dear." in text and "Bought 0.1 ETH." in text and "not_in_record" in text
        assert other.requests[0]["model"] == "other"
        system, woken = other.requests[0]["messages"]
        assert "Be careful." in system["content"] and "Be bold." not in system["content"]
        assert woken["content"] == llm.requests[0]["messages"][1]["content"]
        price, positions = other.results()[:2]
        assert price["inst_id"] == "ETH-USDT" and positions["code"] == "not_in_record"
    shown = json.loads(await told(capsys, "decision", "show", str(turn.id), "--json"))
    assert len(shown["orders"]) == sent == 1


async def test_what_cannot_be_run_again(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Named in one sentence."""
    assert "does not exist" in await told(capsys, "decision", "replay", "99", code=1)
