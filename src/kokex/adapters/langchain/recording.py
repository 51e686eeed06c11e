"""Notes every request to a language model, as LangChain middleware. Imported only where a model is configured."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from langchain.agents.middleware import AgentMiddleware
from langchain.agents.middleware.types import AgentState, ModelRequest, ModelResponse
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

from kokex.domain.decision import ModelCall, Transcript
from kokex.ports.clock import Clock

_LONGEST_ERROR = 500
_SECONDS = "kokex_seconds"
"""Where an answer carries how long it took."""


class Recording(AgentMiddleware[AgentState[Any], None, Any]):
    """Writes each request's new messages, the answer, its time and its tokens into the turn's transcript."""

    def __init__(self, transcript: Transcript, clock: Clock, hide: Callable[[str], str]) -> None:
        super().__init__()
        self._transcript = transcript
        self._clock = clock
        self._hide = hide
        self._told = 0

    def go_on(self, messages: Sequence[BaseMessage]) -> None:
        """Note what was asked and answered before the turn was cut short."""
        for number, said in enumerate(messages):
            if isinstance(said, AIMessage):
                asked = tuple(self._plain(one) for one in messages[self._told : number])
                seconds = float(said.response_metadata.get(_SECONDS, 0.0))
                self._transcript.model_calls.append(
                    ModelCall(asked, self._plain(said), seconds, *_tokens(said))
                )
                self._told = number + 1

    async def awrap_model_call(
        self,
        request: ModelRequest[None],
        handler: Callable[[ModelRequest[None]], Awaitable[ModelResponse[Any]]],
    ) -> ModelResponse[Any]:
        """Note one request, also where it fails or is cut off."""
        begun = self._clock.monotonic()
        asked = tuple(self._plain(one) for one in request.messages[self._told :])
        self._told = len(request.messages)
        answer: AIMessage | None = None
        error: str | None = "the turn ended before the model answered"
        try:
            response = await handler(request)
            answer = next((one for one in response.result if isinstance(one, AIMessage)), None)
            error = None if answer else "the model gave no message"
            self._told += len(response.result)
        except Exception as failure:
            error = self._hide(f"{type(failure).__name__}: {failure}"[:_LONGEST_ERROR])
            raise
        finally:
            seconds = self._clock.monotonic() - begun
            if answer is not None:
                answer.response_metadata[_SECONDS] = seconds
            said = None if answer is None else self._plain(answer)
            self._transcript.model_calls.append(ModelCall(asked, said, seconds, *_tokens(answer), error))
        return response

    def _plain(self, message: BaseMessage) -> dict[str, Any]:
        """A message as JSON-ready values, without the key."""
        plain: dict[str, Any] = {
            "role": _ROLES.get(message.type, message.type),
            "content": self._hide(str(message.text)),
        }
        if isinstance(message, ToolMessage):
            plain |= {"name": message.name, "tool_call_id": message.tool_call_id}
        if isinstance(message, AIMessage):
            if message.tool_calls:
                plain["tool_calls"] = [
                    {"name": call["name"], "arguments": call["args"], "id": call["id"]}
                    for call in message.tool_calls
                ]
            if message.invalid_tool_calls:
                plain["invalid_tool_calls"] = [
                    {"name": call["name"], "arguments": call["args"], "id": call["id"]}
                    for call in message.invalid_tool_calls
                ]
        return plain


_ROLES = {"human": "user", "ai": "assistant"}


def _tokens(answer: AIMessage | None) -> tuple[int | None, int | None]:
    """Tokens in and out, as the provider counted them."""
    if answer is None or not answer.usage_metadata:
        return None, None
    return answer.usage_metadata["input_tokens"], answer.usage_metadata["output_tokens"]


def answers_of(model_calls: Sequence[dict[str, Any]]) -> list[AIMessage]:
    """The model's messages of a kept record, in order, as LangChain has them."""
    answers = []
    for call in model_calls:
        plain = call.get("answer")
        if plain is None:
            continue
        answers.append(
            AIMessage(
                plain["content"],
                tool_calls=[
                    {"name": one["name"], "args": one["arguments"], "id": one["id"], "type": "tool_call"}
                    for one in plain.get("tool_calls", ())
                ],
                invalid_tool_calls=[
                    {
                        "name": one["name"],
                        "args": one["arguments"],
                        "id": one["id"],
                        "error": None,
                        "type": "invalid_tool_call",
                    }
                    for one in plain.get("invalid_tool_calls", ())
                ],
            )
        )
    return answers
