"""The tools of one turn: one door for the built-in policy and for a language model alike."""

from kokex.adapters.langchain.tools.catalogue import TOOLS
from kokex.adapters.langchain.tools.tool import Tool
from kokex.adapters.langchain.tools.turn_tools import (
    TurnTools,
    outcome,
    refused,
    shown,
    structured_tools,
)

__all__ = ["TOOLS", "Tool", "TurnTools", "outcome", "refused", "shown", "structured_tools"]
