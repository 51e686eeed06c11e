"""Rules of a turn with a language model, as LangChain middleware. Imported only where a model is configured."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from langchain.agents.middleware import AgentMiddleware, hook_config
from langchain.agents.middleware.types import AgentState
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langgraph.prebuilt.tool_node import ToolCallRequest
from langgraph.runtime import Runtime
from langgraph.types import Command

from kokex.adapters.langchain.tools import TurnTools
from kokex.adapters.langchain.untrusted import data_text

_MOST_CORRECTIONS = 2


class TurnRules(AgentMiddleware[AgentState[Any], None, Any]):
    """Leads every tool call of a model through `TurnTools`, in the order in which the model wrote them.

    LangGraph starts the calls of one message at once; here each waits for the one before it, so that order numbers within a
    turn do not depend on scheduling. Calls whose arguments are no JSON, and answers that are no tool call, are pointed out to the
    model a few times; then the turn ends with what there is.
    """

    def __init__(self, tools: TurnTools, final: str) -> None:
        super().__init__()
        self._tools = tools
        self._final = final
        self._waiting: list[str] = []
        self._moved = asyncio.Condition()
        self._corrections = 0

    @hook_config(can_jump_to=["model"])
    async def aafter_model(self, state: AgentState[Any], runtime: Runtime[None]) -> dict[str, Any] | None:
        """Note the order of the calls; ask again where there is none to follow."""
        answer = next((word for word in reversed(state["messages"]) if isinstance(word, AIMessage)), None)
        if answer is None:
            return None
        self._waiting = [call["id"] or "" for call in answer.tool_calls if call["name"] != self._final]
        for broken in answer.invalid_tool_calls:
            await self._tools.call(broken.get("name") or "", {"not_json": str(broken.get("args"))})
        if answer.tool_calls or self._corrections == _MOST_CORRECTIONS:
            return None
        self._corrections += 1
        words = (
            "The arguments of your tool call were not valid JSON; nothing was done. Call it again."
            if answer.invalid_tool_calls
            else f"End the turn by calling {self._final}; plain text is not read."
        )
        return {"messages": [HumanMessage(words)], "jump_to": "model"}

    async def awrap_tool_call(
        self,
        request: ToolCallRequest,
        handler: Callable[[ToolCallRequest], Awaitable[ToolMessage | Command[Any]]],
    ) -> ToolMessage | Command[Any]:
        """Answer a call through the turn's one door, when it is its turn."""
        call = request.tool_call
        name, identity = call["name"], call["id"] or ""
        async with self._moved:
            await self._moved.wait_for(lambda: identity not in self._waiting or self._waiting[0] == identity)
            try:
                result = await self._tools.call(name, call["args"])
            finally:
                if identity in self._waiting:
                    self._waiting.remove(identity)
                self._moved.notify_all()
        return ToolMessage(
            content=data_text(result),
            tool_call_id=identity,
            name=name,
            status="error" if "error" in result else "success",
        )
