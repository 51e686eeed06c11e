"""The aiohttp transport against a real, badly behaved server on loopback."""

from __future__ import annotations

import asyncio
import socket
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from kokex.adapters.okx.aiohttp_transport import AiohttpTransport
from kokex.adapters.okx.http import NoAnswerError, NotSentError

HEADERS = {"OK-ACCESS-PASSPHRASE": "the-passphrase"}

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def transport_to(talk: Talk) -> AsyncIterator[AiohttpTransport]:
    """A transport to a server that answers with `talk`."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    transport = AiohttpTransport(f"http://127.0.0.1:{port}", user_agent="kokex/test", ssl_context=None)
    try:
        yield transport
    finally:
        await transport.close()
        server.close()


async def ask(transport: AiohttpTransport, seconds: float = 2.0) -> bytes:
    """POST an order."""
    answer = await transport.request(
        "POST", "/api/v5/trade/order?a=%2B", headers=HEADERS, body=b"{}", seconds=seconds
    )
    return answer.body


async def test_the_path_is_sent_as_it_was_signed_and_with_a_name() -> None:
    """Nothing is quoted anew; OKX refuses clients without a User-Agent."""
    heard: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")
        await writer.drain()

    async with transport_to(talk) as transport:
        assert await ask(transport) == b"[]"
    assert heard[0].startswith(b"POST /api/v5/trade/order?a=%2B HTTP/1.1")
    assert b"User-Agent: kokex/test" in heard[0]


async def test_a_refused_connection_was_never_sent() -> None:
    """Nobody listens: safe to try again."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        transport = AiohttpTransport(f"http://127.0.0.1:{port}", user_agent="x", ssl_context=None)
        with pytest.raises(NotSentError):
            await ask(transport)
        await transport.close()


async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read the request and hang up."""
    await reader.readuntil(b"\r\n\r\n")


async def cut_in_the_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Promise more than is sent."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
    await writer.drain()


async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """No HTTP at all."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"what?\r\n\r\n")
    await writer.drain()


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Accept and say nothing until the other side leaves."""
    await reader.read()


@pytest.mark.parametrize("talk", [cut, cut_in_the_answer, babble, silence])
async def test_a_request_without_a_whole_answer_may_have_arrived(talk: Talk) -> None:
    """And no header of it, which holds the keys, can be found in the error or behind it."""
    async with transport_to(talk) as transport:
        with pytest.raises(NoAnswerError) as raised:
            await ask(transport, seconds=0.3)
    error: BaseException | None = raised.value
    assert "the-passphrase" not in "".join(traceback.format_exception(raised.value))
    while error is not None:
        assert "the-passphrase" not in repr(error)
        error = error.__context__


async def test_redirects_are_not_followed() -> None:
    """They would carry the keys to a host that nobody chose."""
    visits: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visits.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 307 Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    async with transport_to(talk) as transport:
        answer = await transport.request("GET", "/x", headers={}, body=None, seconds=2)
    assert answer.status == 307 and len(visits) == 1
