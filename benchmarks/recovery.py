"""From a dropped socket to reconciled: how long an account may not trade once its exchange is back.

A gate between engine and paper exchange is shut (every connection cut, none let in) for a while and opened again; the time runs
from its opening to the account's reconciliation, over REST, with orders and fills to be looked through.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np
from pydantic import SecretStr
from rich.console import Console

from benchmarks.desk import start_plan
from benchmarks.figures import Figure, spread
from benchmarks.processes import Child, ChildError, child
from kokex.adapters.postgres import EmbeddedPostgres
from kokex.bootstrap import Engine, application, engine
from kokex.domain.decision import Action, Decision, Turn
from kokex.domain.instrument import Side
from kokex.domain.order import OrderType
from kokex.domain.plan import ForecastSettings
from kokex.ports.toolbox import Toolbox
from kokex.settings import Settings

TARGET_SECONDS = 2.0
_PATIENCE = 60.0
_CALM_SECONDS = 2.5
"""Between a reconciliation and the next loss: longer than the exchange's rate limits remember (2 s), so that each loss is one."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How often the gate is shut, and for how many seconds each time."""

    rounds: int = 10
    outages: tuple[float, ...] = (0.0, 5.0)


QUICK = Effort(rounds=2, outages=(0.0, 1.0))


class Gate:
    """A TCP door in front of a server on this machine."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._server: asyncio.Server | None = None
        self._inside: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def open(self) -> None:
        """Let connections in."""
        self._server = await asyncio.start_server(self._enter, "127.0.0.1", self.port, reuse_address=True)
        self.port = self._server.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        """Cut every connection and let none in."""
        assert self._server is not None
        self._server.close()
        for writer in list(self._inside):
            writer.transport.abort()

    async def _enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, away = await asyncio.open_connection("127.0.0.1", self._port)
        ends = (writer, away)
        self._inside.update(ends)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_carry(reader, away))
                tasks.create_task(_carry(there, writer))
        finally:
            self._inside.difference_update(ends)
            for end in ends:
                end.transport.abort()


async def _carry(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
    except OSError:
        return
    finally:
        target.transport.abort()


class Resting:
    """Keeps a few orders far from the market, and buys a little now and then: something to look through."""

    async def run_turn(self, turn: Turn, toolbox: Toolbox) -> Decision:
        await toolbox.place_order(Side.BUY, OrderType.MARKET, Decimal("0.01"))
        price = Decimal(str((await toolbox.get_current_price())["bid"])) - 50
        await toolbox.place_order(Side.BUY, OrderType.LIMIT, Decimal("0.01"), price)
        return Decision(Action.ACT, "as written", model="bench")


async def measure(
    server: EmbeddedPostgres, folder: Path, effort: Effort, console: Console
) -> tuple[list[Figure], dict[str, object]]:
    """Outages of each length, one after another."""
    record: dict[str, object] = {}
    figures = []
    market = {"speed": 60.0, "interval": "1m", "warmup_candles": 500}
    async with (
        child("market_process", folder / "recovery_market.log", market=market) as exchange,
        _engine(server, folder, exchange) as (running, gate),
    ):
        for outage in effort.outages:
            seconds = [await _round(running, gate, outage) for _ in range(effort.rounds)]
            console.log(
                f"outage of {outage:g} s: {', '.join(f'{one:.2f}' for one in seconds)} s to reconciled"
            )
            record[f"outage_{outage:g}_seconds"] = seconds
            figures.append(_figure(outage, seconds))
    return figures, record


def _figure(outage: float, seconds: list[float]) -> Figure:
    times = spread(np.array(seconds))
    what = "sockets dropped, server there" if not outage else f"server away for {outage:g} s"
    return Figure(
        "recovery",
        f"{what}: back to reconciled (p50 / p99 / max)",
        str(times),
        f"max < {TARGET_SECONDS:g} s",
        times.most < TARGET_SECONDS * 1000,
        f"{len(seconds)} outages; login, subscriptions, orders, fills, balances, positions, stops",
    )


async def _round(running: Engine, gate: Gate, outage: float) -> float:
    (session,) = running.services.sessions.all()
    await gate.shut()
    await _until(lambda: not session.reconciled, "the loss")
    await asyncio.sleep(outage)
    began = time.monotonic()
    await gate.open()
    await _until(lambda: session.reconciled, "the reconciliation")
    took = time.monotonic() - began
    await asyncio.sleep(_CALM_SECONDS)
    return took


async def _until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise ChildError(f"{what} did not come within {_PATIENCE:g} s")
        await asyncio.sleep(0.001)


@asynccontextmanager
async def _engine(
    server: EmbeddedPostgres, folder: Path, exchange: Child
) -> AsyncIterator[tuple[Engine, Gate]]:
    gate = Gate(int(str(exchange.ready["rest_url"]).rpartition(":")[2]))
    await gate.open()
    settings = Settings(home=folder / "recovery", database_url=SecretStr(server.database_url("postgres")))
    async with application(settings) as app:
        forecast = ForecastSettings(context=100, horizon=4, paths=16)
        await start_plan(app, "recovery", f"http://127.0.0.1:{gate.port}", forecast)
        running = await engine(app, Resting())
        ready = asyncio.Event()
        task = asyncio.create_task(running.run(ready))
        try:
            await asyncio.wait_for(ready.wait(), _PATIENCE)
            await asyncio.sleep(2.0)
            yield running, gate
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await gate.shut()
