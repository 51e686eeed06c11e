"""What a tool is, to whoever may use it."""

from __future__ import annotations

from dataclasses import dataclass

from kokex.adapters.langchain.arguments import Arguments, NoArguments


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool: its name, what it is for, what it takes, and whether it reaches the exchange."""

    name: str
    description: str
    arguments: type[Arguments] = NoArguments
    trades: bool = False
