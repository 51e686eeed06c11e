"""Granting tools in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kokex.cli.plan_tools import granted_tools, tools_document, tools_sentence
from kokex.domain.errors import ConfigurationError
from kokex.domain.plan import AgentSettings, TradingTool
from tests.builders import plan


def test_all_some_or_none() -> None:
    """`--trade`, `--tool NAME`, or nothing at all."""
    assert granted_tools(True, None) == frozenset(TradingTool)
    assert granted_tools(False, ["Cancel_Order", "cancel_order"]) == {TradingTool.CANCEL_ORDER}
    assert granted_tools(False, None) == granted_tools(False, None, True) == frozenset()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((False, ["buy"]), f"'buy' is no tool that trades; use one of {', '.join(TradingTool)}"),
        ((False, ["get_positions"]), "tools that read need no grant"),
        ((True, ["place_order"]), "use one of --trade"),
        ((True, None, True), "--watch-only"),
    ],
)
def test_what_cannot_be_meant(given: tuple[bool, list[str] | None], words: str) -> None:
    """The sentence says what can."""
    with pytest.raises(ConfigurationError) as caught:
        granted_tools(*given)
    assert words in str(caught.value)


def test_a_plan_without_a_grant_says_that_it_can_only_watch() -> None:
    """And how to change that."""
    watching = replace(plan(), agent=AgentSettings())
    assert "can only watch" in tools_sentence(watching)
    assert "kokex plan tools test --trade" in tools_sentence(watching)
    assert tools_document(watching) == {"trading_tools": []}
    assert f"may use {', '.join(sorted(TradingTool))}, within its limits" in tools_sentence(plan())
