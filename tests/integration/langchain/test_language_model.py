"""Turns with a language model, against a server that speaks its protocol: well, badly and with malice."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kokex.adapters.langchain import LangChainAgentService, ModelSettings
from kokex.adapters.langchain.context import SECTIONS
from kokex.adapters.langchain.service import EXITS
from kokex.adapters.langchain.tools import TOOLS
from kokex.domain.decision import Action, Decision
from kokex.domain.errors import StoreUnavailableError
from kokex.domain.limits import RiskLimits
from kokex.domain.plan import AgentSettings, TriggerKind
from tests.builders import TRADES
from tests.integration.langchain.scripted_llm import (
    FINAL,
    Answer,
    ScriptedLLM,
    call,
    calls,
    failure,
    final,
    json_body,
    message,
    raw,
    silence,
)
from tests.unit.langchain.fake_toolbox import FakeClock, FakeToolbox, plan, prediction, turn, woken

BUY = {"side": "buy", "order_type": "limit", "quantity": "0.1", "price": "1999.5"}
HOLD = final("hold", "Nothing to do.")

READ_BEFORE = [section.tool for section in SECTIONS]
"""Asked by the program before the model is."""


async def think(
    llm: ScriptedLLM,
    box: FakeToolbox | None = None,
    *,
    agent: AgentSettings | None = None,
    trigger: TriggerKind = TriggerKind.FORECAST,
    text: str | None = None,
    **settings: Any,
) -> Decision:
    """One turn with the scripted model."""
    wanted: dict[str, Any] = {
        "base_url": llm.base_url,
        "model": "scripted",
        "api_key": "sk-secret",
    } | settings
    service = LangChainAgentService(ModelSettings(**wanted), FakeClock())
    box = box or FakeToolbox(prediction=prediction(0.57, 0.003))
    try:
        return await service.run_turn(turn(woken(trigger, text=text), of=plan(agent=agent)), box)
    finally:
        await service.close()


async def bounded(llm: ScriptedLLM, box: FakeToolbox) -> None:
    """One turn that ends as a hold with a reason, and in no other way."""
    decision = await think(
        llm, box, agent=AgentSettings(trading_tools=TRADES, max_tool_calls=4), max_retries=0
    )
    assert decision.action is Action.HOLD and decision.reason


async def test_a_whole_turn() -> None:
    """The model looks, places an order and concludes; the decision carries the record."""
    script = [
        calls(("query_prediction_data", {})),
        calls(("place_order", BUY)),
        final("act", "probability_up 0.57, bought 0.1 ETH.", 0.7),
    ]
    box = FakeToolbox(prediction=prediction(0.57, 0.003))
    async with ScriptedLLM(script) as llm:
        decision = await think(llm, box)
    assert decision.action is Action.ACT and decision.confidence == 0.7 and decision.model == "scripted"
    assert decision.reason == "probability_up 0.57, bought 0.1 ETH."
    assert [made.name for made in decision.tool_calls] == ["query_prediction_data", "place_order"]
    assert box.used == [*READ_BEFORE, "query_prediction_data", "place_order"]
    assert llm.paths == ["POST /v1/chat/completions"] * 3
    assert llm.results()[0]["probability_up"] == 0.57


async def test_the_model_is_told_how_its_plan_stands() -> None:
    """Every section, read when the turn began; its numbers may be quoted as any that a tool told, and are no calls of the model's."""
    order = {**BUY, "reason": "probability_up is 0.57"}
    box = FakeToolbox(prediction=prediction(0.57, 0.003))
    async with ScriptedLLM([calls(("place_order", order)), final("act", "bought", 0.5)]) as llm:
        decision = await think(llm, box)
    told = llm.requests[0]["messages"][1]["content"]
    facts = json.loads(told.partition("```json\n")[2].rpartition("\n```")[0])
    stands = facts["how_your_plan_stands"]
    assert list(stands) == [section.title for section in SECTIONS]
    assert stands["forecast"]["probability_up"] == 0.57 and "last" not in stands
    assert [(made.name, "error" in made.result) for made in decision.tool_calls] == [("place_order", False)]


async def test_what_the_model_is_told() -> None:
    """System prompt with role and limits, what woke it, every tool with its schema, key and temperature as configured."""
    async with ScriptedLLM([HOLD]) as llm:
        await think(
            llm,
            agent=AgentSettings(trading_tools=TRADES, prompt="Be patient."),
            trigger=TriggerKind.USER,
            text="why?",
        )
    [request] = llm.requests
    system, user = request["messages"]
    assert (
        system["role"] == "system" and "Be patient." in system["content"] and "ETH-USDT" in system["content"]
    )
    assert user["role"] == "user" and '"message_of_the_owner": "why?"' in user["content"]
    named = {tool["function"]["name"]: tool["function"] for tool in request["tools"]}
    assert set(named) == {*TOOLS, FINAL}
    assert named["place_order"]["parameters"]["required"] == ["side", "order_type", "quantity"]
    assert request["temperature"] == 0 and request["model"] == "scripted"
    assert llm.headers[0]["Authorization"] == "Bearer sk-secret"


async def test_orders_in_one_message_are_asked_for_in_their_order() -> None:
    """However LangGraph schedules them: step numbers follow the message."""
    asked = [("place_order", BUY | {"quantity": f"0.0{number}"}) for number in range(1, 6)]
    limits = RiskLimits(max_open_orders=5)

    class Box(FakeToolbox):
        async def place_order(self, *given: Any, **named: Any) -> dict[str, Any]:
            for _ in range(int(10 * (6 - 100 * named["quantity"]))):
                await asyncio.sleep(0)
            return await super().place_order(*given, **named)

    box = Box(limits=limits)
    async with ScriptedLLM([calls(*asked), final("act", "Five bids.")]) as llm:
        decision = await think(llm, box)
    assert [order.quantity for order in box.orders.values()] == [Decimal(f"0.0{n}") for n in range(1, 6)]
    assert [name[-1] for name in box.orders] == list("01234")
    assert [made.arguments["quantity"] for made in decision.tool_calls] == [f"0.0{n}" for n in range(1, 6)]


async def test_calls_with_the_same_name_tag_are_both_answered() -> None:
    """Two calls under one id do not hang the turn."""
    twice = message(tool_calls=[call("get_positions", {}, "same"), call("place_order", BUY, "same")])
    async with ScriptedLLM([twice, final("act", "Done.")]) as llm:
        decision = await think(llm)
    assert [made.name for made in decision.tool_calls] == ["get_positions", "place_order"]


async def test_a_denial_reaches_the_model_as_code_and_sentence() -> None:
    """And the turn is a hold: the gate let nothing through."""
    box = FakeToolbox(limits=RiskLimits(max_order_notional=Decimal(10)))
    async with ScriptedLLM([calls(("place_order", BUY)), final("hold", "Denied.")]) as llm:
        decision = await think(llm, box)
    [result] = llm.results()
    assert result["code"] == "order_too_large" and "over the limit of 10" in result["error"]
    assert decision.action is Action.HOLD


async def test_the_decision_says_what_was_done_not_what_is_claimed() -> None:
    """act without an order is a hold, hold with one is an act; the reason says that they differ."""
    async with ScriptedLLM([final("act", "I bought 5 ETH.")]) as llm:
        claimed = await think(llm)
    assert claimed.action is Action.HOLD and "nothing was sent to the exchange" in claimed.reason
    async with ScriptedLLM([calls(("place_order", BUY)), HOLD]) as llm:
        hidden = await think(llm)
    assert hidden.action is Action.ACT and "something was sent to the exchange" in hidden.reason


async def test_an_order_and_the_final_answer_in_one_message() -> None:
    """The order is placed before the turn ends."""
    both = calls(("place_order", BUY), (FINAL, {"action": "act", "confidence": 1, "reason": "Bid."}))
    box = FakeToolbox()
    async with ScriptedLLM([both]) as llm:
        decision = await think(llm, box)
    assert decision.action is Action.ACT and len(box.orders) == 1 and len(llm.requests) == 1


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ('{"side": "buy", ', "invalid_arguments"),
        ("not json at all", "invalid_arguments"),
        ({"side": "buy", "order_type": "limit", "quantity": "all", "price": "1"}, "invalid_arguments"),
        ({}, "invalid_arguments"),
        (BUY | {"config": {"x": 1}, "run_manager": 2, "self": 3}, "invalid_arguments"),
    ],
)
async def test_malformed_arguments_do_nothing_and_can_be_mended(arguments: Any, code: str) -> None:
    """The model hears what was wrong, tries again, and both tries are in the record."""
    box = FakeToolbox()
    async with ScriptedLLM(
        [calls(("place_order", arguments)), calls(("place_order", BUY)), final("act", "Bid.")]
    ) as llm:
        decision = await think(llm, box)
    first, second = decision.tool_calls
    assert first.result["code"] == code and second.result["status"] == "accepted"
    assert len(box.orders) == 1 and decision.action is Action.ACT


@pytest.mark.parametrize("arguments", ["[]", "null", '"text"', "17"])
async def test_arguments_that_are_json_but_no_object_do_nothing(arguments: str) -> None:
    """Bounded and without an order, whatever LangChain makes of them."""
    box = FakeToolbox()
    async with ScriptedLLM([calls(("place_order", arguments)), HOLD]) as llm:
        await bounded(llm, box)
    assert box.orders == {}


async def test_a_wrong_tool_name_is_answered_with_the_right_ones() -> None:
    """Then the turn goes on."""
    async with ScriptedLLM([calls(("buy_everything", {"amount": "all"})), HOLD]) as llm:
        decision = await think(llm)
    [result] = llm.results()
    assert result["code"] == "unknown_tool" and "place_order" in result["error"]
    assert decision.tool_calls[0].name == "buy_everything"


async def test_plain_text_is_asked_once_more_for_the_final_answer() -> None:
    """And accepted when it comes."""
    async with ScriptedLLM([message("I would hold."), HOLD]) as llm:
        decision = await think(llm)
    assert decision.reason == "Nothing to do." and len(llm.requests) == 2
    assert FINAL in llm.requests[1]["messages"][-1]["content"]


async def test_nothing_but_plain_text_ends_as_a_hold_with_that_text() -> None:
    """Bounded: three requests."""
    async with ScriptedLLM([message("I would hold.")]) as llm:
        decision = await think(llm)
    assert (
        decision.action is Action.HOLD and decision.reason == "I would hold." and decision.confidence is None
    )
    assert len(llm.requests) == 3


@pytest.mark.parametrize("answer", [message(""), message(None), message(None, refusal="I cannot.")])
async def test_an_empty_answer_or_a_refusal_is_a_hold(answer: Answer) -> None:
    """With a reason all the same."""
    async with ScriptedLLM([answer]) as llm:
        decision = await think(llm)
    assert decision.action is Action.HOLD and decision.reason


@pytest.mark.parametrize(
    "wrong",
    [
        {"action": "sell everything", "confidence": 0.5, "reason": "x"},
        {"action": "hold", "confidence": 95, "reason": "x"},
        {"action": "hold", "reason": "x"},
        {"action": "hold", "confidence": 0.5, "reason": ""},
        '{"action": "hold"',
    ],
)
async def test_a_wrong_final_answer_can_be_mended(wrong: Any) -> None:
    """The model is told and answers again."""
    async with ScriptedLLM([calls((FINAL, wrong)), HOLD]) as llm:
        decision = await think(llm)
    assert decision.reason == "Nothing to do." and len(llm.requests) == 2


async def test_two_final_answers_at_once_are_asked_for_again() -> None:
    """One turn has one end."""
    two = calls(
        *[(FINAL, {"action": action, "confidence": 1, "reason": action}) for action in ("act", "hold")]
    )
    async with ScriptedLLM([two, HOLD]) as llm:
        decision = await think(llm)
    assert decision.reason == "Nothing to do."


@pytest.mark.parametrize(
    "endless",
    [
        lambda: calls(("get_positions", {})),
        lambda: calls(*[("place_order", BUY | {"quantity": "0.001"})] * 3),
        lambda: calls((FINAL, {"action": "maybe"})),
        lambda: calls(("no_such_tool", {})),
    ],
)
async def test_endless_loops_end(endless: Callable[[], Answer]) -> None:
    """After the plan's tool calls and a few requests more, whatever the model goes on asking for."""
    box = FakeToolbox()
    async with ScriptedLLM([endless()]) as llm:
        decision = await think(llm, box, agent=AgentSettings(trading_tools=TRADES, max_tool_calls=4))
    assert len(llm.requests) == 8 and "no final answer within 8 requests" in decision.reason
    assert len(box.used) <= len(READ_BEFORE) + 4 and len(decision.tool_calls) <= 5
    assert decision.action is (Action.ACT if box.orders else Action.HOLD)


async def test_hundreds_of_calls_in_one_message_stop_at_the_limit() -> None:
    """The rest is answered without being done."""
    box = FakeToolbox()
    async with ScriptedLLM([calls(*[("get_positions", {})] * 60), HOLD]) as llm:
        decision = await think(llm, box, agent=AgentSettings(trading_tools=TRADES, max_tool_calls=10))
    assert (
        len(box.used) == len(READ_BEFORE) + 10 and len(decision.tool_calls) == 11 and len(llm.results()) == 60
    )


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_busy_endpoint_is_tried_again(status: int) -> None:
    """Within the retries."""
    async with ScriptedLLM([failure(status), failure(status), HOLD]) as llm:
        decision = await think(llm)
    assert decision.action is Action.HOLD and len(llm.requests) == 3


@pytest.mark.parametrize(("status", "requests"), [(429, 3), (500, 3), (401, 1), (400, 1), (404, 1)])
async def test_an_endpoint_that_keeps_failing_leaves_the_turn_to_the_exits(
    status: int, requests: int
) -> None:
    """The reason names the model, the address and the status; never the key, even if the endpoint quotes it."""
    async with ScriptedLLM([failure(status, "bad key sk-secret")]) as llm:
        decision = await think(llm)
        assert f"model scripted at {llm.base_url} answered with HTTP {status}" in decision.reason
    assert decision.action is Action.HOLD and decision.model == EXITS
    assert "may reduce or close and never add" in decision.reason and "sk-secret" not in decision.reason
    assert len(llm.requests) == requests


async def test_a_failure_after_an_order_leaves_the_rest_to_the_exits() -> None:
    """What the model did is in the record; its resting entry is withdrawn, since nobody watches it now."""
    box = FakeToolbox(prediction=prediction(0.57, 0.003))
    async with ScriptedLLM([calls(("place_order", BUY)), failure(400)]) as llm:
        decision = await think(llm, box)
    assert decision.action is Action.ACT and decision.model == EXITS
    assert decision.tool_calls[0].name == "place_order" and box.pending() == []
    assert "it would add to the holding" in decision.reason


async def test_an_endpoint_that_is_not_there() -> None:
    """Connection refused."""
    async with ScriptedLLM([HOLD]) as llm:
        gone = llm
    decision = await think(gone, max_retries=0)
    assert decision.model == EXITS and "cannot be reached" in decision.reason


async def test_a_silent_endpoint_times_out() -> None:
    """One request's limit; a request that got no answer is not repeated."""
    async with ScriptedLLM([silence()]) as llm:
        decision = await think(llm, timeout_seconds=0.2)
    assert decision.model == EXITS and "did not answer within 0.2 s" in decision.reason
    assert len(llm.requests) == 1


async def test_a_silent_endpoint_leaves_time_for_the_exits() -> None:
    """A request ends before the turn does."""
    async with ScriptedLLM([silence()]) as llm:
        decision = await think(llm, agent=AgentSettings(trading_tools=TRADES, turn_seconds=1.0))
    assert decision.model == EXITS and "did not answer within 0.9 s" in decision.reason


@pytest.mark.parametrize(
    "garbage",
    [
        raw("<html>gateway</html>", "text/html"),
        raw("{"),
        raw(""),
        json_body([]),
        json_body({}),
        json_body({"choices": []}),
        json_body({"choices": None}),
        json_body({"choices": [{"message": None}]}),
        json_body({"error": {"message": "quota"}}),
        json_body({"choices": [{"message": {"role": "assistant", "tool_calls": [{"function": {}}]}}]}),
        message(
            tool_calls=[
                {"id": None, "type": "function", "function": {"name": "get_positions", "arguments": "{}"}}
            ]
        ),
    ],
)
async def test_answers_that_are_no_completion_never_crash(garbage: Answer) -> None:
    """Each ends as a hold, in bounded time, without an order."""
    box = FakeToolbox()
    async with ScriptedLLM([garbage]) as llm:
        await bounded(llm, box)
    assert len(llm.requests) <= 8
    assert box.orders == {}


async def test_redirects_are_not_followed() -> None:
    """Nothing but the configured endpoint is contacted."""
    async with ScriptedLLM([HOLD]) as elsewhere:
        away = failure(307, Location=f"{elsewhere.base_url}/chat/completions")
        async with ScriptedLLM([away]) as llm:
            decision = await think(llm)
    assert decision.model == EXITS and "HTTP 307" in decision.reason
    assert elsewhere.requests == []


_TRACED = """
import asyncio, sys
from langsmith import utils
from kokex.adapters.langchain import LangChainAgentService, ModelSettings
from tests.unit.langchain.fake_toolbox import FakeClock, FakeToolbox, turn

async def main():
    service = LangChainAgentService(ModelSettings(sys.argv[1], "scripted"), FakeClock())
    decision = await service.run_turn(turn(), FakeToolbox())
    print(utils.tracing_is_enabled(), len(decision.tool_calls), flush=True)
    if sys.argv[2] == "traced":
        from langchain_core.runnables import RunnableLambda
        await RunnableLambda(lambda value: value).ainvoke(1)
    from langsmith.run_trees import get_cached_client
    await asyncio.to_thread(get_cached_client().flush)

asyncio.run(main())
"""


@pytest.mark.parametrize("control", ["turn only", "traced"])
async def test_tracing_stays_off_whatever_the_environment_says(control: str, checkout: Path) -> None:
    """LangSmith's switches are ignored by turns: no trace leaves the process. (The control shows that one would.)"""
    async with (
        ScriptedLLM([json_body({})]) as tracer,
        ScriptedLLM([calls(("get_positions", {})), HOLD]) as llm,
    ):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            _TRACED,
            llm.base_url,
            control,
            cwd=checkout,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=os.environ
            | {
                "PYTHONPATH": str(checkout),
                "LANGSMITH_TRACING": "true",
                "LANGSMITH_TRACING_V2": "true",
                "LANGCHAIN_TRACING_V2": "true",
                "LANGSMITH_API_KEY": "ls-key",
                "LANGSMITH_ENDPOINT": tracer.base_url,
            },
        )
        output, _ = await process.communicate()
    assert output.decode().split() == ["True", "1"]
    sent = [
        path for path in tracer.paths if path.startswith("POST")
    ]  # asking for the client to flush it is a GET
    assert bool(sent) == (control == "traced")


async def test_a_lost_database_ends_the_turn_as_itself() -> None:
    """The caller knows how to wait for its store; it is not blamed on the model."""

    class Box(FakeToolbox):
        async def get_positions(self) -> dict[str, Any]:
            raise StoreUnavailableError("the database cannot be reached")

    async with ScriptedLLM([calls(("get_positions", {})), HOLD]) as llm:
        with pytest.raises(StoreUnavailableError):
            await think(llm, Box())


async def test_a_cancelled_turn_sees_its_order_through() -> None:
    """Stopping the engine in the middle of a submission waits for its answer."""
    sent, release = asyncio.Event(), asyncio.Event()

    class Box(FakeToolbox):
        async def place_order(self, *given: Any, **named: Any) -> dict[str, Any]:
            sent.set()
            await release.wait()
            return await super().place_order(*given, **named)

    box = Box()
    async with ScriptedLLM([calls(("place_order", BUY))]) as llm, asyncio.TaskGroup() as group:
        thinking = group.create_task(think(llm, box))
        await asyncio.wait_for(sent.wait(), 60)
        thinking.cancel()
        for _ in range(20):
            await asyncio.sleep(0)
        assert not thinking.done()
        release.set()
    assert thinking.cancelled() and len(box.orders) == 1


async def test_no_key_is_fine_for_endpoints_that_ask_for_none() -> None:
    """And the environment's key for someone else is not sent."""
    async with ScriptedLLM([HOLD]) as llm:
        await think(llm, api_key=None)
    assert llm.headers[0]["Authorization"] == "Bearer none"


async def test_other_endpoints_settings_in_the_environment_are_ignored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """OPENAI_* variables change neither the address nor the headers."""
    async with ScriptedLLM([HOLD]) as elsewhere, ScriptedLLM([HOLD]) as llm:
        monkeypatch.setenv("OPENAI_API_KEY", "sk-environment")
        monkeypatch.setenv("OPENAI_API_BASE", elsewhere.base_url)
        monkeypatch.setenv("OPENAI_BASE_URL", elsewhere.base_url)
        for name in ("OPENAI_ORG_ID", "OPENAI_ORGANIZATION", "OPENAI_PROJECT_ID", "OPENAI_ADMIN_KEY"):
            monkeypatch.setenv(name, "environment")
        await think(llm)
    assert elsewhere.requests == [] and len(llm.requests) == 1
    assert "environment" not in json.dumps(llm.headers)


@pytest.mark.parametrize(
    "kind", [TriggerKind.ORDER_EVENT, TriggerKind.CANDLE, TriggerKind.FORECAST, TriggerKind.USER]
)
async def test_each_trigger_has_its_own_words(kind: TriggerKind) -> None:
    """The first line of the turn's message says what kind of thing happened."""
    async with ScriptedLLM([HOLD]) as llm:
        await think(llm, trigger=kind, text="hello")
    first = llm.requests[0]["messages"][1]["content"].splitlines()[0]
    expected = {
        TriggerKind.ORDER_EVENT: "order",
        TriggerKind.CANDLE: "candle",
        TriggerKind.FORECAST: "forecast",
        TriggerKind.USER: "owner",
    }
    assert expected[kind] in first


async def test_many_turns_share_one_client() -> None:
    """The model's packages load once and connections are kept."""
    async with ScriptedLLM([HOLD]) as llm:
        service = LangChainAgentService(ModelSettings(llm.base_url, "scripted"), FakeClock())
        await service.prepare()
        for number in range(5):
            made = await service.run_turn(turn(number=number + 1), FakeToolbox())
            assert made.action is Action.HOLD
        await service.close()
    assert len(llm.requests) == 5


async def test_the_transcript_has_every_request_and_answer() -> None:
    """Context, settings without the key, each message once, tokens, and each tool call with its time."""
    script = [
        calls(("query_prediction_data", {})),
        calls(("place_order", BUY)),
        calls(
            (
                FINAL,
                {"action": "act", "confidence": 0.7, "reason": "Bought.", "change_of_mind": "Below 1990."},
            )
        ),
    ]
    of = turn(woken(TriggerKind.FORECAST))
    async with ScriptedLLM(script) as llm:
        settings = ModelSettings(base_url=llm.base_url, model="scripted", api_key="sk-secret")
        service = LangChainAgentService(settings, FakeClock())
        try:
            decision = await service.run_turn(of, FakeToolbox(prediction=prediction(0.57, 0.003)))
        finally:
            await service.close()
    transcript = of.transcript
    assert decision.change_of_mind == "Below 1990."
    assert transcript.model == "scripted" and transcript.settings["temperature"] == 0
    assert "You trade ETH-USDT" in transcript.context["system_prompt"]
    assert [[one["role"] for one in call.asked] for call in transcript.model_calls] == [
        ["user"],
        ["tool"],
        ["tool"],
    ]
    answers = [call.answer for call in transcript.model_calls]
    assert [answer["tool_calls"][0]["name"] for answer in answers if answer] == [
        "query_prediction_data",
        "place_order",
        FINAL,
    ]
    assert [(call.tokens_in, call.tokens_out) for call in transcript.model_calls] == [(10, 5)] * 3
    assert tuple(transcript.tool_calls) == decision.tool_calls
    assert "sk-secret" not in repr(transcript)


async def test_a_turn_whose_model_fails_leaves_its_transcript() -> None:
    """What was done, and the request that had no answer, with the key hidden."""
    of = turn(woken(TriggerKind.FORECAST))
    script = [calls(("get_positions", {})), failure(500, "bad key sk-secret")]
    async with ScriptedLLM(script) as llm:
        settings = ModelSettings(base_url=llm.base_url, model="scripted", api_key="sk-secret", max_retries=0)
        service = LangChainAgentService(settings, FakeClock())
        try:
            decision = await service.run_turn(of, FakeToolbox())
        finally:
            await service.close()
    assert decision.model == of.transcript.model == EXITS
    assert of.transcript.tool_calls[0].name == "get_positions"
    first, second = of.transcript.model_calls
    assert first.error is None and second.answer is None and "bad key ***" in (second.error or "")
    assert "sk-secret" not in repr(of.transcript)
