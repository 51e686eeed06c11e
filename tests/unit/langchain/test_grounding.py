"""An order whose reason quotes what was not read is refused once, before it goes out."""

from __future__ import annotations

from typing import Any

import pytest

from kokex.adapters.langchain.tools import TurnTools
from kokex.domain.plan import AgentSettings
from tests.builders import TRADES
from tests.unit.langchain.fake_toolbox import FakeClock, FakeToolbox, prediction

BUY = {"side": "buy", "order_type": "limit", "quantity": "0.1", "price": "1999.5"}


def tools(box: FakeToolbox) -> TurnTools:
    return TurnTools(box, AgentSettings(trading_tools=TRADES), FakeClock())


async def place(door: TurnTools, reason: str | None, **changes: Any) -> str:
    """What became of one order."""
    result = await door.call("place_order", BUY | changes | ({} if reason is None else {"reason": reason}))
    return str(result.get("code") or result["status"])


@pytest.mark.parametrize(
    "reason",
    [
        None,
        "No figure at all.",
        "probability_up 0.57 (57%), last 2000, 0.1 ETH at 1999.5, worth 199.95 USDT",
    ],
)
async def test_a_reason_that_quotes_what_was_read_goes_out(reason: str | None) -> None:
    """Rounded, as a percentage, and the order's own numbers."""
    box = FakeToolbox(prediction=prediction(0.5702, 0.003))
    door = tools(box)
    await door.call("get_current_price", {})
    await door.call("query_prediction_data", {})
    assert await place(door, reason) == "accepted"


async def test_an_invented_figure_is_refused_once_for_each_order() -> None:
    """Nothing reaches the toolbox; the same order again goes out, another one is checked anew."""
    box = FakeToolbox()
    door = tools(box)
    assert await place(door, "RSI is 28.4") == "figures_not_in_record"
    assert "28.4" in door.calls[-1].result["error"] and box.used == [] and not door.acted
    assert await place(door, "RSI is 28.5") == "accepted"
    assert await place(door, "RSI is 28.4", quantity="0.2") == "figures_not_in_record"


async def test_figures_cannot_be_laundered_through_refusals() -> None:
    """What a refusal repeats was not read."""
    door = tools(FakeToolbox())
    await door.call("query_historical_kline_data", {"limit": 4321})
    await door.call("no_tool_4321", {})
    assert await place(door, "a target of 4321") == "figures_not_in_record"
    assert await place(door, "a target of 4321", quantity="0.2") == "figures_not_in_record"


async def test_the_owners_words_may_be_quoted() -> None:
    """They stand in the context."""
    door = tools(FakeToolbox())
    door.grounding.context = {"system_prompt": "Never above 4200.", "prompt_version": 3}
    assert await place(door, "below 4200") == "accepted"
