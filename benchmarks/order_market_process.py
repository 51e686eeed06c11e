"""The paper exchange in a process of its own, which notes when each order came in.

Started by the benchmarks: `python -m benchmarks.order_market_process`. Pushes of order events leave a moment late, so that whoever
orders again at each fill stays under the exchange's limit of thirty orders a second.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import numpy as np
import uvloop

from benchmarks.frames import INST_ID
from benchmarks.market_process import KEYS
from benchmarks.processes import Words, first_words, serve_commands
from kokex.paper import AccountConfig, PaperConfig, PaperServer

DELAY_SECONDS = 0.06
"""How late order events leave."""


class Arrivals:
    """Notes each order as it is taken in, by the name that its sender gave it (`clOrdId`)."""

    def __init__(self, server: PaperServer) -> None:
        desk = server.exchange.desk
        self._place = desk.place
        self._names: list[str] = []
        self._moments: list[float] = []
        desk.place = self._note  # type: ignore[method-assign]

    def _note(self, account: Any, fields: Mapping[str, Any], *more: Any, **named: Any) -> Any:
        self._moments.append(time.time())
        self._names.append(str(fields.get("clOrdId", "")))
        return self._place(account, fields, *more, **named)

    async def save(self, words: Words) -> Words:
        """Keep names and moments (seconds since 1970) in the file `save`."""
        np.savez(words["save"], names=np.array(self._names), moments=np.array(self._moments))
        return {"orders": len(self._names)}


async def serve(words: Words) -> None:
    """Serve until standard input closes."""
    key, secret, passphrase = KEYS
    account = AccountConfig(
        api_key=key, secret_key=secret, passphrase=passphrase, balances={"USDT": Decimal(10_000_000)}
    )
    config = PaperConfig(
        instruments=(INST_ID,), accounts=(account,), speed=1.0, interval="1H", warmup_candles=500
    )
    async with PaperServer(config) as server:
        arrivals = Arrivals(server)
        server.faults.arm("delay_frame", count=10**9, channel="orders", seconds=DELAY_SECONDS)
        addresses = {"rest_url": server.rest_url, "ws_url": server.ws_url}
        await serve_commands(addresses, {"save": arrivals.save})


if __name__ == "__main__":
    uvloop.run(serve(first_words()))
