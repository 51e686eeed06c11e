"""The smallest client that can talk to the paper exchange, so that its answers are seen as they are."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import aiohttp

from kokex.paper import AccountConfig, PaperServer
from kokex.paper.config import DEFAULT_ACCOUNT
from kokex.paper.gateway.signing import signature

PATIENCE_S = 5.0
SPOT, SWAP = "ETH-USDT", "ETH-USDT-SWAP"
Message = dict[str, Any]


class RestClient:
    """Signed and unsigned calls; answers (HTTP status, parsed body)."""

    def __init__(self, session: aiohttp.ClientSession, server: PaperServer, account: AccountConfig) -> None:
        self._session = session
        self._server = server
        self._account = account

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Message]:
        """One signed call; `headers` replaces some of what is sent (underscores become dashes)."""
        full = f"/api/v5/{path}"
        text = "" if body is None else json.dumps(body)
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        stamp = headers.get("OK_ACCESS_TIMESTAMP", now)
        sent = {
            "OK-ACCESS-KEY": self._account.api_key,
            "OK-ACCESS-PASSPHRASE": self._account.passphrase,
            "OK-ACCESS-TIMESTAMP": stamp,
            "OK-ACCESS-SIGN": signature(self._account.secret_key, stamp + method + full + text),
            "x-simulated-trading": "1",
            "Content-Type": "application/json",
        }
        sent.update({name.replace("_", "-"): value for name, value in headers.items()})
        sent = {name: value for name, value in sent.items() if value}
        url = self._server.rest_url + full
        async with self._session.request(method, url, data=text or None, headers=sent) as response:
            return response.status, json.loads(await response.read())

    async def get(self, path: str) -> list[Any]:
        """Data of a successful signed GET."""
        _, answer = await self.call("GET", path)
        assert answer["code"] == "0", answer
        data: list[Any] = answer["data"]
        return data

    async def place(self, **fields: Any) -> Message:
        """Submit an order; the whole answer."""
        request = {"instId": SPOT, "tdMode": "cash", "side": "buy", "ordType": "limit", **fields}
        _, answer = await self.call("POST", "trade/order", request)
        return answer

    async def admin(self, method: str, path: str, body: Any = None) -> Message:
        """An admin call that succeeds."""
        url = f"{self._server.rest_url}/paper/v1/{path}"
        async with self._session.request(method, url, json=body) as response:
            answer: Message = await response.json()
            assert response.status == 200, answer
            return answer


class SocketClient:
    """One WebSocket, with everything that it received."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.received: list[Any] = []
        self._seen = 0

    async def send(self, **message: Any) -> None:
        """Send a JSON message."""
        await self.socket.send_json(message)

    async def login(self, account: AccountConfig = DEFAULT_ACCOUNT, **changes: Any) -> Message:
        """Log in and return the answer."""
        stamp = str(int(time.time()))
        fields = {
            "apiKey": account.api_key,
            "passphrase": account.passphrase,
            "timestamp": stamp,
            "sign": signature(account.secret_key, stamp + "GET/users/self/verify"),
            **changes,
        }
        await self.send(op="login", args=[fields])
        return await self.next(lambda message: message.get("event") in ("login", "error"))

    async def subscribe(self, *args: Message) -> None:
        """Subscribe and wait for every acknowledgement."""
        await self.send(op="subscribe", args=list(args))
        for arg in args:
            await self.next(
                lambda message, arg=arg: message.get("event") == "subscribe" and message["arg"] == arg
            )

    async def next(self, wanted: Callable[[Message], bool] = lambda message: True) -> Message:
        """The next message that is wanted; those before it are skipped."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                message = await self.socket.receive()
                if message.type is not aiohttp.WSMsgType.TEXT:
                    raise ConnectionResetError(f"{message.type} {self.socket.close_code}")
                parsed = message.data if message.data == "pong" else _parse(message.data)
                self.received.append(parsed)
                if isinstance(parsed, dict) and wanted(parsed):
                    return parsed

    async def push(self, channel: str, wanted: Callable[[Message], bool] = lambda item: True) -> Message:
        """The next push of a channel with a data item that is wanted."""
        return await self.next(
            lambda message: (
                message.get("arg", {}).get("channel") == channel
                and "data" in message
                and any(wanted(item) for item in message["data"])
            )
        )

    async def closed(self) -> int:
        """Read until the server closes; the close code."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                message = await self.socket.receive()
                if message.type in (
                    aiohttp.WSMsgType.CLOSE,
                    aiohttp.WSMsgType.CLOSED,
                    aiohttp.WSMsgType.CLOSING,
                ):
                    return int(self.socket.close_code or 0)
                if message.type is aiohttp.WSMsgType.TEXT:
                    self.received.append(message.data if message.data == "pong" else _parse(message.data))


@asynccontextmanager
async def rest(server: PaperServer, account: AccountConfig = DEFAULT_ACCOUNT) -> AsyncIterator[RestClient]:
    """A REST client."""
    async with aiohttp.ClientSession() as session:
        yield RestClient(session, server, account)


@asynccontextmanager
async def connect(server: PaperServer, path: str) -> AsyncIterator[SocketClient]:
    """A WebSocket on one of the three paths."""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{server.ws_url}/ws/v5/{path}") as socket,
    ):
        yield SocketClient(socket)


@asynccontextmanager
async def trading(server: PaperServer) -> AsyncIterator[SocketClient]:
    """A private WebSocket that is logged in and hears of its orders."""
    async with connect(server, "private") as socket:
        assert (await socket.login())["code"] == "0"
        await socket.subscribe({"channel": "orders", "instType": "ANY"})
        yield socket


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
