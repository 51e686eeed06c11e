"""Tests cannot reach anything but this machine."""

from __future__ import annotations

import asyncio
import socket

import pytest
import uvloop

OUTSIDE = "192.0.2.1"  # TEST-NET-1: documentation only, routed nowhere


def test_a_socket_cannot_connect_outside(refused_connections: list[str]) -> None:
    """connect() fails at once, and the attempt is remembered."""
    with socket.socket() as plain, pytest.raises(RuntimeError, match="loopback only"):
        plain.connect((OUTSIDE, 80))
    assert refused_connections == [f"socket.connect {(OUTSIDE, 80)!r}"]
    refused_connections.clear()


def test_names_are_not_looked_up_outside(refused_connections: list[str]) -> None:
    """Not even a name look-up leaves this machine."""
    with pytest.raises(RuntimeError, match=r"exchange\.invalid"):
        socket.getaddrinfo("exchange.invalid", 443)
    refused_connections.clear()


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_no_event_loop_connects_outside(new_loop, refused_connections: list[str]) -> None:
    """asyncio's own loop and uvloop are both watched."""

    async def connect() -> None:
        await asyncio.open_connection(OUTSIDE, 80)

    with asyncio.Runner(loop_factory=new_loop) as runner, pytest.raises(RuntimeError, match="loopback only"):
        runner.run(connect())
    refused_connections.clear()


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_loopback_is_open(new_loop, host: str) -> None:
    """A server of our own can be reached by address and by name."""

    async def exchange() -> bytes:
        async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"here")
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(host, server.sockets[0].getsockname()[1])
            words = await reader.read()
            writer.close()
            await writer.wait_closed()
        return words

    with asyncio.Runner(loop_factory=new_loop) as runner:
        assert runner.run(exchange()) == b"here"
