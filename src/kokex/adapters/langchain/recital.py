"""A chat model that says what a record says it said. Imported only where a model's turn is replayed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import PrivateAttr

from kokex.adapters.langchain.chats import Chat
from kokex.adapters.langchain.metering import NoModelError
from kokex.adapters.langchain.recording import answers_of
from kokex.domain.errors import AgentError

END = "the record ends here"
"""Why a turn that failed ends where it failed, when it is run again."""


class Recital(BaseChatModel):
    """Gives recorded answers in their order; at their end the turn goes on without a model, if it did so then, or fails."""

    _answers: list[BaseMessage] = PrivateAttr(default_factory=list)
    _no_model: str | None = PrivateAttr(default=None)

    def __init__(self, notes: Mapping[str, Any]) -> None:
        super().__init__()
        self._answers = list(answers_of(notes.get("model_calls") or []))
        self._no_model = (notes.get("context") or {}).get("no_model")

    @property
    def _llm_type(self) -> str:
        return "recital"

    def bind_tools(self, tools: Sequence[Any], **options: Any) -> Any:
        """The tools are those of the record."""
        return self

    def _generate(self, messages: list[BaseMessage], *given: Any, **options: Any) -> ChatResult:
        if self._answers:
            return ChatResult(generations=[ChatGeneration(message=self._answers.pop(0))])
        raise AgentError(END) if self._no_model is None else NoModelError(self._no_model)


def recital(notes: Mapping[str, Any]) -> Chat:
    """The recorded answers of one turn as a chat model."""

    async def nothing() -> None:
        return

    return Chat(Recital(notes), nothing)
