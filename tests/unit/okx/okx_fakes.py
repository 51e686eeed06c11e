"""Stand-ins for OKX: scripted HTTP answers, a scripted WebSocket server, a clock that never waits, listeners that remember."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from aiohttp import WSCloseCode, WSMsgType, web

from kokex.adapters.okx.backoff import Backoff
from kokex.adapters.okx.connection_queue import Rank
from kokex.adapters.okx.connection_setting import ConnectionPolicy, ConnectionSetting
from kokex.adapters.okx.http import HttpAnswer
from kokex.adapters.okx.rate_limit import RateLimiter
from kokex.adapters.okx.rest import OKXRestClient
from kokex.adapters.okx.shared_reading import SharedReading
from kokex.domain.account import Credentials, Ticker
from kokex.domain.account_reports import AccountReport
from kokex.domain.candle import Candle, Interval
from kokex.domain.events import ClassifiedUpdate
from kokex.domain.market import BookTop, MarkPrice, Trade
from tests.builders import START

PAYLOADS = Path(__file__).parents[2] / "payloads" / "okx"
CREDENTIALS = Credentials("the-api-key", "the-secret", "the-passphrase")


def payload(name: str) -> Any:
    """A stored payload, decoded."""
    return json.loads((PAYLOADS / name).read_text())


def item(name: str, index: int = 0) -> bytes:
    """One row of a stored payload, as JSON again."""
    return json.dumps(payload(name)["data"][index]).encode()


class SkippingClock:
    """Sleeping takes no time but is remembered; time moves by as much. Who sleeps longer than `longest` never wakes."""

    def __init__(self, start: datetime = START, longest: float = float("inf")) -> None:
        self.start = start
        self.longest = longest
        self.elapsed = 0.0
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self.start + timedelta(seconds=self.elapsed)

    def monotonic(self) -> float:
        return self.elapsed

    async def sleep(self, seconds: float) -> None:
        if seconds > self.longest:
            await asyncio.Event().wait()
        self.slept.append(seconds)
        self.elapsed += seconds
        await asyncio.sleep(0)


@dataclass
class Request:
    """One request as the transport saw it."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


def ok(*rows: Any) -> HttpAnswer:
    """An answer with these rows."""
    return HttpAnswer(200, json.dumps({"code": "0", "msg": "", "data": list(rows)}).encode())


def refusal(code: str | int, *, status: int = 200, message: str = "") -> HttpAnswer:
    """A gateway's error: no data."""
    return HttpAnswer(status, json.dumps({"msg": message, "code": code}).encode())


def item_answer(scode: str, *, order_id: str = "", top: str = "1", message: str = "") -> HttpAnswer:
    """The answer to one command, with a word on its item."""
    row = {"ordId": order_id, "clOrdId": "c1", "tag": "", "sCode": scode, "sMsg": message, "subCode": ""}
    return HttpAnswer(200, json.dumps({"code": top, "msg": "", "data": [row]}).encode())


class ScriptedTransport:
    """Answers from a script for each path (the last entry stays), or from a function. Time is always told."""

    def __init__(self, clock: SkippingClock, skew: timedelta = timedelta(0)) -> None:
        self.clock = clock
        self.skew = skew
        self.requests: list[Request] = []
        self.scripts: dict[str, list[HttpAnswer | Exception]] = {}
        self.handlers: dict[str, Callable[[Request], HttpAnswer]] = {}
        self.closed = False

    def script(self, path: str, *answers: HttpAnswer | Exception) -> None:
        self.scripts[f"/api/v5/{path}"] = list(answers)

    def handle(self, path: str, handler: Callable[[Request], HttpAnswer]) -> None:
        self.handlers[f"/api/v5/{path}"] = handler

    def seen(self, path: str) -> list[Request]:
        return [request for request in self.requests if request.path == f"/api/v5/{path}"]

    async def request(
        self, method: str, path: str, *, headers: Mapping[str, str], body: bytes | None, seconds: float
    ) -> HttpAnswer:
        parts = urlsplit(path)
        content = json.loads(body) if body else None
        request = Request(method, parts.path, dict(parse_qsl(parts.query)), dict(headers), content)
        self.requests.append(request)
        if request.path in self.handlers:
            return self.handlers[request.path](request)
        script = self.scripts.get(request.path)
        if script is None and request.path == "/api/v5/public/time":
            moment = self.clock.now() + self.skew
            return ok({"ts": str(round(moment.timestamp() * 1000))})
        assert script, f"nothing is scripted for {path}"
        answer = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def close(self) -> None:
        self.closed = True


def rest_client(
    transport: ScriptedTransport, *, demo: bool = True, shared: SharedReading | None = None
) -> OKXRestClient:
    """A client of one account on `transport`."""
    return OKXRestClient(
        transport,
        CREDENTIALS,
        clock=transport.clock,
        limiter=RateLimiter(transport.clock),
        owner="okx:paper:1",
        demo=demo,
        random=Random(1),
        shared=shared,
    )


class RememberingListener:
    """An account and market listener that keeps everything, and can be full."""

    def __init__(self) -> None:
        self.updates: list[ClassifiedUpdate] = []
        self.candles: list[tuple[str, Interval, Candle]] = []
        self.tickers: list[Ticker] = []
        self.trades: list[Trade] = []
        self.tops: list[BookTop] = []
        self.marks: list[MarkPrice] = []
        self.reports: list[AccountReport] = []
        self.batches: list[int] = []
        self.flaws: list[str] = []
        self.refused: list[tuple[str, str, str]] = []
        self.calls: list[str] = []
        self.full_at: int | None = None
        self._room = asyncio.Event()

    def on_order_updates(self, updates: Sequence[ClassifiedUpdate], received_at: datetime) -> bool:
        self.updates.extend(updates)
        self._note("updates")
        return self.full_at is None or len(self.updates) < self.full_at

    async def room(self) -> None:
        await self._room.wait()

    def fill_up(self) -> None:
        """Full with the next update, until `make_room`."""
        self.full_at = len(self.updates) + 1
        self._room.clear()

    def make_room(self) -> None:
        self.full_at = None
        self._room.set()

    def on_account_reports(self, reports: Sequence[AccountReport], received_at: datetime) -> None:
        self.reports.extend(reports)
        self.batches.append(len(reports))
        self._note("reports")

    def on_flaw(self, reason: str) -> None:
        self.flaws.append(reason)
        self._note("flaw")

    def on_refused(self, channel: str, inst_id: str, reason: str) -> None:
        self.refused.append((channel, inst_id, reason))
        self._note("refused")

    def on_subscribed(self) -> None:
        self._note("subscribed")

    def on_stops_subscribed(self) -> None:
        self._note("stops subscribed")

    def on_disconnected(self, reason: str) -> None:
        self._note(f"disconnected: {reason}")

    def on_candle(self, inst_id: str, interval: Interval, candle: Candle) -> None:
        self.candles.append((inst_id, interval, candle))
        self._note("candle")

    def on_ticker(self, ticker: Ticker) -> None:
        self.tickers.append(ticker)
        self._note("ticker")

    def on_trades(self, trades: Sequence[Trade]) -> None:
        self.trades.extend(trades)
        self._note("trades")

    def on_book_top(self, top: BookTop) -> None:
        self.tops.append(top)
        self._note("book top")

    def on_mark_price(self, mark: MarkPrice) -> None:
        self.marks.append(mark)
        self._note("mark price")

    def on_market_subscribed(self) -> None:
        self._note("market subscribed")

    def count(self, call: str) -> int:
        return sum(one.startswith(call) for one in self.calls)

    def _note(self, call: str) -> None:
        self.calls.append(call)


async def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Return when `condition`, of either end of a socket, holds; fail after `seconds`."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in several places
            await asyncio.sleep(0.002)


@dataclass
class SocketServer:
    """A WebSocket server on loopback that logs everybody in and acknowledges everything, unless told otherwise.

    Attributes:
        login_replies: used up one a login, `{"close": code}` hangs up, `"goodbye": code` beside others says so and hangs up; then
            everybody is let in.
        on_request: may answer a subscribe request itself (True: it did).
        refuse_paths: paths (`private`, `business`) that cannot be opened.
        paths: of the connections, in the order of `sockets` and `received`.
    """

    url: str = ""
    business_url: str = ""
    received: list[list[dict[str, Any]]] = field(default_factory=list)
    pings: int = 0
    answer_pings: bool = True
    login_replies: list[dict[str, Any]] = field(default_factory=list)
    on_request: Callable[[web.WebSocketResponse, dict[str, Any]], Any] | None = None
    refuse_handshakes: int = 0
    refuse_with: int = 503
    refuse_paths: set[str] = field(default_factory=set)
    paths: list[str] = field(default_factory=list)
    attempts: int = 0
    sockets: list[web.WebSocketResponse] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.attempts += 1
        if self.refuse_handshakes > 0:
            self.refuse_handshakes -= 1
            return web.Response(status=self.refuse_with)
        if request.match_info["path"] in self.refuse_paths:
            return web.Response(status=503)
        self.paths.append(request.match_info["path"])
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets.append(socket)
        heard: list[dict[str, Any]] = []
        self.received.append(heard)
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                continue
            if message.data == "ping":
                self.pings += 1
                if self.answer_pings:
                    await socket.send_str("pong")
                continue
            frame = json.loads(message.data)
            heard.append(frame)
            with suppress(ConnectionError):  # whoever asked may be gone
                await self._answer(socket, frame)
        return socket

    async def _answer(self, socket: web.WebSocketResponse, frame: dict[str, Any]) -> None:
        if frame["op"] == "login":
            let_in: dict[str, Any] = {"event": "login", "code": "0"}
            reply = self.login_replies.pop(0) if self.login_replies else let_in
            if "close" in reply:
                await socket.close(code=reply["close"], message=b"login failed")
                return
            goodbye = reply.pop("goodbye", None)
            await socket.send_json({"msg": "", "connId": "a4d3ae55", **reply})
            if goodbye is not None:
                await socket.close(code=goodbye, message=b"login failed")
            return
        if self.on_request is not None and await self.on_request(socket, frame):
            return
        await self.acknowledge(socket, frame)

    async def acknowledge(self, socket: web.WebSocketResponse, frame: dict[str, Any]) -> None:
        for argument in frame["args"]:
            await socket.send_json(
                {"id": frame["id"], "event": frame["op"], "arg": argument, "connId": "a4d3ae55"}
            )

    async def push(self, *frames: Any) -> None:
        """Send to the newest connection: objects as JSON, strings as they are."""
        for frame in frames:
            text = frame if isinstance(frame, str) else json.dumps(frame)
            await self.sockets[-1].send_str(text)

    async def drop(self, code: int = WSCloseCode.GOING_AWAY) -> None:
        """Close the newest connection."""
        await self.sockets[-1].close(code=code)

    def cut(self) -> None:
        """Break the newest connection without a word."""
        transport = self.sockets[-1]._req.transport  # type: ignore[union-attr]
        assert transport is not None
        transport.abort()

    def subscribed(self, connection: int = -1) -> list[dict[str, str]]:
        """What was asked for on one connection; nothing while there is none."""
        if not self.received:
            return []
        return [
            argument
            for frame in self.received[connection]
            if frame["op"] == "subscribe"
            for argument in frame["args"]
        ]


@asynccontextmanager
async def socket_server() -> AsyncIterator[SocketServer]:
    """A running `SocketServer`."""
    server = SocketServer()
    application = web.Application()
    application.router.add_get("/ws/v5/{path}", server.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.2)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"ws://127.0.0.1:{runner.addresses[0][1]}/ws/v5/private"
    server.business_url = server.url.replace("private", "business")
    try:
        yield server
    finally:
        await runner.cleanup()


def connection_setting(url: str, clock: Any, **policy: Any) -> ConnectionSetting:
    """Quick and repeatable."""
    policy.setdefault("backoff", Backoff(base=0.01, cap=0.05))
    policy.setdefault("answer_seconds", 2.0)
    policy.setdefault("linger_seconds", 0.01)
    queue, rank = policy.pop("queue", None), policy.pop("rank", Rank.ORDERS)
    return ConnectionSetting(url, None, clock, Random(1), ConnectionPolicy(**policy), queue, rank)
