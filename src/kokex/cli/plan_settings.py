"""A new plan's settings, from words to the domain's values."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs: `kokex --help` and wrong usage answer at once

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar

from kokex.domain.errors import ConfigurationError
from kokex.domain.events import OrderEventKind
from kokex.domain.market import StreamKind
from kokex.domain.plan import KRONOS, AgentSettings, ForecastSettings, TriggerKind

_Word = TypeVar("_Word", bound=StrEnum)

_MOST_TOOL_CALLS = 500

_TRIGGERS = tuple(TriggerKind)
"""What a plan can choose to be woken by."""

_STREAMS = tuple(kind for kind in StreamKind if kind not in (StreamKind.TICKER, StreamKind.MARK_PRICE))
"""What a plan can choose to see; the last price, and the mark price of a swap, it sees anyway."""


def agent_settings(
    prompt: str,
    triggers: Iterable[str] | None,
    order_triggers: Iterable[str] | None,
    turn_seconds: float,
    max_tool_calls: int,
    streams: Iterable[str] | None = None,
    daily_budget_usd: Decimal | None = None,
) -> AgentSettings:
    """How the agent thinks; what is not given stays the default.

    Raises:
        ConfigurationError: an unknown trigger or stream, no room for a tool call, or a budget below zero.
    """
    if daily_budget_usd is not None and daily_budget_usd < 0:
        raise ConfigurationError(
            f"model budget {daily_budget_usd} must be 0 or more; the plan was not created"
        )
    standard = AgentSettings()
    return AgentSettings(
        prompt=prompt,
        triggers=_words("trigger", _TRIGGERS, triggers) or standard.triggers,
        order_triggers=_words("order trigger", OrderEventKind, order_triggers) or standard.order_triggers,
        turn_seconds=turn_seconds,
        max_tool_calls=_calls(max_tool_calls),
        streams=_words("stream", _STREAMS, streams),
        daily_budget_usd=daily_budget_usd,
    )


def _calls(number: int) -> int:
    """Tool calls of a turn: its steps have to stay below those of child orders (`kokex.domain.parent_order`)."""
    if positive("max tool calls", number) > _MOST_TOOL_CALLS:
        raise ConfigurationError(
            f"max tool calls {number} must be at most {_MOST_TOOL_CALLS}; the plan was not created"
        )
    return number


def positive(what: str, number: int) -> int:
    """`number`, which must be 1 or more. Raises `ConfigurationError`."""
    if number < 1:
        raise ConfigurationError(f"{what} {number} must be at least 1; the plan was not created")
    return number


def check_forecaster(forecast: ForecastSettings) -> None:
    """Refuse a forecaster that the engine does not have. Raises `ConfigurationError`."""
    from kokex.adapters.bootstrap_forecaster import BlockBootstrapForecaster

    known = (BlockBootstrapForecaster().name, KRONOS)
    if forecast.forecaster not in known:
        raise ConfigurationError(
            f"forecaster {forecast.forecaster!r} is unknown; use {' or '.join(known)}; the plan was not created"
        )


def _words(what: str, known: Iterable[_Word], given: Iterable[str] | None) -> frozenset[_Word]:
    by_name = {word.value: word for word in known}
    found = set()
    for name in given or ():
        if name.strip().lower() not in by_name:
            raise ConfigurationError(f"{what} {name!r} is unknown; use one of {', '.join(by_name)}")
        found.add(by_name[name.strip().lower()])
    return frozenset(found)
