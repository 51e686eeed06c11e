"""Several models: the next where one fails, patience, circuit breakers, budgets, and what is left when none can be asked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from kokex.adapters.langchain import ChainSettings, LangChainAgentService, ModelSettings
from kokex.adapters.langchain.chats import MOST_BYTES
from kokex.adapters.langchain.service import EXITS
from kokex.domain.decision import Action, Decision, Turn
from kokex.domain.errors import StoreUnavailableError
from kokex.domain.order import OrderStatus
from kokex.domain.plan import AgentSettings
from kokex.domain.spending import Budget, ModelUsage, Price
from tests.builders import TRADES
from tests.integration.langchain.scripted_llm import (
    Answer,
    ScriptedLLM,
    calls,
    failure,
    final,
    message,
    raw,
    silence,
    streamed,
)
from tests.unit.langchain.fake_toolbox import FakeClock, FakeToolbox, plan, prediction, turn

BUY = {"side": "buy", "order_type": "limit", "quantity": "0.1", "price": "1999.5"}
HOLD = final("hold", "Nothing to do.")
PRICE = Price(Decimal(1_000_000), Decimal(2_000_000))
"""A dollar a token read, two a token written: an answer of the server's costs 20."""


class Purse:
    """A `SpendingStore` in memory."""

    def __init__(self) -> None:
        self.kept: list[ModelUsage] = []
        self.down = False

    async def add(self, usages: Sequence[ModelUsage]) -> None:
        if self.down:
            raise StoreUnavailableError("the database cannot be reached")
        self.kept += usages

    async def cost_since(self, since: Any) -> dict[int, Decimal]:
        costs: dict[int, Decimal] = {}
        for one in self.kept:
            if one.at >= since:
                costs[one.plan_id] = costs.get(one.plan_id, Decimal(0)) + (one.cost_usd or Decimal(0))
        return costs

    async def by_day(self, *, plan_id: int | None, since: Any) -> list[Any]:
        return []

    async def by_turn(self, *, plan_id: int | None, limit: int) -> list[Any]:
        return []


class House:
    """A service over some scripted models."""

    def __init__(self, scripts: Sequence[Sequence[Answer]], **settings: Any) -> None:
        self.budget = settings.pop("budget", Budget())
        self.settings = settings
        self.models = [ScriptedLLM(list(script)) for script in scripts]
        self.clock = FakeClock()
        self.purse = Purse()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> House:
        for model in self.models:
            await self._stack.enter_async_context(model)
        chain = tuple(
            ModelSettings(model.base_url, f"model-{number}", f"sk-{number}", **self.settings)
            for number, model in enumerate(self.models, 1)
        )
        self.service = LangChainAgentService(
            ChainSettings(chain, self.budget), self.clock, spending=self.purse
        )
        self._stack.push_async_callback(self.service.close)
        return self

    async def __aexit__(self, *given: Any) -> None:
        await self._stack.aclose()

    async def think(self, box: FakeToolbox | None = None, of: Turn | None = None) -> Decision:
        return await self.service.run_turn(of or turn(), box or FakeToolbox())

    @property
    def asked(self) -> list[int]:
        return [len(model.requests) for model in self.models]


async def test_the_next_model_goes_on_with_the_conversation() -> None:
    """In the middle of a turn; what the first one did stands and the second knows of it."""
    box = FakeToolbox()
    scripts = [[calls(("place_order", BUY)), failure(400)], [final("act", "Bid placed.")]]
    async with House(scripts) as house:
        decision = await house.think(box)
    assert decision.action is Action.ACT and decision.model == "model-2" and len(box.orders) == 1
    told = house.models[1].requests[0]["messages"]
    assert [one["role"] for one in told] == ["system", "user", "assistant", "tool"]
    assert house.models[1].headers[0]["Authorization"] == "Bearer sk-2"


async def test_a_model_that_is_down_is_left_alone_for_a_while() -> None:
    """30 s, then one trial; each failure doubles the wait; an answer ends it."""
    scripts = [[failure(500)] * 3 + [HOLD], [HOLD]]
    async with House(scripts, max_retries=0) as house:
        clock = house.clock
        await house.think()
        await house.think()
        assert house.asked == [1, 2]
        clock.seconds += 29
        await house.think()
        assert house.asked == [1, 3]
        clock.seconds += 1
        await house.think()
        assert house.asked == [2, 4]
        clock.seconds += 59
        await house.think()
        assert house.asked == [2, 5]
        clock.seconds += 1
        await house.think()
        assert house.asked == [3, 6]
        clock.seconds += 120
        decision = await house.think()
        assert decision.model == "model-1" and house.asked == [4, 6]
        assert (await house.think()).model == "model-1"


async def test_waits_grow_and_a_provider_s_own_wait_is_kept() -> None:
    """Half a second, a second; `retry-after` in seconds or as a date; a long one is not waited for."""
    patient = [
        failure(500, **{"retry-after-ms": "x"}),
        failure(429, **{"retry-after-ms": "", "retry-after": "7"}),
    ]
    async with House([[*patient, HOLD]]) as house:
        assert (await house.think()).model == "model-1"
        assert 7.25 <= house.clock.seconds <= 7.5
    at = (FakeClock().at + timedelta(seconds=9)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    async with House([[failure(429, **{"retry-after-ms": "", "retry-after": at}), HOLD]]) as house:
        assert (await house.think()).model == "model-1"
        assert house.clock.seconds == 9
    away = failure(429, **{"retry-after-ms": "", "retry-after": "3000"})
    async with House([[away, HOLD], [HOLD]]) as house:
        assert (await house.think()).model == "model-2" and house.clock.seconds == 0
        house.clock.seconds += 2999
        assert (await house.think()).model == "model-2"
        house.clock.seconds += 1
        assert (await house.think()).model == "model-1"


async def test_one_trial_at_a_time() -> None:
    """Of two plans at once one tries the model that was down, the other does not wait for it."""
    async with House([[failure(500), silence()], [HOLD]], max_retries=0, timeout_seconds=5) as house:
        await house.think()
        house.clock.seconds += 31
        house.models[0].asked.clear()
        async with asyncio.TaskGroup() as group:
            trying = group.create_task(house.think())
            await asyncio.wait_for(house.models[0].asked.wait(), 60)
            assert (await house.think(of=turn(number=2))).model == "model-2"
            trying.cancel()
        # The trial was given up and told nothing: the next turn tries again.
        house.models[0].asked.clear()
        async with asyncio.TaskGroup() as group:
            trying = group.create_task(house.think())
            await asyncio.wait_for(house.models[0].asked.wait(), 60)
            trying.cancel()


@pytest.mark.parametrize("held", ["0", "0.5"])
async def test_when_all_are_down_nothing_is_added(held: str) -> None:
    """A forecast that argues for buying moves nothing; the decision says why and who decided."""
    box = FakeToolbox(prediction=prediction(0.7, 0.02), held=Decimal(held))
    async with House([[failure(500)], [failure(503)]], max_retries=0) as house:
        decision = await house.think(box)
        again = await house.think(FakeToolbox(prediction=prediction(0.7, 0.02)))
    assert decision.action is Action.HOLD and decision.model == EXITS and box.orders == {}
    assert "HTTP 500" in decision.reason and "HTTP 503" in decision.reason
    assert "left alone for another" in again.reason and house.asked == [1, 1]


async def test_when_all_are_down_a_holding_can_still_be_left() -> None:
    """The built-in policy's exits, through the same gate."""
    box = FakeToolbox(prediction=prediction(0.3, -0.02), held=Decimal("0.5"))
    async with House([[failure(500)]], max_retries=0) as house:
        decision = await house.think(box)
    [order] = box.orders.values()
    assert order.side.value == "sell" and order.status is not OrderStatus.DENIED
    assert order.quantity <= Decimal("0.5") and decision.action is Action.ACT


async def test_exits_have_tools_left_when_a_model_used_them_up() -> None:
    """A model that spent the turn's calls and then died does not take the exits with it."""
    box = FakeToolbox(prediction=prediction(0.3, -0.02), held=Decimal("0.5"))
    script = [calls(*[("get_positions", {})] * 5), failure(500)]
    async with House([script], max_retries=0) as house:
        decision = await house.think(
            box, turn(of=plan(agent=AgentSettings(trading_tools=TRADES, max_tool_calls=3)))
        )
    assert len(box.orders) == 1 and decision.model == EXITS


async def test_tokens_and_cost_are_kept() -> None:
    """Of each answer, by the model that gave it; an answer that tells nothing is estimated, rather too high."""
    untold = message("thinking", usage=None)
    async with House([[calls(("get_positions", {})), untold, HOLD]], price=PRICE) as house:
        await house.think(of=turn(number=5))
    first, second, third = house.purse.kept
    assert (first.plan_id, first.turn_id, first.model, first.provider) == (
        1,
        5,
        "model-1",
        house.models[0].base_url,
    )
    assert (first.input_tokens, first.output_tokens, first.cost_usd, first.estimated) == (10, 5, 20, False)
    assert second.estimated and second.input_tokens > 1000 and second.cost_usd is not None
    assert third == replace(first, at=third.at)


@pytest.mark.parametrize(
    "usage", [{"prompt_tokens": -5, "completion_tokens": 10**30, "total_tokens": 1}, {}, "many", [1]]
)
async def test_nonsense_about_tokens_does_no_harm(usage: Any) -> None:
    """It ends neither the turn nor the accounting."""
    async with House([[message(None, tool_calls=[_final()], usage=usage), HOLD]], price=PRICE) as house:
        decision = await house.think()
    assert decision.action is Action.HOLD
    assert all(0 <= one.input_tokens <= 10**9 and 0 <= one.output_tokens <= 10**9 for one in house.purse.kept)


def _final() -> dict[str, Any]:
    from tests.integration.langchain.scripted_llm import FINAL, call  # noqa: PLC0415

    return call(FINAL, {"action": "hold", "confidence": 0.5, "reason": "Nothing."})


async def test_a_spent_budget_stops_requests_in_the_middle_of_a_turn() -> None:
    """And the exits decide, with a sentence; the next UTC day has money again."""
    box = FakeToolbox(prediction=prediction(0.7, 0.02))
    many = [calls(("get_positions", {})), calls(("get_positions", {})), HOLD]
    async with House([many], price=PRICE, budget=Budget(plan_usd=Decimal(40))) as house:
        decision = await house.think(box)
        assert decision.model == EXITS and house.asked == [2]
        assert "the plan's model budget of 40 USD for this UTC day is spent (40.0000 USD)" in decision.reason
        assert box.orders == {}
        other = replace(plan(), id=2)
        assert (await house.think(of=turn(of=other))).model == "model-1"
        assert (await house.think()).model == EXITS and house.asked == [3]
        house.clock.at += timedelta(days=1)
        assert (await house.think()).model == "model-1"


async def test_the_platform_s_budget_and_a_plan_s_own() -> None:
    """The platform's counts all plans; a plan's own replaces the setting; without prices it stops the plan."""
    async with House([[HOLD]], price=PRICE, budget=Budget(Decimal(30), Decimal(1000))) as house:
        assert (await house.think()).model == "model-1"
        own = replace(plan(agent=AgentSettings(trading_tools=TRADES, daily_budget_usd=Decimal(0))), id=2)
        assert "budget of 0 USD" in (await house.think(of=turn(of=own))).reason
        assert (await house.think()).model == "model-1"
        assert (
            "platform's model budget of 30 USD"
            in (await house.think(of=turn(of=replace(plan(), id=3)))).reason
        )
    async with House([[HOLD]]) as house:
        own = plan(agent=AgentSettings(trading_tools=TRADES, daily_budget_usd=Decimal(5)))
        assert "cost of model-1 is not known" in (await house.think(of=turn(of=own))).reason
        assert house.asked == [0]


async def test_what_the_database_did_not_take_is_kept_with_the_next() -> None:
    """The turn waits for the database as ever, and no answer that was paid for is forgotten."""
    async with House([[HOLD]], price=PRICE) as house:
        house.purse.down = True
        with pytest.raises(StoreUnavailableError):
            await house.think()
        house.purse.down = False
        await house.think(of=turn(number=2))
    assert [one.turn_id for one in house.purse.kept] == [1, 2]


async def test_streamed_answers() -> None:
    """In pieces, tool calls in parallel, with their tokens."""
    box = FakeToolbox()
    orders = calls(*[("place_order", BUY | {"quantity": f"0.0{number}"}) for number in (1, 2, 3)])
    async with House(
        [[streamed(orders), streamed(final("act", "Three bids."))]], stream=True, price=PRICE
    ) as house:
        decision = await house.think(box)
    assert [str(order.quantity) for order in box.orders.values()] == ["0.01", "0.02", "0.03"]
    assert decision.action is Action.ACT and decision.reason.startswith("Three bids.")
    assert all(request["stream"] for request in house.models[0].requests)
    assert [one.input_tokens for one in house.purse.kept] == [10, 10]


@pytest.mark.parametrize(
    "broken",
    [
        raw("data: {not json\n\n", "text/event-stream"),
        raw("data: [1]\n\ndata: [DONE]\n\n", "text/event-stream"),
        raw("", "text/event-stream"),
        streamed(calls(("place_order", BUY)), cut=2),
        streamed(calls(("place_order", BUY)), stall=2),
    ],
)
async def test_broken_streams_do_nothing(broken: Answer) -> None:
    """Cut off, stalled or garbled: no order, and the next model decides."""
    box = FakeToolbox()
    async with House([[broken], [HOLD]], stream=False, timeout_seconds=2, max_retries=0) as house:
        first = replace(house.service._chain.models[0], stream=True)
        house.service._chain = ChainSettings((first, house.service._chain.models[1]))
        decision = await house.think(box)
    assert box.orders == {} and decision.action is Action.HOLD


@pytest.mark.parametrize("text", ["x" * (MOST_BYTES + 1), '{"choices": "' + "x" * (MOST_BYTES + 1)])
async def test_huge_answers_are_not_read_to_their_end(text: str) -> None:
    """The next model is asked."""
    async with House([[raw(text)], [HOLD]], max_retries=0) as house:
        assert (await house.think()).model == "model-2"


async def test_a_huge_reason_is_cut() -> None:
    """Within what is read, the record stays small."""
    async with House([[final("hold", "x" * 1_000_000)]]) as house:
        assert len((await house.think()).reason) == 2000


async def test_keys_of_all_models_are_hidden() -> None:
    """Whichever endpoint quotes whichever key."""
    async with House([[failure(400, "sk-2 and sk-1")], [final("hold", "The key is sk-1.")]]) as house:
        decision = await house.think()
    assert decision.reason == "The key is ***."
