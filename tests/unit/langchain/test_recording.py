"""What is kept of a conversation can be kept: plain values, also where there is no key to hide."""

from __future__ import annotations

from typing import Any

import msgspec
from langchain.agents.middleware.types import ModelRequest, ModelResponse
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.messages import AIMessage, HumanMessage

from kokex.adapters.langchain.recording import Recording
from kokex.adapters.langchain.settings import ModelSettings
from kokex.domain.decision import Transcript
from tests.unit.langchain.fake_toolbox import FakeClock


async def test_a_model_without_a_key_leaves_plain_text() -> None:
    """LangChain's texts are a kind of their own, which no encoder knows."""
    transcript = Transcript()
    keyless = ModelSettings("http://127.0.0.1:1/v1", "of one's own")
    recording = Recording(transcript, FakeClock(), keyless.hide_key)

    async def answer(request: Any) -> ModelResponse[Any]:
        return ModelResponse([AIMessage("Hold.")])

    request = ModelRequest(
        model=FakeListChatModel(responses=[]), messages=[HumanMessage("A candle closed.")], tools=[]
    )
    await recording.awrap_model_call(request, answer)
    (call,) = transcript.model_calls
    assert call.answer is not None
    assert msgspec.json.decode(msgspec.json.encode([call.asked, call.answer])) == [
        [{"role": "user", "content": "A candle closed."}],
        {"role": "assistant", "content": "Hold."},
    ]
