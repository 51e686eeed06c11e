"""The floor: a bare picows + msgspec loop on the account's orders channel, with or without a commit before the callback.

Started by the benchmarks: `python -m benchmarks.bare_loop`. It knows the frames to be good and the connection to last: no
reconciliation, no reconnect, no deduplication but the unique key, no orders, fills, ledgers, plans or agents.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import time
from collections import deque

import msgspec
import psycopg
import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from benchmarks.frames import INST_ID
from benchmarks.market_process import KEYS
from benchmarks.notes import Notes
from benchmarks.processes import Words, first_words, serve_commands
from kokex.adapters.okx.wire import Argument, OrderRow
from kokex.adapters.postgres.parameters import JsonbArray, TextArray, register

_BATCH = 2000

_TABLE = """
CREATE TABLE events (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, order_id text NOT NULL, event_type text NOT NULL,
    event_key text NOT NULL, event_data jsonb NOT NULL, UNIQUE (order_id, event_type, event_key))
"""
_INSERT = """
INSERT INTO events (order_id, event_type, event_key, event_data)
SELECT * FROM unnest(%s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING id
"""


class Push(msgspec.Struct):
    """A frame with its items decoded."""

    event: str | None = None
    arg: Argument | None = None
    data: list[OrderRow] | None = None


class Loop(WSListener):
    """Receives and decodes; `handle` takes each order."""

    def __init__(self, notes: Notes) -> None:
        self.notes = notes
        self.events: asyncio.Queue[str] = asyncio.Queue(maxsize=100)
        self._decoder = msgspec.json.Decoder(Push)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """A frame came in."""
        received = time.time()
        if frame.msg_type != WSMsgType.TEXT:
            return
        payload = frame.get_payload_as_bytes()
        if payload == b"pong":
            return
        push = self._decoder.decode(payload)
        if push.event is not None:
            self.events.put_nowait(push.event)
            return
        for row in push.data or ():
            self.notes.received.append(received)
            self.handle(row, payload)

    def handle(self, row: OrderRow, payload: bytes) -> None:
        """Nothing is done with it."""
        self.notes.handled.append(time.time())
        self.notes.look()


class CommittingLoop(Loop):
    """Commits everything that waits in one statement, then calls back."""

    def __init__(self, notes: Notes, connection: psycopg.AsyncConnection[tuple[int]]) -> None:
        super().__init__(notes)
        self._connection = connection
        self._waiting: deque[tuple[str, str, str, bytes]] = deque()
        self._arrived = asyncio.Event()

    def handle(self, row: OrderRow, payload: bytes) -> None:
        """Queue it for the writer."""
        key = f"fill:{row.trade_id}" if row.trade_id else row.state
        self._waiting.append((row.ord_id, row.state, key, payload))
        self._arrived.set()

    async def write(self) -> None:
        """Commit for ever."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
                numbers = await self._commit(batch)
                self.notes.batches.append(len(batch))
                for _ in numbers:
                    self.call_back()
                self.notes.look()

    async def _commit(self, batch: list[tuple[str, str, str, bytes]]) -> list[tuple[int]]:
        *texts, documents = zip(*batch, strict=True)
        columns = [*(TextArray.of(column) for column in texts), JsonbArray.of(documents)]
        cursor = self._connection.cursor(binary=True)
        await cursor.execute(_INSERT, columns, prepare=True)
        return await cursor.fetchall()

    def call_back(self) -> None:
        """What a plan would be told."""
        self.notes.handled.append(time.time())


async def listen(loop: Loop, ws_url: str) -> None:
    """Connect, log in, subscribe."""
    transport, _ = await ws_connect(lambda: loop, f"{ws_url}/ws/v5/private")
    key, secret, passphrase = KEYS
    timestamp = str(int(time.time()))
    digest = hmac.digest(secret.encode(), f"{timestamp}GET/users/self/verify".encode(), hashlib.sha256)
    login = {
        "apiKey": key,
        "passphrase": passphrase,
        "timestamp": timestamp,
        "sign": base64.b64encode(digest).decode(),
    }
    transport.send(WSMsgType.TEXT, msgspec.json.encode({"op": "login", "args": [login]}))
    await _expect(loop, "login")
    channel = {"channel": "orders", "instType": "SPOT", "instId": INST_ID}
    transport.send(WSMsgType.TEXT, msgspec.json.encode({"op": "subscribe", "args": [channel]}))
    await _expect(loop, "subscribe")


async def _expect(loop: Loop, wanted: str) -> None:
    async with asyncio.timeout(10):
        while (event := await loop.events.get()) != wanted:
            if event == "error":
                raise RuntimeError(f"the paper exchange refused the {wanted}")


async def serve(words: Words) -> None:
    """Serve until standard input closes."""
    notes = Notes()

    async def until(told: Words) -> Words:
        await notes.until_handled(told["frames"])
        notes.save(told["save"])
        return {}

    if words.get("database_url") is None:
        await listen(Loop(notes), words["ws_url"])
        await serve_commands({}, {"until": until})
        return
    options = "-c synchronous_commit=on -c plan_cache_mode=force_generic_plan"
    async with await psycopg.AsyncConnection.connect(
        words["database_url"], autocommit=True, options=options
    ) as connection:
        await connection.execute(_TABLE)
        register(connection)
        loop = CommittingLoop(notes, connection)
        async with asyncio.TaskGroup() as tasks:
            writing = tasks.create_task(loop.write())
            await listen(loop, words["ws_url"])
            await serve_commands({}, {"until": until})
            writing.cancel()


if __name__ == "__main__":
    uvloop.run(serve(first_words()))
