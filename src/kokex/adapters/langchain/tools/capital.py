"""How much to hold."""

from __future__ import annotations

from kokex.adapters.langchain.arguments import PositionSizeArguments
from kokex.adapters.langchain.tools.tool import Tool

CAPITAL = (
    Tool(
        "get_position_size",
        "How large a holding this plan's own sizing (fixed, volatility target, fractional Kelly or by edge) argues for on one side now, each "
        "factor with its number, what is missing to it, and the orders of a batch by which to enter. It suggests, the risk gate decides; "
        "ask for the same or less, never for more.",
        PositionSizeArguments,
    ),
)
