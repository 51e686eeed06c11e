"""The demo's scripted model over the wire: OpenAI's protocol, streaming and not, and what goes wrong now and then."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from kokex.adapters.langchain import LangChainAgentService, ModelSettings
from kokex.demo.conversation import Conversation
from kokex.demo.model_server import ModelServer
from kokex.demo.options import PROMPT
from kokex.demo.scripted_model import NAME, Mischief, Temper, reply
from kokex.domain.decision import Action, Decision, Trigger
from kokex.domain.plan import TriggerKind
from tests.unit.langchain.fake_toolbox import FakeClock, FakeToolbox, plan, prediction, turn, woken

FORECAST = woken(TriggerKind.FORECAST)
OWN = replace(plan(), agent=replace(plan().agent, prompt=PROMPT))


class Well(Temper):
    """Nothing goes wrong but what a test says."""

    def __init__(self, mischief: Mischief | None = None) -> None:
        super().__init__(0)
        self.mischief = mischief

    def of(self, turn: int | None, woken_by: frozenset[str]) -> Mischief | None:
        return self.mischief


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    async with ModelServer(seed=7, thinking_seconds=0.0) as made:
        made._temper = Well()
        yield made


def opening(*kinds: str, **facts: Any) -> dict[str, Any]:
    """The message that opens a turn."""
    told = {"turn": 5, "woken_by": [{"kind": kind} | facts for kind in kinds]}
    return {"role": "user", "content": f"Look.\n\n```json\n{json.dumps(told)}\n```"}


async def think(server: ModelServer, box: FakeToolbox, *triggers: Trigger, stream: bool = False) -> Decision:
    """One turn of the real agent, asked of the server."""
    settings = ModelSettings(server.base_url, NAME, stream=stream)
    service = LangChainAgentService(settings, FakeClock())
    try:
        return await service.run_turn(turn(*triggers, of=OWN), box)
    finally:
        await service.close()


@pytest.mark.parametrize("stream", [False, True])
async def test_it_reads_and_buys_by_the_owner_s_rule(server: ModelServer, *, stream: bool) -> None:
    """Its reason quotes what the tools told, so nothing is flagged; whole answers and pieces come to the same."""
    box = FakeToolbox(prediction=prediction(0.6, 0.02))
    decision = await think(server, box, FORECAST, stream=stream)
    assert (decision.action, decision.model) == (Action.ACT, NAME)
    assert "probability_up 0.6000" in decision.reason
    (order,) = box.orders.values()
    assert order.side.value == "buy"
    assert order.quantity * 2000 <= box.limits.max_order_notional
    assert [call.name for call in decision.tool_calls][-1] == "place_order"


async def test_it_sells_what_is_held_and_waits_in_between(server: ModelServer) -> None:
    """From 0.52 on it buys, to 0.48 it sells, between them it holds."""
    box = FakeToolbox(prediction=prediction(0.4, -0.02), held=Decimal("0.1"))
    assert (await think(server, box, FORECAST)).action is Action.ACT
    assert [order.side.value for order in box.orders.values()] == ["sell"]
    between = FakeToolbox(prediction=prediction(0.5, 0.0))
    assert (await think(server, between, FORECAST)).action is Action.HOLD
    assert not between.orders


async def test_greed_ends_at_the_gate(server: ModelServer) -> None:
    """Forty times the largest order: denied with a code; then the order that the rule asks for."""
    server._temper = Well(Mischief.GREEDY)
    box = FakeToolbox(prediction=prediction(0.6, 0.02))
    decision = await think(server, box, FORECAST)
    asked = [call.result for call in decision.tool_calls if call.name == "place_order"]
    assert [result.get("code") for result in asked] == ["order_too_large", None]
    assert decision.action is Action.ACT


@pytest.mark.parametrize(
    ("mischief", "code"), [(Mischief.MALFORMED, "invalid_arguments"), (Mischief.WRONG_TOOL, "unknown_tool")]
)
async def test_it_goes_on_after_a_call_that_is_none(
    server: ModelServer, mischief: Mischief, code: str
) -> None:
    """The agent's answer to the mistake is on record, and the turn ends as it should."""
    server._temper = Well(mischief)
    box = FakeToolbox(prediction=prediction(0.6, 0.02))
    decision = await think(server, box, FORECAST)
    assert decision.tool_calls[0].result["code"] == code
    assert decision.action is Action.ACT
    assert server.mishaps == {mischief: 1}


async def test_busy_is_asked_again(server: ModelServer) -> None:
    """HTTP 429 once a turn."""
    server._temper = Well(Mischief.BUSY)
    decision = await think(server, FakeToolbox(prediction=prediction(0.5, 0.0)), FORECAST)
    assert decision.model == NAME
    assert server.mishaps == {Mischief.BUSY: 1}


def test_asked_why_it_bought_it_quotes_the_record() -> None:
    """The newest decision with a filled buy, not the one that was denied after it."""
    bought = {
        "decision": 12, "reason": "probability_up 0.61", "fees": {"ETH": "-0.0002"}, "pnl_after_fees": "-1.25",
        "orders": [{"side": "buy", "filled_quantity": "0.21", "average_price": "2001.5"}],
    }  # fmt: skip
    denied = bought | {"decision": 14, "orders": [{"side": "buy", "average_price": None}]}
    record = {"decisions": [denied, bought], "unit": "USDT", "quantity_unit": "ETH", "last": "1995.1"}
    asked = opening("user", message_of_the_owner="Why did you buy?")
    (first, second) = reply(Conversation.of([asked]))
    assert (first[0], second[0]) == ("get_past_decisions", "get_positions")
    told = Conversation(
        Conversation.of([asked]).facts,
        {
            "get_past_decisions": (record,),
            "get_positions": ({"quantity": "0.21", "quantity_unit": "ETH"},),
        },
        spoken=True,
    )
    ((name, arguments),) = reply(told)
    answer = json.loads(arguments)
    assert (name, answer["action"]) == ("FinalAnswer", "hold")
    for words in (
        "decision 12",
        "bought 0.21 ETH at 2001.5 USDT",
        "0.61",
        "-0.0002 ETH",
        "-1.25 USDT",
        "1995.1",
    ):
        assert words in answer["reason"]


def test_mischief_is_seeded_and_spares_the_owner() -> None:
    """The same seed, the same; each kind comes once in sixteen turns; greed waits for a forecast."""

    def draw(seed: int, woken_by: str) -> list[Mischief | None]:
        temper = Temper(seed)
        return [temper.of(number, frozenset({woken_by})) for number in range(16)]

    assert draw(3, "forecast") == draw(3, "forecast") != draw(4, "forecast")
    assert {one for one in draw(3, "forecast") if one} == set(Mischief)
    assert Mischief.GREEDY not in draw(3, "candle")
    assert set(draw(3, "user")) == {None}
    temper = Temper(3)
    assert len({temper.of(1, frozenset({"forecast"})) for _ in range(20)}) == 1


async def test_what_it_is_asked_wrongly_it_refuses_as_openai_does(server: ModelServer) -> None:
    """An error object with HTTP 400; and it says that it is a script."""
    async with aiohttp.ClientSession() as session:
        for body in (b"{", b"[]", b'{"messages": 3}'):
            async with session.post(f"{server.base_url}/chat/completions", data=body) as response:
                assert response.status == 400
                assert "not a chat completion" in (await response.json())["error"]["message"]
        async with session.get(f"{server.base_url}/models") as response:
            (model,) = (await response.json())["data"]
            assert "a script" in model["owned_by"]
        asked = {"messages": [opening("candle")], "stream": True, "stream_options": {"include_usage": True}}
        async with session.post(f"{server.base_url}/chat/completions", json=asked) as response:
            lines = [line for line in (await response.text()).splitlines() if line]
    assert lines[-1] == "data: [DONE]"
    assert json.loads(lines[-2].removeprefix("data: "))["usage"]["prompt_tokens"] > 0


async def test_the_agent_s_own_opening_is_understood() -> None:
    """What the program really tells a model is read, whatever stands around it."""
    seen: list[list[dict[str, Any]]] = []

    class Listening(ModelServer):
        async def _complete(self, request: Any) -> Any:
            seen.append((await request.json())["messages"])
            return await super()._complete(request)

    async with Listening(seed=7, thinking_seconds=0.0) as server:
        server._temper = Well()
        await think(server, FakeToolbox(prediction=prediction(0.5, 0.0)), FORECAST)
    told = Conversation.of(seen[0])
    assert told.woken_by == {"forecast"} and told.turn == 1 and not told.spoken
    assert "query_prediction_data" in Conversation.of(seen[-1]).results
