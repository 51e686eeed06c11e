"""An agent that acts in its first turn alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from kokex.domain.decision import Turn
from kokex.ports.toolbox import Toolbox

Answers = list[Mapping[str, Any]]


class Once:
    """Does what is written in its first turn, and keeps what goes wrong."""

    def __init__(self, act: Callable[[Toolbox, Answers], Awaitable[None]]) -> None:
        self._act = act
        self._begun = False
        self.answers: Answers = []
        self.done = False

    async def __call__(self, turn: Turn, toolbox: Toolbox) -> None:
        if not self._begun:
            self._begun = True
            await self._act(toolbox, self.answers)
            self.done = True
