"""A server on loopback that speaks OpenAI's chat-completions protocol and answers from a script, well or badly.

    async with ScriptedLLM([calls(("get_positions", {})), final("hold", "nothing to do")]) as llm:
        ... ModelSettings(llm.base_url, "scripted") ...
    llm.requests[0]["messages"]

The script's last answer is repeated for ever. An answer is a function of the request's body, so a script may react.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from itertools import count
from types import TracebackType
from typing import Any, Self, TypeAlias

from aiohttp import web

Body: TypeAlias = dict[str, Any]
Answer: TypeAlias = Callable[[Body], Awaitable[web.StreamResponse]]

FINAL = "FinalAnswer"
_numbers = count(1)
_REQUEST: ContextVar[web.Request] = ContextVar("request")


def message(content: str | None = None, tool_calls: Sequence[Body] = (), **more: Any) -> Answer:
    """A well-formed completion with any message in it."""
    usage = more.pop("usage", {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15})
    said: Body = {"role": "assistant", "content": content} | more
    if tool_calls:
        said["tool_calls"] = list(tool_calls)
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "scripted",
        "choices": [{"index": 0, "message": said, "finish_reason": "tool_calls" if tool_calls else "stop"}],
        "usage": usage,
    }
    return json_body(body)


def call(name: str, arguments: Body | str, identity: str | None = None) -> Body:
    """One tool call; `arguments` as text is sent as it is, valid or not."""
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return {
        "id": identity or f"call_{next(_numbers)}",
        "type": "function",
        "function": {"name": name, "arguments": text},
    }


def calls(*asked: tuple[str, Body | str]) -> Answer:
    """Tool calls, all in one message."""
    return message(tool_calls=[call(name, arguments) for name, arguments in asked])


def final(action: str, reason: str, confidence: float | str = 0.6) -> Answer:
    """The structured end of a turn."""
    return calls((FINAL, {"action": action, "confidence": confidence, "reason": reason}))


def json_body(body: Any) -> Answer:
    """Any JSON, with status 200."""

    async def answer(request: Body) -> web.StreamResponse:
        return web.json_response(body)

    return answer


def raw(text: str, content_type: str = "application/json") -> Answer:
    """Any text, with status 200."""

    async def answer(request: Body) -> web.StreamResponse:
        return web.Response(text=text, content_type=content_type)

    return answer


def failure(status: int, words: str = "trouble", **headers: str) -> Answer:
    """An HTTP error in OpenAI's form, to be retried at once."""

    async def answer(request: Body) -> web.StreamResponse:
        body = {"error": {"message": words, "type": "scripted", "code": str(status)}}
        return web.json_response(body, status=status, headers={"retry-after-ms": "1"} | headers)

    return answer


def streamed(whole: Answer, cut: int | None = None, stall: int | None = None) -> Answer:
    """The same completion in pieces (server-sent events); after `cut` of them the connection ends, after `stall` nothing comes."""

    async def answer(request: Body) -> web.StreamResponse:
        body = json.loads((await whole(request)).text)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(_REQUEST.get())
        for number, piece in enumerate(_pieces(body)):
            if number == stall:
                await asyncio.Event().wait()
            if number == cut:
                return response
            await response.write(f"data: {json.dumps(piece)}\n\n".encode())
        await response.write(b"data: [DONE]\n\n")
        return response

    return answer


def _pieces(body: Body) -> list[Body]:
    """A completion as chunks: each tool call's arguments in two halves, the tokens last."""
    head = {key: body[key] for key in ("id", "created", "model")} | {"object": "chat.completion.chunk"}
    said = body["choices"][0]["message"]
    deltas: list[Body] = [{"role": "assistant", "content": said["content"]}]
    for index, one in enumerate(said.get("tool_calls", ())):
        text = one["function"]["arguments"]
        middle = len(text) // 2
        first = one | {"index": index, "function": one["function"] | {"arguments": text[:middle]}}
        deltas += [
            {"tool_calls": [first]},
            {"tool_calls": [{"index": index, "function": {"arguments": text[middle:]}}]},
        ]
    chunks = [head | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    end = body["choices"][0]["finish_reason"]
    chunks.append(head | {"choices": [{"index": 0, "delta": {}, "finish_reason": end}]})
    return [*chunks, head | {"choices": [], "usage": body["usage"]}]


def silence() -> Answer:
    """No answer at all, until the client gives up."""

    async def answer(request: Body) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    return answer


class ScriptedLLM:
    """The server. `requests` are the bodies received, `headers` theirs, `paths` where they went."""

    def __init__(self, script: Sequence[Answer]) -> None:
        self._script = list(script)
        self.requests: list[Body] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.asked = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self._port = 0

    @property
    def base_url(self) -> str:
        """What a client is configured with."""
        return f"http://127.0.0.1:{self._port}/v1"

    def results(self, name: str | None = None) -> list[Body]:
        """What the tools answered, as the last request shows it to the model."""
        words = self.requests[-1]["messages"]
        return [
            json.loads(word["content"])
            for word in words
            if word["role"] == "tool" and (name is None or word.get("name", name) == name)
        ]

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        text = await request.text()
        self.paths.append(f"{request.method} {request.path}")
        self.headers.append(dict(request.headers))
        try:
            body = json.loads(text) if text else {}
        except json.JSONDecodeError:
            body = {"text": text}
        self.requests.append(body)
        self.asked.set()
        _REQUEST.set(request)
        return await self._script[min(len(self.requests), len(self._script)) - 1](body)
