"""What the plan decided before."""

from __future__ import annotations

from kokex.adapters.langchain.arguments import PastDecisionsArguments
from kokex.adapters.langchain.tools.tool import Tool

DECISIONS = (
    Tool(
        "get_past_decisions",
        "This plan's latest decisions before this turn, newest first: what woke them, action, reason, orders and what became "
        "of those, profit or loss of their fills by now in quote currency after fees. To explain what you did, quote these numbers.",
        PastDecisionsArguments,
    ),
)
