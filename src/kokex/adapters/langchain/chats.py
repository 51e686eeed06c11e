"""Chat models of each provider, as LangChain has them. Imported only where a model is configured (95 MB, 3 s).

Nothing but the configured endpoint is contacted, redirects are not followed, answers have a size limit, and the clients never try again by
themselves: `Fallback` does, by rules that are the same for all.
"""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from httpx2 import AsyncByteStream, Response
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_openai import ChatOpenAI
from openai import DefaultAsyncHttpxClient
from pydantic import SecretStr

from kokex.adapters.langchain.packages import PACKAGES, missing_package
from kokex.adapters.langchain.settings import ModelSettings, Provider

MOST_BYTES: Final = 8 * 1024 * 1024
"""Largest answer that is read."""
_NO_KEY = "none"


@dataclass(frozen=True, slots=True)
class Chat:
    """A chat model, and how to release its connections."""

    model: BaseChatModel
    close: Callable[[], Awaitable[None]]


def make_chat(settings: ModelSettings) -> Chat:
    """The chat model that `settings` describe.

    Raises:
        ConfigurationError: its provider's package is not installed.
    """
    if settings.provider is Provider.OPENAI:
        return _openai(settings)
    return Chat(_model_class(settings.provider)(**arguments(settings)), _nothing)


def arguments(settings: ModelSettings) -> dict[str, Any]:
    """What the class of Anthropic, Google or Ollama is made with."""
    given: dict[str, Any] = {"model": settings.model}
    if settings.temperature is not None:
        given["temperature"] = settings.temperature
    if settings.base_url is not None:
        given["base_url"] = settings.base_url
    if settings.provider is Provider.OLLAMA:
        given["client_kwargs"] = {"timeout": settings.timeout_seconds, "follow_redirects": False}
        if settings.api_key:
            given["client_kwargs"]["headers"] = {"Authorization": f"Bearer {settings.api_key}"}
        return given
    given |= {
        "timeout": settings.timeout_seconds,
        "max_retries": 0,
        "api_key": SecretStr(settings.api_key or _NO_KEY),
    }
    if settings.provider is Provider.ANTHROPIC:
        given["streaming"] = settings.stream
    return given


def _model_class(provider: Provider) -> Any:
    module, name = PACKAGES[provider]
    try:
        return getattr(importlib.import_module(module), name)
    except ImportError as error:
        raise missing_package(provider) from error


def _openai(settings: ModelSettings) -> Chat:
    http = DefaultAsyncHttpxClient(
        follow_redirects=False,
        timeout=settings.timeout_seconds,
        headers={"Accept-Encoding": "identity"},
        event_hooks={"response": [_bound]},
    )
    chat = ChatOpenAI(
        model=settings.model,
        base_url=settings.base_url,
        api_key=SecretStr(settings.api_key or _NO_KEY),
        temperature=settings.temperature,
        timeout=settings.timeout_seconds,
        max_retries=0,
        http_async_client=http,
        use_responses_api=False,
        streaming=settings.stream,
        stream_usage=settings.stream,
    )
    # The client takes these from OPENAI_* variables, which are meant for another endpoint than this one.
    client = chat.root_async_client
    client.organization = client.project = None
    return Chat(chat, http.aclose)


async def _nothing() -> None:
    """Clients that keep no connection that must be closed."""


class OversizedError(ValueError):
    """An answer is longer than anything a model has to say."""


class _BoundedStream(AsyncByteStream):
    """A response's bytes, up to `MOST_BYTES`."""

    def __init__(self, stream: AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        read = 0
        async for chunk in self._stream:
            read += len(chunk)
            if read > MOST_BYTES:
                raise OversizedError(f"its answer is longer than {MOST_BYTES} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


async def _bound(response: Response) -> None:
    if isinstance(response.stream, AsyncByteStream):
        response.stream = _BoundedStream(response.stream)
