"""What a language model is given of its plan when a turn begins: sections read by the tools that it has itself, each within its tokens.

`CONTEXT_VERSION` changes with every change of the sections. Whoever cannot be read says so in its section; a turn is not lost for it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kokex.adapters.langchain.tools import TOOLS, TurnTools

CONTEXT_VERSION = 3
_CHARACTERS_A_TOKEN = 2.5
"""Rather too few: JSON of numbers takes more tokens than prose."""
_INDICATORS = ("ema_20", "ema_50", "rsi_14", "macd_12_26_9", "bollinger_20_2", "atr_14", "adx_14")


@dataclass(frozen=True, slots=True)
class Section:
    """One section.

    Attributes:
        tool: who reads it, asked with `arguments`.
        tokens: how long it may become, by our estimate; the oldest entries of its longest list are left out first.
        newest_first: how its lists are ordered.
    """

    title: str
    tool: str
    tokens: int
    arguments: Mapping[str, Any] = field(default_factory=dict)
    newest_first: bool = False


SECTIONS = (
    Section("limits", "get_trading_limits", 1200),
    Section("account", "get_account_balance", 500),
    Section("position", "get_positions", 400),
    Section("open_orders", "get_pending_orders", 1500),
    Section("candles", "query_historical_kline_data", 2500, {"limit": 48}),
    Section("indicators", "get_indicators", 1000, {"names": _INDICATORS, "limit": 3}),
    Section("forecast", "query_prediction_data", 1500),
    Section("forecast_skill", "get_forecast_skill", 600),
    Section("past_decisions", "get_past_decisions", 2000, {"limit": 5}, newest_first=True),
    Section("your_notes", "recall", 800, {"limit": 20}, newest_first=True),
)
"""In the order in which they are shown."""


async def read_sections(tools: TurnTools, sections: tuple[Section, ...] = SECTIONS) -> dict[str, Any]:
    """Every section, by its title.

    Raises:
        StoreError: nothing can be known now.
    """
    return {
        section.title: fitted(await tools.look(section.tool, section.arguments), section)
        for section in sections
        if section.tool in TOOLS
    }


def fitted(result: Mapping[str, Any], section: Section) -> dict[str, Any]:
    """`result` within the section's tokens: what was left out is counted in `left_out`."""
    made, left_out = dict(result), 0
    most = section.tokens * _CHARACTERS_A_TOKEN
    while len(_text(made)) > most:
        longest = max(
            (name for name, value in made.items() if isinstance(value, list) and value),
            key=lambda name: len(_text(made[name])),
            default=None,
        )
        if longest is None:
            return {
                "error": f"{section.title} is longer than its {section.tokens} tokens",
                "code": "too_long",
                "ask": section.tool,
            }
        entries = made[longest]
        cut = max(1, len(entries) // 4)
        made[longest] = entries[:-cut] if section.newest_first else entries[cut:]
        left_out += cut
        made["left_out"] = left_out
    return made


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
