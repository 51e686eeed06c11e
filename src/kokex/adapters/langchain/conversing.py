"""A turn's conversation with a model, from its beginning or from where a crash cut it short. Imported only where a model is configured."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware
from langchain.agents.structured_output import ToolStrategy
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langsmith import tracing_context
from pydantic import BaseModel

from kokex.adapters.langchain.checkpoints import Checkpoints, thread
from kokex.adapters.langchain.continuing import Kept, kept_conversation
from kokex.adapters.langchain.middleware import TurnRules
from kokex.adapters.langchain.recording import Recording
from kokex.adapters.langchain.tools import TurnTools, structured_tools
from kokex.domain.decision import Turn
from kokex.ports.clock import Clock

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Rules:
    """What bounds and notes a conversation: `before` the record, and `behind` it, next to the model."""

    turn: TurnRules
    recording: Recording
    before: Sequence[AgentMiddleware[Any, Any, Any]]
    behind: Sequence[AgentMiddleware[Any, Any, Any]]

    def in_order(self) -> list[AgentMiddleware[Any, Any, Any]]:
        """As the graph takes them, outermost first."""
        return [self.turn, *self.before, self.recording, *self.behind]


class Conversation:
    """One turn's, with `checkpoints` kept step by step."""

    def __init__(
        self, turn: Turn, tools: TurnTools, rules: Rules, clock: Clock, checkpoints: Checkpoints | None
    ) -> None:
        self._turn = turn
        self._tools = tools
        self._rules = rules
        self._clock = clock
        self._checkpoints = checkpoints

    async def hold(
        self,
        model: BaseChatModel,
        answer: type[BaseModel],
        system_prompt: str,
        begin: Callable[[str | None], Awaitable[str]],
    ) -> dict[str, Any]:
        """The graph's last state.

        Args:
            begin: notes the context and gives the message to begin with; told that message where the turn goes on.

        Raises:
            StoreUnavailableError: the conversation cannot be kept; the turn is to be run again.
        """
        saver = None if self._checkpoints is None else await self._checkpoints.saver()
        graph: Any = create_agent(
            model,
            structured_tools(self._tools),
            system_prompt=system_prompt,
            middleware=self._rules.in_order(),
            response_format=ToolStrategy(answer),
            checkpointer=saver,
        )
        with tracing_context(enabled=False):
            if saver is None:
                message = await begin(None)
                state: dict[str, Any] = await graph.ainvoke({"messages": [HumanMessage(message)]})
                return state
            return await self._kept(graph, saver, begin)

    async def _kept(
        self, graph: Any, saver: AsyncPostgresSaver, begin: Callable[[str | None], Awaitable[str]]
    ) -> dict[str, Any]:
        assert self._checkpoints is not None
        config = {"configurable": {"thread_id": thread(self._turn)}}
        kept = await kept_conversation(graph, config, self._clock.now()) if self._turn.resumed else None
        given: dict[str, Any] | None = None
        if kept is not None:
            await begin(kept.beginning)
            self._go_on(kept)
            if kept.ended:
                return kept.state
        else:
            await self._checkpoints.forget(self._turn)
            given = {"messages": [HumanMessage(await begin(None))]}
        state: dict[str, Any] = await graph.ainvoke(given, config, durability="sync")
        return state

    def _go_on(self, kept: Kept) -> None:
        self._tools.go_on_after(kept.calls, kept.step)
        self._rules.turn.go_on(kept)
        self._rules.recording.go_on(kept.messages)
        log.info("turn goes on", turn=self._turn.id, messages=len(kept.messages), calls=len(kept.calls))
