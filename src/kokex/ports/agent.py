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


class Conversations(Protocol):
    """What is kept of turns while they go on, so that one which a crash cut short goes on where it was."""

    async def forget(self, plan_id: int) -> None:
        """Let go of all that is kept of the plan's turns: nobody goes on with them.

        Raises:
            StoreUnavailableError: the database cannot be reached.
        """
        ...
