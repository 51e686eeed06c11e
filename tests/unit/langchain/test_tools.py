"""The one door to a turn's tools: arguments are checked, limits kept, calls recorded, trading never in parallel."""

from __future__ import annotations

import asyncio
import inspect
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokex.adapters.langchain.tools import TOOLS, TurnTools, outcome, refused, structured_tools
from kokex.domain.errors import ExchangeUnavailableError, StoreUnavailableError
from kokex.domain.instrument import Side
from kokex.domain.order import OrderType
from kokex.domain.plan import AgentSettings
from kokex.ports.toolbox import Toolbox
from tests.builders import TRADES
from tests.unit.langchain.fake_toolbox import FakeClock, FakeToolbox

LIMIT_ORDER = {"side": "buy", "order_type": "limit", "quantity": "0.1", "price": "1999.5"}


def door(box: Any, *, calls: int = 25, seconds: float = 120.0, clock: FakeClock | None = None) -> TurnTools:
    return TurnTools(
        box,
        AgentSettings(trading_tools=TRADES, max_tool_calls=calls, turn_seconds=seconds),
        clock or FakeClock(),
    )


def test_every_tool_of_the_port_is_there_and_no_other() -> None:
    """The tools' names are the toolbox's methods."""
    offered = {name for name, _ in inspect.getmembers(Toolbox, inspect.iscoroutinefunction)}
    assert set(TOOLS) == offered


async def test_typed_values_reach_the_toolbox() -> None:
    """Text becomes Decimal and enums; a missing price is None."""
    got: list[Any] = []

    class Box(FakeToolbox):
        async def place_order(self, *given: Any, **named: Any) -> dict[str, Any]:
            got.append(named)
            return {"status": "accepted"}

    await door(Box()).call("place_order", {"side": "sell", "order_type": "market", "quantity": "0.350"})
    assert got == [
        {
            "side": Side.SELL,
            "order_type": OrderType.MARKET,
            "quantity": Decimal("0.350"),
            "price": None,
            "stop_loss": None,
            "take_profit": None,
        }
    ]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"quantity": "many"}, "quantity"),
        ({"quantity": "0"}, "quantity"),
        ({"quantity": "-1"}, "quantity"),
        ({"quantity": "NaN"}, "quantity"),
        ({"quantity": "Infinity"}, "quantity"),
        ({"quantity": "1e999999"}, "quantity"),
        ({"quantity": "1e-999999"}, "quantity"),
        ({"quantity": None}, "quantity"),
        ({"quantity": [1]}, "quantity"),
        ({"price": ""}, "price"),
        ({"price": "-5"}, "price"),
        ({"side": "long"}, "side"),
        ({"side": "BUY "}, "side"),
        ({"order_type": "stop"}, "order_type"),
        ({"plan_id": 3}, "plan_id"),
        ({"inst_id": "BTC-USDT"}, "inst_id"),
        ({"self": 1, "config": {}}, "config"),
    ],
)
async def test_wrong_arguments_are_a_result_that_names_them(changes: dict[str, Any], named: str) -> None:
    """Nothing is raised, nothing reaches the toolbox, the sentence says which argument and what was given."""
    box = FakeToolbox()
    tools = door(box)
    result = await tools.call("place_order", LIMIT_ORDER | changes)
    assert result["code"] == "invalid_arguments" and named in result["error"]
    assert box.used == [] and not tools.acted
    assert len(tools.calls) == 1


@pytest.mark.parametrize("limit", [0, -1, 301, "many", 1.5, None])
async def test_the_number_of_candles_has_bounds(limit: object) -> None:
    """1 to 300."""
    result = await door(FakeToolbox()).call("query_historical_kline_data", {"limit": limit})
    assert result["code"] == "invalid_arguments" and "limit" in result["error"]


@pytest.mark.parametrize("name", ["", "a b", "x" * 33, "KX'; DROP TABLE", "ä"])
async def test_an_order_s_name_is_letters_and_digits(name: str) -> None:
    """Nothing else gets as far as a query."""
    box = FakeToolbox()
    for tool in ("get_order_info", "cancel_order"):
        assert (await door(box).call(tool, {"client_order_id": name}))["code"] == "invalid_arguments"
    assert box.used == []


async def test_an_unknown_tool_is_told_which_there_are() -> None:
    """A model that invents a tool can mend its ways; methods of the toolbox that are no tools stay shut."""
    for name in ("buy_now", "fill", "__init__", ""):
        result = await door(FakeToolbox()).call(name, {})
        assert result["code"] == "unknown_tool" and "place_order" in result["error"]


@given(
    name=st.one_of(st.sampled_from(sorted(TOOLS)), st.text(max_size=100)),
    arguments=st.dictionaries(
        st.one_of(
            st.sampled_from(["side", "order_type", "quantity", "price", "limit", "client_order_id"]),
            st.text(),
        ),
        st.recursive(
            st.one_of(
                st.none(),
                st.booleans(),
                st.integers(),
                st.floats(),
                st.text(),
                st.sampled_from(["buy", "limit"]),
            ),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
            max_leaves=5,
        ),
        max_size=6,
    ),
)
async def test_whatever_is_asked_the_answer_is_json_and_so_is_the_record(
    name: str, arguments: dict[str, Any]
) -> None:
    """No name and no arguments can raise; the call is on record as it was answered."""
    tools = door(FakeToolbox())
    answer = json.dumps(await tools.call(name, arguments))
    (call,) = tools.calls
    assert json.dumps(call.result) == answer
    assert isinstance(json.loads(json.dumps([call.name, call.arguments])), list)


async def test_calls_are_recorded_with_their_time() -> None:
    """Name, arguments as given, result as answered, seconds by the clock."""
    clock = FakeClock()

    class Slow(FakeToolbox):
        async def get_positions(self) -> dict[str, Any]:
            await clock.sleep(0.25)
            return await super().get_positions()

    tools = door(Slow(), clock=clock)
    await tools.call("get_positions", {})
    await tools.call("place_order", LIMIT_ORDER)
    first, second = tools.calls
    assert (first.name, first.seconds) == ("get_positions", 0.25)
    assert second.arguments == LIMIT_ORDER and second.result["status"] == "accepted"
    assert tools.acted


async def test_a_huge_argument_is_cut_in_the_record() -> None:
    """A model cannot fill the database."""
    tools = door(FakeToolbox())
    await tools.call("get_order_info", {"client_order_id": "x" * 1_000_000})
    assert len(str(tools.calls[0])) < 5000


async def test_the_number_of_calls_has_a_limit() -> None:
    """Calls over it do nothing; the first of them is recorded, the rest are not."""
    box = FakeToolbox()
    tools = door(box, calls=3)
    answers = [await tools.call("get_positions", {}) for _ in range(50)]
    assert [answer.get("code") for answer in answers] == [None] * 3 + ["too_many_calls"] * 47
    assert len(box.used) == 3 and len(tools.calls) == 4


async def test_wrong_calls_count_too() -> None:
    """A model that guesses arguments uses up its turn."""
    tools = door(FakeToolbox(), calls=2)
    for _ in range(2):
        await tools.call("place_order", {})
    assert (await tools.call("place_order", LIMIT_ORDER))["code"] == "too_many_calls"


async def test_after_the_turn_s_time_nothing_is_done() -> None:
    """The time limit holds for whoever still calls."""
    clock, box = FakeClock(), FakeToolbox()
    tools = door(box, seconds=60, clock=clock)
    clock.seconds = 60
    assert (await tools.call("place_order", LIMIT_ORDER))["code"] == "out_of_time"
    assert box.used == []


async def test_calls_run_one_at_a_time_in_the_order_of_asking() -> None:
    """Orders asked for at once are numbered in the order in which they were asked for."""
    inside = 0
    order: list[str] = []

    class Box(FakeToolbox):
        async def place_order(self, *given: Any, **named: Any) -> dict[str, Any]:
            nonlocal inside
            inside += 1
            assert inside == 1
            for _ in range(3):
                await asyncio.sleep(0)
            order.append(str(named["quantity"]))
            inside -= 1
            return {"status": "accepted"}

    tools = door(Box())
    await asyncio.gather(
        *(tools.call("place_order", LIMIT_ORDER | {"quantity": f"0.{number}"}) for number in range(1, 9))
    )
    assert order == [f"0.{number}" for number in range(1, 9)]


async def test_an_order_on_its_way_is_seen_through_when_the_turn_is_cancelled() -> None:
    """Cancelling the turn waits for the submission, which runs to its end and is recorded as unknown at worst."""
    sent, release, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    class Box(FakeToolbox):
        async def place_order(self, *given: Any, **named: Any) -> dict[str, Any]:
            sent.set()
            await release.wait()
            done.set()
            return {"status": "accepted"}

    tools = door(Box())
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(tools.call("place_order", LIMIT_ORDER))
        await sent.wait()
        asking.cancel()
        waiting = group.create_task(tools.settled())
        await asyncio.sleep(0)
        assert not asking.done() and not waiting.done()
        release.set()
        await waiting
    assert asking.cancelled() and done.is_set()
    assert outcome(tools.calls[0].result) == "unknown" and tools.acted


async def test_a_query_that_fails_is_a_result_and_a_lost_database_is_not() -> None:
    """The exchange's trouble can be read by a model; without a store no turn can go on."""

    class Box(FakeToolbox):
        async def get_current_price(self) -> dict[str, Any]:
            raise ExchangeUnavailableError("OKX is busy; try again")

        async def get_positions(self) -> dict[str, Any]:
            raise StoreUnavailableError("the database cannot be reached")

    tools = door(Box())
    assert await tools.call("get_current_price", {}) == {
        "error": "get_current_price has no answer now: OKX is busy; try again",
        "code": "not_available",
    }
    with pytest.raises(StoreUnavailableError):
        await tools.call("get_positions", {})


@pytest.mark.parametrize(
    ("result", "no"),
    [
        ({"status": "accepted"}, False),
        ({"status": "denied", "error": "too large", "code": "order_too_large"}, True),
        ({"status": "rejected", "error": "no", "code": "51008"}, True),
        ({"status": "unknown", "error": "no answer", "code": "unknown"}, False),
        ({"cancel": "accepted"}, False),
        ({"cancel": "rejected", "error": "closed", "code": "51400"}, True),
        ({"cancel": "unknown", "error": "no answer", "code": "unknown"}, False),
        ({"error": "bad", "code": "invalid_arguments"}, True),
    ],
)
def test_only_what_had_no_effect_for_certain_is_a_refusal(result: dict[str, Any], no: bool) -> None:
    """Unknown may live, so it counts as having acted."""
    assert refused(result) is no


async def test_langchain_sees_the_same_door() -> None:
    """Structured tools carry names, descriptions and JSON schemas, and their calls are checked and recorded alike."""
    box = FakeToolbox()
    tools = door(box)
    shown = {tool.name: tool for tool in structured_tools(tools)}
    assert set(shown) == set(TOOLS)
    schema: Any = shown["place_order"].args_schema
    assert (
        schema["required"] == ["side", "order_type", "quantity"] and schema["additionalProperties"] is False
    )
    assert "enum" in json.dumps(schema["$defs"]["Side"])
    assert (await shown["place_order"].ainvoke(LIMIT_ORDER))["status"] == "accepted"
    assert (await shown["place_order"].ainvoke({"side": "long"}))["code"] == "invalid_arguments"
    assert [call.name for call in tools.calls] == ["place_order", "place_order"]
