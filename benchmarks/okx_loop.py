"""python-okx, the exchange's own SDK, on the same channel. Started by the benchmarks: `python -m benchmarks.okx_loop`.

Its WebSocket client hands each message to a callback as text; whoever uses it decodes the JSON, as done here, and nothing else. It
opens its socket over TLS only; here the socket is opened for it without, as for all others. All else of it is unmodified.
"""

from __future__ import annotations

import asyncio
import json
import time

import uvloop
from okx.websocket.WsPrivateAsync import WsPrivateAsync
from websockets.asyncio.client import connect

from benchmarks.frames import INST_ID
from benchmarks.market_process import KEYS
from benchmarks.notes import Notes
from benchmarks.processes import Words, first_words, serve_commands


class Hearing:
    """The callback."""

    def __init__(self, notes: Notes) -> None:
        self.subscribed = asyncio.Event()
        self._notes = notes

    def __call__(self, text: str) -> None:
        """A message came in."""
        received = time.time()
        message = json.loads(text)
        if message.get("event") == "subscribe":
            self.subscribed.set()
        for _ in message.get("data", ()):
            self._notes.received.append(received)
            self._notes.handled.append(time.time())
        self._notes.look()


async def serve(words: Words) -> None:
    """Serve until standard input closes."""
    key, secret, passphrase = KEYS
    url = f"{words['ws_url']}/ws/v5/private"
    client = WsPrivateAsync(key, passphrase, secret, url)
    notes = Notes()
    hearing = Hearing(notes)

    async def until(told: Words) -> Words:
        await notes.until_handled(told["frames"])
        notes.save(told["save"])
        return {}

    async with connect(url) as client.websocket, asyncio.TaskGroup() as tasks:
        consuming = tasks.create_task(client.consume())
        await client.subscribe([{"channel": "orders", "instType": "SPOT", "instId": INST_ID}], hearing)
        async with asyncio.timeout(10):
            await hearing.subscribed.wait()
        await serve_commands({}, {"until": until})
        consuming.cancel()


if __name__ == "__main__":
    uvloop.run(serve(first_words()))
