"""A decision as kept and as shown: with a language model, without one, and of a turn that failed."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from kokex.adapters.langchain.tools import TurnTools
from kokex.adapters.system_clock import SystemClock
from kokex.domain.decision import Decision, Turn, TurnStatus
from kokex.domain.plan import AgentSettings, TriggerKind
from kokex.ports.toolbox import Toolbox
from tests.builders import TRADES
from tests.integration.decisions.desk import desk, told
from tests.integration.langchain.scripted_llm import FINAL, ScriptedLLM, calls, final
from tests.world import eventually

FORECASTS = frozenset({TriggerKind.FORECAST})
BUY = {"side": "buy", "order_type": "market", "quantity": "0.1"}
TOO_MUCH = {"side": "buy", "order_type": "market", "quantity": "100"}
ANSWER = {
    "action": "act",
    "confidence": 0.7,
    "reason": "Bought 0.1 ETH.",
    "change_of_mind": "A close below 1000.",
}


async def test_a_decision_with_everything_behind_it(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Trigger, tools, the gate's denial, the order with its fill, the reason, the messages; as text and as JSON."""
    script = [
        calls(("get_current_price", {}), ("query_prediction_data", {})),
        calls(("place_order", TOO_MUCH)),
        calls(("place_order", BUY)),
        calls((FINAL, ANSWER)),
    ]
    agent = AgentSettings(trading_tools=TRADES, triggers=FORECASTS, prompt="Be bold.")
    async with ScriptedLLM(script) as llm, desk(database_url, tmp_path, llm, agent=agent) as made:
        turn = await made.first_turn()

        async def filled() -> bool:
            return bool(await made.store.journal.fills(made.plan.id))

        await eventually(filled, "the fill")
    shown = json.loads(await told(capsys, "decision", "show", str(turn.id), "--json"))
    assert (shown["action"], shown["status"], shown["model"]) == ("act", "done", "scripted")
    assert shown["change_of_mind"] == "A close below 1000."
    assert [call["name"] for call in shown["tool_calls"]] == [
        "get_current_price",
        "query_prediction_data",
        "place_order",
        "place_order",
    ]
    assert all(call["asked_at"] for call in shown["tool_calls"])
    assert [order["status"] for order in shown["orders"]] == ["denied", "filled"]
    assert shown["fills"][0]["quantity"] == "0.1" and shown["pnl_at_last_close"]
    record = shown["record"]
    assert record["triggers"][0]["kind"] == "forecast" and record["triggers"][0]["forecast"]
    assert "Be bold." in record["context"]["system_prompt"]
    assert len(record["model_calls"]) == 4 and record["settings"]["temperature"] == 0
    assert "sk-secret" not in json.dumps(shown)

    text = await told(capsys, "decision", "show", str(turn.id), "--messages")
    for words in (
        "Decision",
        "forecast.probability_up",
        "the risk gate denied it",
        "let through by the risk gate",
        "Profit or loss of these fills",
        "act: Bought 0.1 ETH.",
        "A close below 1000.",
        "You trade ETH-USDT",
        "10 tokens in, 5 out",
    ):
        assert words in text
    assert "Be bold." not in await told(capsys, "decision", "show", str(turn.id))
    listed = json.loads(await told(capsys, "decision", "list", "plan 1", "--json"))
    assert listed[0]["decision"] == turn.id and listed[0]["reason"] == "Bought 0.1 ETH."
    assert "Bought 0.1 ETH." in await told(capsys, "decision", "list", "plan 1")


async def test_a_decision_of_the_built_in_policy(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same, without messages."""
    async with desk(
        database_url, tmp_path, agent=AgentSettings(trading_tools=TRADES, triggers=FORECASTS)
    ) as made:
        turn = await made.first_turn()
    text = await told(capsys, "decision", "show", str(turn.id), "--messages")
    assert "built-in policy" in text and "query_prediction_data()" in text
    assert "there are no messages" in text and turn.decision is not None and turn.decision.reason in text


class Stuck:
    """Places an order and then thinks for ever."""

    async def run_turn(self, turn: Turn, toolbox: Toolbox) -> Decision:
        tools = TurnTools(toolbox, turn.plan.agent, SystemClock(), turn.transcript.tool_calls)
        await tools.call("place_order", BUY)
        await asyncio.Event().wait()
        raise AssertionError


async def test_a_turn_that_took_too_long_shows_what_it_had_done(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The order before the silence."""
    agent = AgentSettings(trading_tools=TRADES, triggers=FORECASTS, turn_seconds=1.0)
    async with desk(database_url, tmp_path, thinker=Stuck(), agent=agent) as made:
        turn = await made.first_turn()
        assert turn.status is TurnStatus.FAILED and "longer than" in (turn.error or "")
        assert [call.name for call in turn.tool_calls] == ["place_order"]
    text = await told(capsys, "decision", "show", str(turn.id))
    assert "no decision: " in text and "let through by the risk gate" in text


async def test_a_decision_that_does_not_exist(capsys: pytest.CaptureFixture[str]) -> None:
    """Named in one sentence."""
    assert "turn 99 does not exist" in await told(capsys, "decision", "show", "99", code=1)


async def test_figures_that_were_not_read_are_flagged(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the order, once; and in the record, of the order that went out all the same and of the final reason."""
    invented = BUY | {"reason": "RSI 28.4 is low."}
    script = [
        calls(("get_current_price", {})),
        calls(("place_order", invented)),
        calls(("place_order", invented)),
        final("act", "Bought at a chance of 93.7%."),
    ]
    agent = AgentSettings(trading_tools=TRADES, triggers=FORECASTS)
    async with ScriptedLLM(script) as llm, desk(database_url, tmp_path, llm, agent=agent) as made:
        turn = await made.first_turn()
    assert [call.result.get("code") for call in turn.tool_calls] == [None, "figures_not_in_record", None]
    notes = json.loads(await told(capsys, "decision", "show", str(turn.id), "--json"))["record"]
    assert notes["figures_not_read"] == {"order of tool 3": ["28.4"], "reason": ["93.7%"]}
    text = await told(capsys, "decision", "show", str(turn.id))
    assert "refused, nothing was sent: figures_not_in_record" in text and "quotes 93.7%" in text
    assert "identical" in await told(capsys, "decision", "replay", str(turn.id))
