"""Sections of a turn's context: bounded, newest kept, and none takes the turn with it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kokex.adapters.langchain.context import SECTIONS, Section, fitted, read_sections
from kokex.adapters.langchain.tools import TOOLS, TurnTools
from kokex.domain.errors import ExchangeError, StoreUnavailableError
from kokex.domain.plan import AgentSettings
from tests.unit.langchain.fake_toolbox import FakeClock, FakeToolbox

ROWS = [[number, f"{number}.5", "x" * 20] for number in range(200)]


def test_every_section_is_read_by_a_tool_that_only_reads() -> None:
    """With arguments that the tool takes."""
    assert len({section.title for section in SECTIONS}) == len(SECTIONS)
    for section in SECTIONS:
        tool = TOOLS[section.tool]
        assert not tool.trades
        tool.arguments.model_validate(dict(section.arguments))


@pytest.mark.parametrize(("newest_first", "first", "last"), [(False, None, 199), (True, 0, None)])
def test_the_oldest_are_left_out(newest_first: bool, first: int | None, last: int | None) -> None:
    """A list that is too long loses its old end, and the section says how many."""
    made = fitted({"rows": ROWS, "unit": "USDT"}, Section("s", "t", 400, newest_first=newest_first))
    numbers = [row[0] for row in made["rows"]]
    assert len(json.dumps(made)) <= 1000 and made["unit"] == "USDT"
    assert len(numbers) + made["left_out"] == 200 and numbers == list(range(numbers[0], numbers[-1] + 1))
    assert first in (None, numbers[0]) and last in (None, numbers[-1])


def test_what_fits_is_left_alone_and_what_cannot_be_cut_is_not_shown() -> None:
    """The model is told which tool to ask."""
    assert fitted({"rows": ROWS[:2]}, Section("s", "t", 400)) == {"rows": ROWS[:2]}
    assert fitted({"text": "x" * 5000}, Section("s", "t", 400)) == {
        "error": "s is longer than its 400 tokens",
        "code": "too_long",
        "ask": "t",
    }


async def test_a_section_that_cannot_be_read_says_so() -> None:
    """An exchange that is away costs a section, and so does a fault of ours or of a library; a database that is away costs the turn, which runs again."""

    class Broken(FakeToolbox):
        error: Exception = ExchangeError("no answer")

        async def get_account_balance(self) -> dict[str, Any]:
            raise self.error

    box = Broken()
    tools = TurnTools(box, AgentSettings(max_tool_calls=1), FakeClock())
    sections = await read_sections(tools)
    assert sections["account"]["code"] == "not_available" and "error" not in sections["position"]
    assert tools.calls == ()
    assert "error" not in await tools.call("get_positions", {})
    box.error = RuntimeError("a library has a fault")
    sections = await read_sections(tools)
    assert sections["account"]["code"] == "not_available" and "RuntimeError" in sections["account"]["error"]
    box.error = StoreUnavailableError("away")
    with pytest.raises(StoreUnavailableError):
        await read_sections(tools)


async def test_nothing_that_trades_is_a_look() -> None:
    """It would pass by the turn's limits."""
    with pytest.raises(ValueError, match="place_order trades"):
        await TurnTools(FakeToolbox(), AgentSettings(), FakeClock()).look("place_order", {})
