"""The paper exchange in a process of its own, with a driver that pushes order frames made beforehand through `push_private`.

Started by the benchmarks: `python -m benchmarks.market_process`.
"""

from __future__ import annotations

import asyncio
import time
from decimal import Decimal
from pathlib import Path
from random import Random

import numpy as np
import uvloop

from benchmarks.frames import INST_ID, Batch, make_frames
from benchmarks.processes import Words, first_words, serve_commands
from kokex.paper import AccountConfig, PaperConfig, PaperServer

ACCOUNTS = 20
"""How many accounts there are."""


def account_keys(number: int) -> tuple[str, str, str]:
    """API key, secret and passphrase of an account, counted from 0."""
    return f"bench-key-{number}", "bench-secret", "bench-passphrase"


KEYS = account_keys(0)
"""Of the one account that all candidates listen to."""

_CHUNK = 20
"""Frames pushed between two looks at the client."""
_UNREAD = 1000
"""Frames that may wait in the server for the client to read; the network's buffers hold more."""
_ARRIVALS_SEED = 11


class Driver:
    """Pushes frames to whoever listens to the account's orders."""

    def __init__(self, server: PaperServer) -> None:
        self._server = server
        found = [server.exchange.find_account(account_keys(number)[0]) for number in range(ACCOUNTS)]
        self._uids = [account.uid for account in found if account is not None]
        self._batches: dict[str, list[tuple[str, bytes]]] = {}

    async def make(self, words: Words) -> Words:
        """Make the frames of a batch and keep them under its name."""
        batch = Batch(
            words["first"], words["windows"], words["installation"], words["plans"], words["accounts"]
        )
        frames = make_frames(batch)
        self._batches[words["name"]] = [
            (self._uids[batch.account(number)], frame) for number, frame in enumerate(frames)
        ]
        return {"frames": len(frames), "bytes": sum(map(len, frames))}

    async def push(self, words: Words) -> Words:
        """Push the first `frames` of the batch `name`, at `rate` a second or as fast as they are read.

        The moment at which each was handed to the server's connection goes into the file `save` (seconds since 1970).
        """
        frames = self._batches[words["name"]][: words["frames"]]
        for uid in {uid for uid, _ in frames}:
            await self._server.wait_for_listeners(uid, "orders")
        sent = await (self._calmly(frames, words["rate"]) if words.get("rate") else self._at_once(frames))
        np.save(words["save"], np.array(sent))
        return {"pushed": len(sent), "seconds": sent[-1] - sent[0]}

    async def _calmly(self, frames: list[tuple[str, bytes]], rate: float) -> list[float]:
        """At random moments (a Poisson process, seeded), `rate` a second on average."""
        gaps = Random(_ARRIVALS_SEED)
        due = time.monotonic()
        sent = []
        for frame in frames:
            due += gaps.expovariate(rate)
            if (wait := due - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            sent.append(self._push(frame))
        return sent

    async def _at_once(self, frames: list[tuple[str, bytes]]) -> list[float]:
        hub = self._server.hub.private
        connections = {listener[0] for uid, _ in frames for listener in hub[uid, "orders"]}
        waiting = [connection._frames for connection in connections]
        sent: list[float] = []
        for start in range(0, len(frames), _CHUNK):
            while sum(map(len, waiting)) > _UNREAD:  # noqa: ASYNC110 - the server's writer tells nobody
                await asyncio.sleep(0.001)
            sent += [self._push(frame) for frame in frames[start : start + _CHUNK]]
            await asyncio.sleep(0)
        return sent

    def _push(self, frame: tuple[str, bytes]) -> float:
        at = time.time()
        uid, item = frame
        if self._server.push_private(uid, "orders", item) != 1:
            raise RuntimeError("each frame must go to exactly one connection")
        return at


async def serve(words: Words) -> None:
    """Serve until standard input closes."""
    accounts = tuple(_account(number) for number in range(ACCOUNTS))
    config = PaperConfig(
        instruments=(INST_ID,), accounts=accounts, state_path=_path(words.get("state")), **words["market"]
    )
    async with PaperServer(config) as server:
        driver = Driver(server)
        addresses = {"rest_url": server.rest_url, "ws_url": server.ws_url}
        await serve_commands(addresses, {"make": driver.make, "push": driver.push})


def _account(number: int) -> AccountConfig:
    key, secret, passphrase = account_keys(number)
    return AccountConfig(
        api_key=key,
        secret_key=secret,
        passphrase=passphrase,
        balances={"USDT": Decimal(1_000_000), "ETH": Decimal(100)},
    )


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


if __name__ == "__main__":
    uvloop.run(serve(first_words()))
