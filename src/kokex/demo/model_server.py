"""A server on loopback that speaks OpenAI's chat-completions protocol, behind which the demo's scripted model answers.

    async with ModelServer(seed=7) as server:
        ... ModelSettings(server.base_url, NAME) ...

Streaming (server-sent events) and not, tool calls, usage figures, errors in OpenAI's form; `GET /v1/models` says who is there.
Tokens are counted as four characters each: nothing real is behind them.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import count
from types import TracebackType
from typing import Any, Final, Self

from aiohttp import web

from kokex.demo.conversation import Calls, Conversation
from kokex.demo.scripted_model import NAME, Mischief, Temper, reply

THINKING_SECONDS: Final = 0.03
"""Before each answer, so that a turn takes a moment, as with a real model."""
_CHARACTERS_A_TOKEN: Final = 4
_MOST_BYTES: Final = 8 * 2**20
_RETRY_AFTER_MS: Final = "50"

Body = dict[str, Any]


class ModelServer:
    """The server. `mishaps`: how often each kind of mischief was played."""

    def __init__(self, seed: int, thinking_seconds: float = THINKING_SECONDS) -> None:
        self._temper = Temper(seed)
        self._thinking = thinking_seconds
        self._numbers = count(1)
        self._refused: int | None = None
        self._runner: web.AppRunner | None = None
        self._port = 0
        self.mishaps: Counter[Mischief] = Counter()

    @property
    def base_url(self) -> str:
        """What a client is configured with."""
        return f"http://127.0.0.1:{self._port}/v1"

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=_MOST_BYTES)
        app.router.add_post("/v1/chat/completions", self._complete)
        app.router.add_get("/v1/models", self._models)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _models(self, request: web.Request) -> web.StreamResponse:
        one = {
            "id": NAME,
            "object": "model",
            "created": 1,
            "owned_by": "the demo: a script, no language model",
        }
        return web.json_response({"object": "list", "data": [one]})

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        text = await request.text()
        try:
            body = json.loads(text)
            told = Conversation.of(body["messages"])
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            return _failure(400, f"the request is not a chat completion: {type(error).__name__}: {error}")
        mischief = self._temper.of(told.turn, told.woken_by)
        if mischief is not None and not told.spoken and self._refused != told.turn:
            self.mishaps[mischief] += 1
            if mischief is Mischief.BUSY:
                self._refused = told.turn
                return _failure(
                    429, "too many requests (scripted); try again", {"retry-after-ms": _RETRY_AFTER_MS}
                )
        await asyncio.sleep(self._thinking)
        answer = self._completion(reply(told, mischief), len(text))
        if not body.get("stream"):
            return web.json_response(answer)
        usage = bool((body.get("stream_options") or {}).get("include_usage"))
        return await _stream(request, answer, with_usage=usage)

    def _completion(self, calls: Calls, read: int) -> Body:
        number = next(self._numbers)
        made = [
            {
                "id": f"call_{number}_{index}",
                "type": "function",
                "function": {"name": name, "arguments": arguments},
            }
            for index, (name, arguments) in enumerate(calls)
        ]
        reads = read // _CHARACTERS_A_TOKEN + 1
        writes = len(json.dumps(made)) // _CHARACTERS_A_TOKEN + 1
        said = {"role": "assistant", "content": None, "tool_calls": made}
        return {
            "id": f"chatcmpl-{number}",
            "object": "chat.completion",
            "created": 1,
            "model": NAME,
            "choices": [{"index": 0, "message": said, "finish_reason": "tool_calls"}],
            "usage": {
                "prompt_tokens": reads,
                "completion_tokens": writes,
                "total_tokens": reads + writes,
            },
        }


def _failure(status: int, words: str, headers: Mapping[str, str] | None = None) -> web.Response:
    body = {"error": {"message": words, "type": "scripted", "param": None, "code": str(status)}}
    return web.json_response(body, status=status, headers=dict(headers or {}))


async def _stream(request: web.Request, answer: Body, *, with_usage: bool) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for chunk in _chunks(answer, with_usage=with_usage):
        await response.write(f"data: {json.dumps(chunk)}\n\n".encode())
    await response.write(b"data: [DONE]\n\n")
    return response


def _chunks(answer: Body, *, with_usage: bool) -> Iterator[Body]:
    """The completion in pieces: each call's name, then its arguments; the reason for the end; the tokens, where asked for."""
    head = {name: answer[name] for name in ("id", "created", "model")} | {"object": "chat.completion.chunk"}
    choice = answer["choices"][0]

    def piece(delta: Body, end: str | None = None) -> Body:
        return head | {"choices": [{"index": 0, "delta": delta, "finish_reason": end}]}

    yield piece({"role": "assistant", "content": None})
    for index, call in enumerate(choice["message"]["tool_calls"]):
        function = call["function"]
        begun = call | {"index": index, "function": {"name": function["name"], "arguments": ""}}
        yield piece({"tool_calls": [begun]})
        rest = {"index": index, "function": {"arguments": function["arguments"]}}
        yield piece({"tool_calls": [rest]})
    yield piece({}, choice["finish_reason"])
    if with_usage:
        yield head | {"choices": [], "usage": answer["usage"]}
