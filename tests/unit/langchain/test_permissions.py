"""What a plan was not granted its agent cannot use, whoever decides, and a model is not even shown it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from kokex.adapters.langchain.policy import BuiltInPolicy
from kokex.adapters.langchain.prompts import system_prompt
from kokex.adapters.langchain.tools import TOOLS, TurnTools, structured_tools
from kokex.domain.instrument import Side
from kokex.domain.order import OrderType
from kokex.domain.plan import AgentSettings, TradingTool
from tests.unit.langchain.fake_toolbox import FakeClock, FakeToolbox, plan, prediction, turn

BUY = {"side": "buy", "order_type": "market", "quantity": "0.1"}
READING = {name for name, tool in TOOLS.items() if not tool.trades}


def door(box: FakeToolbox, *granted: TradingTool) -> TurnTools:
    """Tools of a plan that was granted these."""
    return TurnTools(box, AgentSettings(trading_tools=frozenset(granted)), FakeClock())


def test_every_tool_that_trades_can_be_granted() -> None:
    """And nothing that only reads needs to be."""
    assert {name for name, tool in TOOLS.items() if tool.trades} == set(TradingTool)


def test_nothing_is_granted_unasked() -> None:
    """A plan that nobody said more about can only watch."""
    assert AgentSettings().trading_tools == frozenset()


@pytest.mark.parametrize("name", sorted(TradingTool))
async def test_what_was_not_granted_is_refused_at_the_door(name: TradingTool) -> None:
    """With a code and a sentence, kept in the record; nothing reaches the toolbox."""
    box = FakeToolbox()
    others = set(TradingTool) - {name}
    for tools in (door(box), door(box, *others)):
        result = await tools.call(name, BUY)
        assert result["code"] == "tool_not_permitted" and name in result["error"]
        assert "only its owner can change that" in result["error"]
        assert not tools.acted and [call.name for call in tools.calls] == [name]
    assert box.used == []
    assert (await door(box).call("get_positions", {}))["quantity"] == "0"


def test_a_model_is_shown_what_it_may_use() -> None:
    """Reading tools always, the granted ones besides; an invented name is answered with those alone."""
    assert {tool.name for tool in structured_tools(door(FakeToolbox()))} == READING
    some = structured_tools(door(FakeToolbox(), TradingTool.CANCEL_ORDER))
    assert {tool.name for tool in some} == READING | {"cancel_order"}


async def test_an_invented_tool_is_answered_with_those_granted() -> None:
    """The sentence does not advertise what is refused."""
    assert "place_order" not in (await door(FakeToolbox()).call("buy", {}))["error"]


def test_the_prompt_says_that_a_plan_can_only_watch() -> None:
    """A model need not find out by being refused."""
    assert "can only watch" in system_prompt(plan(agent=AgentSettings()))
    assert "can only watch" not in system_prompt(plan())


async def test_the_built_in_policy_holds_and_says_why() -> None:
    """It names the order that it would have asked for."""
    box = FakeToolbox(prediction=prediction(0.8, 0.05))
    decision = await BuiltInPolicy().decide(turn(), door(box))
    assert decision.action.value == "hold"
    assert "would buy" in decision.reason and "not granted the tool place_order" in decision.reason
    assert "place_order" not in box.used


async def test_the_built_in_policy_leaves_orders_that_it_may_not_cancel() -> None:
    """And says so."""
    box = FakeToolbox(prediction=prediction(0.2, -0.05))
    await box.place_order(Side.BUY, OrderType.LIMIT, Decimal("0.1"), Decimal(1900))
    box.turn_id = 2
    decision = await BuiltInPolicy().decide(turn(number=2), door(box, TradingTool.PLACE_ORDER))
    assert "cancel_order" not in box.used and "not granted the tool cancel_order" in decision.reason


async def test_built_in_exits_may_reduce_where_anything_was_granted() -> None:
    """A model that may only cancel has its holding ended by the exits when it is down."""
    box = FakeToolbox(held=Decimal(1), prediction=prediction(0.1, -0.1))
    tools = door(box, TradingTool.CANCEL_ORDER)
    tools.permit_exits()
    decision = await BuiltInPolicy(exits_only=True).decide(turn(), tools)
    assert decision.action.value == "act"
    assert [order.side for order in box.pending()] == [Side.SELL]


async def test_built_in_exits_send_nothing_for_a_plan_that_can_only_watch() -> None:
    """Off is off."""
    box = FakeToolbox(held=Decimal(1), prediction=prediction(0.1, -0.1))
    tools = door(box)
    tools.permit_exits()
    decision = await BuiltInPolicy(exits_only=True).decide(turn(), tools)
    assert decision.action.value == "hold" and "not granted the tool place_order" in decision.reason
    assert box.used.count("place_order") == 0 and box.held == 1
