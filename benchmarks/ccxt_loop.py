"""ccxt.pro `watch_orders` on the same channel. Started by the benchmarks: `python -m benchmarks.ccxt_loop`.

ccxt keeps a cache of orders and wakes its caller. Updates of one order that arrive before the caller runs are one update to it,
the cache holds a thousand orders, and what arrives between a wake-up and the next call wakes nobody until one more frame comes.
So two things are counted: how fast ccxt works the frames into its cache, and which updates its caller was ever given. When ccxt
took a frame from its socket cannot be seen from outside; its latency counts from the exchange's sending.

One thing is mended, for ccxt's good: see `CountedBuffer`.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Any

import aiohttp._websocket.reader_py as aiohttp_reader
import ccxt.pro as ccxt_pro
import numpy as np
import uvloop
from ccxt.async_support.base.ws.client import Client

from benchmarks.frames import INST_ID, STAGES, frame_number
from benchmarks.market_process import KEYS
from benchmarks.processes import Words, first_words, serve_commands

SYMBOL = INST_ID.replace("-", "/")


_LOOK_SECONDS = 0.005
_OVERHEAD = getattr(aiohttp_reader, "MSG_SIZE_OVERHEAD", 0)
_ccxt_buffer = Client.buffer.fget


class CountedBuffer:
    """aiohttp's buffer of messages as ccxt empties it, with the sizes that aiohttp counts.

    ccxt takes backlogged messages from aiohttp's buffer itself and corrects aiohttp's count of bytes afterwards. aiohttp 3.14
    counts 128 bytes more for each message; ccxt 4.5.64 does not know, so after a thousand backlogged messages aiohttp thinks
    its buffer full and never reads again.
    """

    def __init__(self, buffer: deque[tuple[Any, int]]) -> None:
        self._buffer = buffer

    def __len__(self) -> int:
        return len(self._buffer)

    def popleft(self) -> tuple[Any, int]:
        message, size = self._buffer.popleft()
        return message, size + _OVERHEAD

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return self._buffer[index]

    def __setitem__(self, index: int, item: tuple[Any, int]) -> None:
        self._buffer[index] = item


def _counted_buffer(client: Client) -> CountedBuffer | None:
    buffer = _ccxt_buffer(client)
    return None if buffer is None else CountedBuffer(buffer)


class Watcher:
    """Calls `watch_orders` for ever and notes when its caller first saw each frame's news."""

    def __init__(self, client: ccxt_pro.okx) -> None:
        self._client = client
        self.calls = 0
        self.seen: dict[tuple[int, str], float] = {}

    async def watch(self) -> None:
        """Serve until cancelled."""
        while True:
            orders = await self._client.watch_orders(SYMBOL)
            at = time.time()
            self.calls += 1
            for order in orders:
                self.seen.setdefault((int(order["id"]), order["info"]["state"]), at)

    async def until(self, words: Words) -> Words:
        """Wait until the last frame is in the cache; keep the moments by frame number, NaN where the caller saw none."""
        last = str(words["last_order"])
        while not self._has(last):  # noqa: ASYNC110 - ccxt tells nobody
            await asyncio.sleep(_LOOK_SECONDS)
        done = time.time()
        moments = np.full(words["frames"], np.nan)
        for (order_id, state), at in self.seen.items():
            moments[frame_number(order_id, state, words["first"])] = at
        np.savez(words["save"], seen=moments)
        calls, self.calls = self.calls, 0
        self.seen.clear()
        return {"calls": calls, "done": done}

    def _has(self, order_id: str) -> bool:
        known = self._client.orders
        order = known.hashmap.get(SYMBOL, {}).get(order_id) if known else None
        return order is not None and order["info"]["state"] == STAGES[-1]


async def serve(words: Words) -> None:
    """Serve until standard input closes."""
    key, secret, passphrase = KEYS
    client = ccxt_pro.okx({"apiKey": key, "secret": secret, "password": passphrase, "enableRateLimit": False})
    Client.buffer = property(_counted_buffer)
    client.set_sandbox_mode(True)
    client.urls["api"] = {"rest": words["rest_url"], "ws": f"{words['ws_url']}/ws/v5"}
    try:
        await client.load_markets()
        watcher = Watcher(client)
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(watcher.watch())
            await serve_commands({}, {"until": watcher.until})
            watching.cancel()
    finally:
        await client.close()


if __name__ == "__main__":
    uvloop.run(serve(first_words()))
