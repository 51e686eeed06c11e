"""From WebSocket messages to the exchange: login, subscriptions, order operations, connection rules."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import WSMsgType, web

from kokex.paper.config import PaperConfig
from kokex.paper.exchange.exchange import PaperExchange
from kokex.paper.faults.answers import AnswerFaults
from kokex.paper.faults.frames import FrameFaults, restart_notice
from kokex.paper.faults.kinds import KINDS
from kokex.paper.faults.record import Occasion
from kokex.paper.gateway.refusal import RefusalError
from kokex.paper.gateway.signing import login
from kokex.paper.ledger.account import Account
from kokex.paper.websocket.channels import COUNTED, Subscription, parse_subscription
from kokex.paper.websocket.connection import Connection
from kokex.paper.websocket.operations import OPERATIONS, Operations
from kokex.paper.websocket.publisher import Publisher

_MAX_FRAME = 64 * 1024
"""OKX v5: channels of a connection may take 64 KB; a larger frame closes it with 1009."""
_MAX_CHANNEL_CONNECTIONS = 30
_ABORT_AFTER_S = 2.0


class WebSocketFace:
    """Serves the three paths."""

    def __init__(
        self, exchange: PaperExchange, publisher: Publisher, operations: Operations, faults: AnswerFaults
    ) -> None:
        self._exchange = exchange
        self._publisher = publisher
        self._hub = publisher.hub
        self._operations = operations
        self._config: PaperConfig = exchange.config
        self._answers = faults
        self._faults = faults.faults
        self._frame_faults = FrameFaults(self._faults)
        self._opened = 0
        self._recent: list[float] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection until it closes."""
        if not self._may_connect():
            return web.json_response({"msg": "Too Many Requests", "code": "50011"}, status=429)
        socket = web.WebSocketResponse(max_msg_size=_MAX_FRAME, autoping=False, compress=True)
        await socket.prepare(request)
        self._opened += 1
        connection = Connection(
            socket,
            request.transport,
            path=request.path.rsplit("/", 1)[1],
            connection_id=f"{self._opened:08x}",
            most_frames=self._config.client_buffer_frames,
            faults=self._frame_faults,
        )
        self._hub.connections.add(connection)
        try:
            async with asyncio.TaskGroup() as group:
                writer = group.create_task(connection.write())
                await self._read(connection)
                writer.cancel()
        finally:
            self._hub.forget(connection)
        return socket

    def sweep(self) -> None:
        """Close connections that were silent too long, and drop those that do not close."""
        now = time.monotonic()
        for connection in list(self._hub.connections):
            if connection.closing:
                if now - connection.closing_since > _ABORT_AFTER_S:
                    connection.abort()
            elif connection.gate.stalled:
                continue
            elif now - connection.last_activity >= self._config.idle_timeout_s:
                connection.close(4004, "No data received in 30s.")

    def announce_restart(self) -> None:
        """The notice that OKX sends about a minute before a planned restart."""
        for connection in list(self._hub.connections):
            if connection.path != "business":
                connection.send(restart_notice(connection.connection_id))

    def disconnect_all(self) -> int:
        """Drop every connection without a close frame; returns how many there were."""
        connections = list(self._hub.connections)
        for connection in connections:
            connection.abort()
        return len(connections)

    def _may_connect(self) -> bool:
        most = self._config.connections_per_second
        if most is None:
            return True
        now = time.monotonic()
        self._recent = [moment for moment in self._recent if now - moment < 1.0]
        self._recent.append(now)
        return len(self._recent) <= most

    async def _read(self, connection: Connection) -> None:
        async for message in connection.socket:
            if connection.gate.deaf or message.type is WSMsgType.PONG:
                continue
            if message.type is WSMsgType.PING:
                await connection.socket.pong(message.data)
                continue
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                break
            if message.data in ("ping", b"ping"):
                connection.send(b"pong")
                continue
            if not connection.closing:
                self._receive(connection, message.data)

    def _receive(self, connection: Connection, data: str | bytes) -> None:
        try:
            message = msgspec.json.decode(data)
        except msgspec.DecodeError:
            self._error(connection, None, "60012", f"Invalid request: {data!r}")
            return
        name = message.get("op") if isinstance(message, dict) else None
        if name == "login":
            self._login(connection, message)
        elif name in ("subscribe", "unsubscribe"):
            self._subscriptions(connection, message, subscribe=name == "subscribe")
        elif name in OPERATIONS:
            self._operations.handle(connection, message)
        else:
            self._error(connection, message, "60012", f"Invalid request: {_echo(message)}")

    def _login(self, connection: Connection, message: Mapping[str, Any]) -> None:
        args = message.get("args")
        if connection.account is not None:
            self._error(connection, message, "60031", "Repeated login is not allowed.")
        elif not connection.spend_request():
            self._error(connection, message, "60014", "Requests too frequent")
        elif not isinstance(args, list) or not args or not isinstance(args[0], dict):
            self._error(connection, message, "60012", f"Invalid request: {_echo(message)}")
        else:
            try:
                connection.account = self._checked_login(args[0])
            except RefusalError as refusal:
                self._error(connection, message, refusal.code, refusal.message)
                connection.close(4001, "Login failed")
                return
            connection.send_json(
                {"event": "login", "code": "0", "msg": "", "connId": connection.connection_id}
            )

    def _checked_login(self, fields: Mapping[str, Any]) -> Account:
        known = self._exchange.account_with_key(str(fields.get("apiKey") or ""))
        occasion = Occasion(path="private", account=known.uid if known is not None else "")
        refused = self._faults.strike("refuse_login", occasion)
        if refused is not None:
            raise RefusalError(refused.tells, KINDS["refuse_login"].codes[refused.tells].message)
        return login(self._exchange, fields, time.time() + self._answers.clock_shift_s(occasion))

    def _subscriptions(self, connection: Connection, message: Mapping[str, Any], *, subscribe: bool) -> None:
        args = message.get("args")
        if not isinstance(args, list) or not args or not all(isinstance(arg, dict) for arg in args):
            self._error(connection, message, "60012", f"Invalid request: {_echo(message)}")
            return
        if not connection.spend_request():
            self._error(connection, message, "60014", "Requests too frequent")
            return
        for arg in args:
            try:
                subscription = self._checked(connection, arg)
            except RefusalError as refusal:
                self._error(connection, message, refusal.code, refusal.message)
                continue
            if subscribe:
                self._subscribe(connection, message, subscription)
            else:
                self._unsubscribe(connection, message, subscription)

    def _checked(self, connection: Connection, arg: Mapping[str, Any]) -> Subscription:
        return parse_subscription(connection.path, arg, self._exchange.instruments, connection.account)

    def _subscribe(
        self, connection: Connection, message: Mapping[str, Any], subscription: Subscription
    ) -> None:
        known = subscription.key in connection.subscriptions
        if not known and connection.subscribed_bytes + len(subscription.key) > _MAX_FRAME:
            self._error(connection, message, "60012", "The total length of the channels exceeds 64 KB.")
            return
        self._acknowledge(connection, message, "subscribe", subscription)
        if known:
            return
        if subscription.channel in COUNTED and not self._count(connection, subscription):
            return
        self._publisher.greet(connection, subscription)
        connection.subscriptions[subscription.key] = subscription
        connection.subscribed_bytes += len(subscription.key)
        self._hub.add(connection, subscription)

    def _count(self, connection: Connection, subscription: Subscription) -> bool:
        """Announce the connection count; over the cap the subscription is dead although acknowledged."""
        assert connection.account is not None
        channel = subscription.channel
        others = self._hub.channel_connections(connection.account.uid, channel)
        already = any(known.channel == channel for known in connection.subscriptions.values())
        count = others if already else others + 1
        occasion = Occasion(
            path=connection.path,
            channel=channel,
            inst_id=subscription.says("instId"),
            account=connection.account.uid,
            detail=f"connection {connection.connection_id}",
        )
        full = count > _MAX_CHANNEL_CONNECTIONS or self._faults.strike("channel_full", occasion) is not None
        connection.send_json(
            {
                "event": "channel-conn-count-error" if full else "channel-conn-count",
                "channel": channel,
                "connCount": str(_MAX_CHANNEL_CONNECTIONS if full else count),
                "connId": connection.connection_id,
            }
        )
        return not full

    def _unsubscribe(
        self, connection: Connection, message: Mapping[str, Any], subscription: Subscription
    ) -> None:
        known = connection.subscriptions.pop(subscription.key, None)
        if known is not None:
            connection.subscribed_bytes -= len(subscription.key)
            self._hub.remove(connection, known)
        self._acknowledge(connection, message, "unsubscribe", subscription)

    def _acknowledge(
        self, connection: Connection, message: Mapping[str, Any], event: str, subscription: Subscription
    ) -> None:
        answer = {"event": event, "arg": dict(subscription.arg), "connId": connection.connection_id}
        connection.send_json({**_id_of(message), **answer})

    def _error(self, connection: Connection, message: Any, code: str, words: str) -> None:
        answer = {"event": "error", "code": code, "msg": words, "connId": connection.connection_id}
        connection.send_json({**_id_of(message), **answer})


def _id_of(message: Any) -> dict[str, Any]:
    return {"id": message["id"]} if isinstance(message, dict) and message.get("id") else {}


def _echo(message: Any) -> str:
    return msgspec.json.encode(message).decode()
