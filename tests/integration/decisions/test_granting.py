"""Tools that trade, granted and taken away by a person on the command line, while the plan is at work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kokex.domain.plan import AgentSettings, TradingTool, TriggerKind
from tests.integration.decisions.desk import Desk, desk, told
from tests.integration.langchain.scripted_llm import ScriptedLLM, calls, final
from tests.world import eventually

FORECASTS = frozenset({TriggerKind.FORECAST})
BUY = {"side": "buy", "order_type": "market", "quantity": "0.1"}


async def test_a_model_trades_from_the_grant_on(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before it is not shown the tool and a call is refused at the door; then the same call reaches the exchange; then no more."""
    one_turn = [calls(("place_order", BUY)), final("hold", "That is all.")]
    async with (
        ScriptedLLM(one_turn * 6) as llm,
        desk(database_url, tmp_path, llm, agent=AgentSettings(triggers=FORECASTS)) as made,
    ):
        refused = await made.first_turn()
        shown = [tool["function"]["name"] for tool in llm.requests[0]["tools"]]
        assert "get_positions" in shown and not set(shown) & set(TradingTool)
        assert "can only watch" in llm.requests[0]["messages"][0]["content"]
        assert refused.tool_calls[0].result["code"] == "tool_not_permitted"
        assert "can only watch" in await told(capsys, "plan", "tools", "plan 1")
        assert "none: it can only watch" in await told(capsys, "plan", "show", "plan 1")

        assert "may use place_order" in await told(capsys, "plan", "tools", "plan 1", "--tool", "place_order")
        await _at_work_with(made, {"place_order"})
        allowed = await made.after_a_candle()
        assert allowed.tool_calls[0].result["status"] in ("accepted", "filled"), allowed.tool_calls
        assert "place_order" in [tool["function"]["name"] for tool in llm.requests[-1]["tools"]]

        off = ("--watch-only", "--by", "ann", "--reason", "too eager", "--json")
        kept = json.loads(await told(capsys, "plan", "tools", "plan 1", *off))
        assert kept["trading_tools"] == []
        assert [(change["version"], change["after"]) for change in kept["changes"]] == [
            (2, ["place_order"]),
            (3, []),
        ]
        assert (kept["changes"][1]["changed_by"], kept["changes"][1]["reason"]) == ("ann", "too eager")
        assert "too eager" in await told(capsys, "plan", "tools", "plan 1")
        await _at_work_with(made, set())
        again = await made.after_a_candle()
        assert again.tool_calls[0].result["code"] == "tool_not_permitted"
        turns = await made.closed(3)
        granted = [turn.id for turn in turns if turn.tool_calls[0].result.get("code") != "tool_not_permitted"]
        assert allowed.id in granted and len(await made.world.orders(made.plan)) == len(granted)
        record = json.loads(await told(capsys, "decision", "show", str(allowed.id), "--json"))
        assert record["record"]["plan"]["agent"]["trading_tools"] == ["place_order"]


async def _at_work_with(made: Desk, tools: set[str]) -> None:
    def heard() -> bool:
        plans = [plan for plan, _ in made.engine.activity.at_work() if plan.id == made.plan.id]
        return [set(plan.agent.trading_tools) for plan in plans] == [tools]

    await eventually(heard, "the engine's word of the grant")


async def test_a_plan_created_without_a_grant_says_that_it_can_only_watch(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one sentence; with `--trade` it says what it may."""
    async with desk(database_url, tmp_path):
        wish = ("--account", "paper 1", "--inst-id", "ETH-USDT")
        said = await told(capsys, "plan", "create", "watcher", *wish)
        assert "Plan watcher can only watch: no tool that trades is granted" in said
        said = await told(capsys, "plan", "create", "trader", *wish, "--trade")
        assert "Plan trader may use" in said and "place_order" in said
        refused = await told(capsys, "plan", "create", "other", *wish, "--tool", "get_fills", code=1)
        assert "'get_fills' is no tool that trades" in refused and "need no grant" in refused
