"""A running account stream against the scripted server: the stage of the connection tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from kokex.adapters.okx.account_ws import OKXAccountWebSocket
from kokex.adapters.okx.connection_queue import Rank
from tests.unit.okx.okx_fakes import (
    CREDENTIALS,
    RememberingListener,
    ScriptedTransport,
    SkippingClock,
    SocketServer,
    connection_setting,
    payload,
    rest_client,
    socket_server,
    until,
)


class RealClock:
    """The machine's own time."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Stage:
    """A server, a stream on it, and who listens."""

    def __init__(self, server: SocketServer, clock: Any, **policy: Any) -> None:
        self.server = server
        self.clock = clock
        self.listener = RememberingListener()
        self.transport = ScriptedTransport(SkippingClock())
        self.rest = rest_client(self.transport)
        self.stream = OKXAccountWebSocket(
            connection_setting(server.url, clock, **policy),
            connection_setting(server.business_url, clock, **{**policy, "rank": Rank.STOPS}),
            CREDENTIALS,
            self.listener,
            self.rest,
        )
        self.stream.subscribe_orders_channel("ETH-USDT")
        self.task: asyncio.Task[None] | None = None

    async def ready(self, times: int = 1) -> None:
        """Return when everything was subscribed for the `times`th time."""
        await until(lambda: self.listener.count("subscribed") >= times)

    async def stops_ready(self, times: int = 1) -> None:
        """Return when the channels of stops were subscribed for the `times`th time while the stream stood."""
        await until(lambda: self.listener.count("stops subscribed") >= times)

    def order_ids(self) -> list[str]:
        """Of the updates that were heard, in their order."""
        return [update.update.order_id for update in self.listener.updates]


@asynccontextmanager
async def stage(clock: Any = None, *, start: bool = True, **policy: Any) -> AsyncIterator[Stage]:
    """A running stream, stopped at the end."""
    async with socket_server() as server:
        made = Stage(server, clock or RealClock(), **policy)
        made.task = asyncio.create_task(made.stream.run())
        try:
            if start:
                await made.ready()
            yield made
        finally:
            made.task.cancel()
            await asyncio.wait([made.task])


def order_push(*order_ids: str, name: str = "ws_order_live.json") -> dict[str, Any]:
    """A push of one or several orders."""
    frame: dict[str, Any] = payload(name)
    row = frame["data"][0]
    return {**frame, "data": [{**row, "ordId": order_id} for order_id in order_ids]}
