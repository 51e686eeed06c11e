"""Rules of a turn with a language model, as LangChain middleware. Imported only where a model is configured."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from langchain.agents.middleware import AgentMiddleware, hook_config
from langchain.agents.middleware.types import AgentState, ModelRequest, ModelResponse
from langchain_core.messages import AIMessage, HumanMessage, ToolCall, ToolMessage
from langgraph.prebuilt.tool_node import ToolCallRequest
from langgraph.runtime import Runtime
from langgraph.types import Command

from kokex.adapters.langchain.continuing import Kept, as_artifact
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
        self._news: str | None = None

    def go_on(self, kept: Kept) -> None:
        """Take up a conversation that was cut short: the calls that wait keep their order, and the model is told."""
        self._waiting = [
            identity
            for call in _calls_of(kept)
            if (identity := call["id"] or "") in kept.waiting and call["name"] != self._final
        ]
        at = kept.at.strftime("%H:%M:%S")
        self._news = (
            f"This turn was cut short by a restart of the program after {at} UTC and goes on now. What you read before may be old: "
            "read again what your decision rests on. Orders that you asked for stand as their results say."
        )

    async def awrap_model_call(
        self,
        request: ModelRequest[None],
        handler: Callable[[ModelRequest[None]], Awaitable[ModelResponse[Any]]],
    ) -> ModelResponse[Any]:
        """Tell the model once that time has passed; the word stays in the conversation."""
        if self._news is None:
            return await handler(request)
        news = HumanMessage(self._news)
        response = await handler(request.override(messages=[*request.messages, news]))
        self._news = None
        return replace(response, result=[news, *response.result])

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
                done = self._tools.last_call
                artifact = None if done is None else as_artifact(done, self._tools.next_step)
            finally:
                if identity in self._waiting:
                    self._waiting.remove(identity)
                self._moved.notify_all()
        return ToolMessage(
            content=data_text(result),
            tool_call_id=identity,
            name=name,
            artifact=artifact,
            status="error" if "error" in result else "success",
        )


def _calls_of(kept: Kept) -> list[ToolCall]:
    said = next((one for one in reversed(kept.messages) if isinstance(one, AIMessage)), None)
    return said.tool_calls if said else []
