"""The account stream through random trouble: whatever is pushed is heard, or its loss is told before the stream stands again."""

from __future__ import annotations

import asyncio
import json
from random import Random
from typing import Any

import pytest
from aiohttp import web

from tests.unit.okx.account_stage import Stage, order_push, stage
from tests.unit.okx.okx_fakes import until

NOTICE = json.dumps({"event": "notice", "code": "64008", "msg": "soon", "connId": "x"})
OVERCROWDED = json.dumps({"event": "channel-conn-count-error", "channel": "orders", "connCount": "30"})
REFUSED_LOGIN = {"event": "error", "code": "60009", "msg": "Login failed."}
QUIET = ["push"] * 20 + ["notice", "notice", "rubbish", "full", "room", "room"]
TROUBLE = ["drop", "cut", "handshake", "login", "overcrowd"]


class Exchange:
    """Pushes every event to each connection that has the orders channel, as OKX does."""

    def __init__(self, at: Stage, random: Random) -> None:
        self.at = at
        self.random = random
        self.subscribed: set[web.WebSocketResponse] = set()
        self.pushed: dict[str, tuple[int, bool]] = {}
        """Each event, with how often `on_subscribed` had been heard when it was pushed, and whether the stream stood."""
        at.server.on_request = self.on_request

    async def on_request(self, socket: web.WebSocketResponse, frame: dict[str, Any]) -> bool:
        if frame["op"] == "subscribe":
            self.subscribed.add(socket)
        return False

    @property
    def open(self) -> list[web.WebSocketResponse]:
        """Connections that nobody has closed yet."""
        return [socket for socket in self.at.server.sockets if not socket.closed]

    async def everywhere(self, text: str) -> None:
        """Send to each connection that is subscribed and open."""
        for socket in list(self.subscribed):
            if not socket.closed:
                try:
                    await socket.send_str(text)
                except ConnectionError:
                    self.subscribed.discard(socket)

    async def push(self) -> None:
        number = str(len(self.pushed))
        told = [call for call in self.at.listener.calls if call.startswith(("subscribed", "disconnected"))]
        self.pushed[number] = self.at.listener.count("subscribed"), told[-1:] == ["subscribed"]
        await self.everywhere(json.dumps(order_push(number)))

    async def act(self, action: str) -> None:
        server, listener = self.at.server, self.at.listener
        if action == "push":
            await self.push()
        elif action == "notice":
            await self.everywhere(NOTICE)
        elif action == "drop" and self.open:
            await self.random.choice(self.open).close(code=1001)
        elif action == "cut" and self.open:
            transport = self.random.choice(self.open)._req.transport  # type: ignore[union-attr]
            if transport is not None:
                transport.abort()
        elif action == "handshake":
            server.refuse_handshakes = self.random.randint(1, 2)
        elif action == "login":
            server.login_replies = [dict(REFUSED_LOGIN)]
        elif action == "overcrowd":
            await self.everywhere(OVERCROWDED)
            self.subscribed.clear()
        elif action == "rubbish":
            await self.everywhere("{not json")
        elif action == "full":
            listener.fill_up()
        elif action == "room":
            listener.make_room()


def check(at: Stage, pushed: dict[str, tuple[int, bool]]) -> None:
    """Heard in order, and what was not heard was pushed before the stream told that it stands anew.

    What was pushed before that, or while it did not stand, may come late: whoever listens has asked for it by then.
    """
    heard = dict.fromkeys(at.order_ids())
    for epoch in {epoch for epoch, _ in pushed.values()}:
        numbers = [int(number) for number in heard if pushed[number] == (epoch, True)]
        assert numbers == sorted(numbers)
    stood = at.listener.count("subscribed")
    missing = {number: epoch for number, (epoch, _) in pushed.items() if number not in heard}
    assert all(epoch < stood for epoch in missing.values()), (missing, at.listener.calls)


@pytest.mark.parametrize("seed", range(12))
async def test_nothing_is_lost_without_a_word(seed: int) -> None:
    """Notices, drops, cuts, refusals, rubbish and a listener that is full, in any order."""
    random = Random(seed)
    async with stage(confirm_seconds=0.5, steady_seconds=0.0) as at:
        exchange = Exchange(at, random)
        exchange.subscribed.update(at.server.sockets)
        for _ in range(150):
            await exchange.act(random.choice(QUIET if random.random() < 0.95 else TROUBLE))
            await asyncio.sleep(random.choice([0.0, 0.0, 0.001, 0.003]))
        at.server.refuse_handshakes = 0
        at.server.login_replies.clear()
        at.listener.make_room()
        await until(lambda: at.stream.status.connected_since is not None)
        last = len(exchange.pushed)

        async def comes_through() -> bool:
            await exchange.push()
            await asyncio.sleep(0.01)
            return any(int(number) >= last for number in at.order_ids())

        async with asyncio.timeout(60):
            while not await comes_through():
                pass
        await until(lambda: bool(at.order_ids()) and int(max(at.order_ids(), key=int)) >= last)
        check(at, exchange.pushed)
        assert at.task is not None and not at.task.done()
