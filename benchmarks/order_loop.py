"""The floor: the bare loop with commit, which orders again at each fill. Started by the benchmarks: `python -m benchmarks.order_loop`.

It reads the frame, commits the event, and sends the next order over a connection that is open: no plan, no turn, no gate, no record
of an order, no look at anything.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from datetime import UTC, datetime

import aiohttp
import msgspec
import numpy as np
import psycopg
import uvloop

from benchmarks.bare_loop import _TABLE, CommittingLoop, listen
from benchmarks.frames import INST_ID
from benchmarks.market_process import KEYS
from benchmarks.notes import Notes
from benchmarks.processes import Words, first_words, serve_commands
from kokex.adapters.okx.signing import rest_headers
from kokex.adapters.okx.wire import OrderRow
from kokex.adapters.postgres.parameters import register
from kokex.domain.account import Credentials

PATH = "/api/v5/trade/order"


class OrderingLoop(CommittingLoop):
    """Orders again at each fill, once it is committed."""

    def __init__(self, notes: Notes, connection: psycopg.AsyncConnection[tuple[int]]) -> None:
        super().__init__(notes, connection)
        self._rows: deque[tuple[bool, float]] = deque()
        self.fills: asyncio.Queue[float] = asyncio.Queue(maxsize=100)

    def handle(self, row: OrderRow, payload: bytes) -> None:
        """Queue it for the writer."""
        self._rows.append((row.state == "filled", time.time()))
        super().handle(row, payload)

    def call_back(self) -> None:
        """The next of the queue is committed."""
        super().call_back()
        filled, received = self._rows.popleft()
        if filled:
            self.fills.put_nowait(received)


class Orders:
    """Sends market orders named by their number."""

    def __init__(self, session: aiohttp.ClientSession, rest_url: str) -> None:
        self._session = session
        self._rest_url = rest_url
        self._credentials = Credentials(*KEYS)
        self.sent = 0

    async def buy(self) -> None:
        """One order of a hundredth of a coin."""
        self.sent += 1
        fields = {
            "instId": INST_ID, "tdMode": "cash", "side": "buy", "ordType": "market", "sz": "0.01",
            "tgtCcy": "base_ccy", "clOrdId": f"bare{self.sent}",
        }  # fmt: skip
        body = msgspec.json.encode(fields).decode()
        headers = rest_headers(self._credentials, datetime.now(UTC), "POST", PATH, body)
        headers |= {"Content-Type": "application/json", "x-simulated-trading": "1"}
        async with self._session.post(self._rest_url + PATH, data=body, headers=headers) as response:
            answer = await response.json()
        if answer["code"] != "0":
            raise RuntimeError(f"the paper exchange refused an order: {answer}")


async def serve(words: Words) -> None:
    """Serve until standard input closes."""
    options = "-c synchronous_commit=on -c plan_cache_mode=force_generic_plan"
    async with (
        await psycopg.AsyncConnection.connect(
            words["database_url"], autocommit=True, options=options
        ) as connection,
        aiohttp.ClientSession() as session,
    ):
        await connection.execute(_TABLE)
        register(connection)
        loop, orders = OrderingLoop(Notes(), connection), Orders(session, words["rest_url"])

        async def until(told: Words) -> Words:
            """Order until `turns` fills were answered with the next order; keep what was received before which order in `save`."""
            await orders.buy()
            received = []
            for _ in range(told["turns"]):
                received.append(await loop.fills.get())
                await orders.buy()
            names = [f"bare{number}" for number in range(2, orders.sent + 1)]
            np.savez(told["save"], received=np.array(received), names=np.array(names))
            return {}

        async with asyncio.TaskGroup() as tasks:
            writing = tasks.create_task(loop.write())
            await listen(loop, words["ws_url"])
            await serve_commands({}, {"until": until})
            writing.cancel()


if __name__ == "__main__":
    uvloop.run(serve(first_words()))
