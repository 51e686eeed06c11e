"""The agent. All that it can do to the world is a `Toolbox`."""

from __future__ import annotations

from typing import Protocol

from kokex.domain.decision import Decision, Turn
from kokex.ports.toolbox import Toolbox


class Agent(Protocol):
    """Thinks: reads, decides, acts through the toolbox."""

    async def run_turn(self, turn: Turn, toolbox: Toolbox) -> Decision:
        """One turn to its decision.

        Raises:
            AgentError: the model failed or broke its rules; what it did through the toolbox stands.
        """
        ...
