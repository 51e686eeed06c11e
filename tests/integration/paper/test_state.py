"""State survives a restart, and the death of the process at any moment loses nothing that a client has seen."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from kokex.domain.errors import ConfigurationError, DataError
from kokex.paper import AccountConfig, PaperConfig, PaperExchange, PaperServer
from kokex.paper.config import DEFAULT_ACCOUNT
from kokex.paper.exchange.store import FORMAT
from kokex.paper.gateway.signing import signature
from kokex.paper.wire.algo import algo_row
from tests.integration.paper.client import SPOT, SWAP, rest


def config(path: Path, **changes: Any) -> PaperConfig:
    settings: dict[str, Any] = {
        "paused": True,
        "ticks_per_candle": 20,
        "warmup_candles": 5,
        "state_path": path,
    }
    return PaperConfig(**{**settings, **changes})


def shown(exchange: PaperExchange) -> dict[str, Any]:
    """Everything that should be the same before and after a restart."""
    [account] = exchange.accounts.values()
    records = exchange.records
    return {
        "now": exchange.now_ms,
        "books": exchange.books(account),
        "marks": dict(exchange.marks),
        "orders": [
            (order.order_id, order.state, order.filled_lots, order.queue_ahead, order.reserved)
            for order in records.orders_of(account.uid)
        ],
        "events": [event.payload for event in records.events[account.uid]],
        "fills": list(records.fills[account.uid]),
        "bills": list(records.bills[account.uid]),
        "depth": {inst_id: book.depth(ask=True, limit=5) for inst_id, book in exchange.floor.books.items()},
        "leverage": dict(account.leverage),
        "algos": [algo_row(algo) for algo in exchange.algo_orders.of(account.uid)],
        "attached": [order.attached for order in records.orders_of(account.uid)],
    }


async def trade(server: PaperServer) -> None:
    """A little of everything."""
    async with rest(server) as client:
        await client.call("POST", "account/set-leverage", {"instId": SWAP, "lever": "9", "mgnMode": "cross"})
        await client.place(ordType="market", sz="5000")
        await client.place(instId=SWAP, tdMode="cross", side="sell", ordType="market", sz="3")
        price = str(server.exchange.marks[SPOT] - Decimal("0.5"))
        low = str((server.exchange.marks[SPOT] * Decimal("0.5")).quantize(Decimal("0.01")))
        guard = [{"slTriggerPx": low, "slOrdPx": "-1"}]
        await client.place(sz="40", px=price, clOrdId="resting1", attachAlgoOrds=guard)
        stop = {"instId": SWAP, "tdMode": "cross", "side": "buy", "reduceOnly": True}
        trail = {**stop, "ordType": "move_order_stop", "sz": "1", "callbackSpread": "200"}
        await client.call("POST", "trade/order-algo", trail)
        whole = {**stop, "ordType": "conditional", "closeFraction": "1", "tpTriggerPx": low, "tpOrdPx": "-1"}
        await client.call("POST", "trade/order-algo", whole)
        twap = {
            "instId": SPOT,
            "tdMode": "cash",
            "side": "sell",
            "ordType": "twap",
            "sz": "3",
            "szLimit": "1",
        }
        await client.call(
            "POST",
            "trade/order-algo",
            {**twap, "pxLimit": low, "pxVar": "0.01", "timeInterval": "3600"},
        )
        await client.admin("POST", "clock", {"step_ticks": 7})


async def test_a_restart_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """Balances, orders and their places in the queue, positions, records and the market."""
    async with PaperServer(config(tmp_path / "state.db")) as server:
        await trade(server)
        before = shown(server.exchange)
        server.exchange.advance(server.exchange.now_ms + 3_600_000 * 2)
        later = shown(server.exchange)
    async with PaperServer(config(tmp_path / "other.db")) as server:
        await trade(server)
        assert shown(server.exchange) == before
    async with PaperServer(config(tmp_path / "other.db")) as server:
        assert shown(server.exchange) == before
        assert [row["state"] for row in before["algos"]] == ["live", "live", "partially_effective"]
        server.exchange.advance(server.exchange.now_ms + 3_600_000 * 2)
        assert shown(server.exchange) == later


async def test_an_account_opened_while_running_can_log_in_after_a_restart(tmp_path: Path) -> None:
    """Its key, passphrase and balance are kept."""
    opened = AccountConfig(api_key="k2", secret_key="s2", passphrase="p2", balances={"USDT": Decimal("7.5")})
    async with PaperServer(config(tmp_path / "state.db")) as server:
        server.exchange.run(lambda: server.exchange.open_account(opened), settings=True)
    async with PaperServer(config(tmp_path / "state.db")) as server, rest(server, opened) as client:
        assert (await client.get("account/balance"))[0]["totalEq"] == "7.5"


async def test_a_state_of_another_market_is_refused(tmp_path: Path) -> None:
    """With its path and what to do."""
    async with PaperServer(config(tmp_path / "state.db")):
        pass
    with pytest.raises(DataError, match=r"state\.db"):
        PaperServer(config(tmp_path / "state.db", seed=8))


def test_a_state_of_an_unknown_format_is_refused(tmp_path: Path) -> None:
    """It names both numbers, and the file is left as it was."""
    path = tmp_path / "state.db"
    PaperExchange(config(path)).close()
    with sqlite3.connect(path) as database:
        database.execute(f"pragma user_version = {FORMAT + 1}")
    with pytest.raises(DataError, match=rf"state\.db has format {FORMAT + 1}.*1 to {FORMAT}"):
        PaperExchange(config(path))
    with sqlite3.connect(path) as database:
        assert database.execute("pragma user_version").fetchone() == (FORMAT + 1,)


def test_a_state_without_a_number_is_read_and_raised(tmp_path: Path) -> None:
    """Files of format 1 kept no number and knew no algo orders."""
    path = tmp_path / "state.db"
    PaperExchange(config(path)).close()
    with sqlite3.connect(path) as database:
        database.execute("pragma user_version = 0")
        database.execute("drop table algos")
        state = msgspec.msgpack.decode(database.execute("select value from state").fetchone()[0])
        del state["accounts"][0]["funding"], state["accounts"][0]["fee_tier"], state["counters"]["algo"]
        database.execute("update state set value = ?", (msgspec.msgpack.encode({**state, "format": 1}),))
    exchange = PaperExchange(config(path))
    assert exchange.books(next(iter(exchange.accounts.values())))["balances"]["USDT"] == "100000"
    exchange.close()
    with sqlite3.connect(path) as database:
        assert database.execute("pragma user_version").fetchone() == (FORMAT,)


def test_a_file_that_is_no_state_is_refused(tmp_path: Path) -> None:
    """In a sentence."""
    (tmp_path / "state.db").write_text("this is not a database, whatever its name says")
    with pytest.raises(ConfigurationError, match=r"state\.db"):
        PaperExchange(config(tmp_path / "state.db"))


async def test_a_port_in_use_is_one_clear_error(tmp_path: Path) -> None:
    """It names the port, and the state file is let go."""
    async with PaperServer(PaperConfig(paused=True, warmup_candles=2)) as server:
        taken = config(tmp_path / "state.db", port=server.port)
        with pytest.raises(ConfigurationError, match=str(server.port)):
            async with PaperServer(taken):
                pass
    async with PaperServer(config(tmp_path / "state.db")):
        pass


COMMAND = "from kokex.cli.paper import app; app()"


@asynccontextmanager
async def process(*options: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, dict[str, Any]]]:
    """`kokex paper serve` in a process of its own, ready."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        COMMAND,
        "serve",
        "--port",
        "0",
        "--json",
        *options,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert child.stdout is not None
        line = await asyncio.wait_for(child.stdout.readline(), 60)
        yield child, json.loads(line)
    finally:
        if child.returncode is None:
            child.send_signal(signal.SIGTERM)
            await asyncio.wait_for(child.wait(), 60)


async def call(session: aiohttp.ClientSession, base: str, method: str, path: str, body: Any = None) -> Any:
    """One signed call at a bare address."""
    full = f"/api/v5/{path}"
    text = "" if body is None else json.dumps(body)
    stamp = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    headers = {
        "OK-ACCESS-KEY": DEFAULT_ACCOUNT.api_key,
        "OK-ACCESS-PASSPHRASE": DEFAULT_ACCOUNT.passphrase,
        "OK-ACCESS-TIMESTAMP": stamp,
        "OK-ACCESS-SIGN": signature(DEFAULT_ACCOUNT.secret_key, stamp + method + full + text),
        "x-simulated-trading": "1",
    }
    async with session.request(method, base + full, data=text or None, headers=headers) as response:
        return json.loads(await response.read())


@pytest.mark.slow
async def test_kill_minus_nine_loses_nothing_that_was_answered(tmp_path: Path) -> None:
    """Killed in the middle of a stream of orders, five times: every acknowledged order is there, once, and the books balance."""
    options = ["--state", str(tmp_path / "state.db"), "--speed", "20000"]
    acknowledged: list[str] = []
    for life in range(5):
        async with process(*options) as (child, ready), aiohttp.ClientSession() as session:
            for number in range(40):
                name = f"life{life}n{number}"
                order = {
                    "instId": SPOT,
                    "tdMode": "cash",
                    "side": "buy",
                    "ordType": "market",
                    "sz": "50",
                    "clOrdId": name,
                }
                if number == 25 + life:
                    asyncio.get_running_loop().call_later(0.002, os.kill, child.pid, signal.SIGKILL)
                try:
                    answer = await call(session, ready["rest_url"], "POST", "trade/order", order)
                except (aiohttp.ClientError, OSError):
                    break
                assert answer["code"] == "0", answer
                acknowledged.append(name)
            await asyncio.wait_for(child.wait(), 60)
    async with process(*options) as (_, ready), aiohttp.ClientSession() as session:
        base = ready["rest_url"]
        async with session.get(f"{base}/paper/v1/events") as response:
            events = (await response.json())["events"]
        async with session.get(f"{base}/paper/v1/books") as response:
            books = await response.json()
    filled = [event["clOrdId"] for event in events if event["state"] == "filled"]
    assert len(filled) == len(set(filled))
    assert set(acknowledged) <= set(filled)
    assert len(filled) <= len(acknowledged) + 5
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    bought = sum((Decimal(event["payload"]["fillSz"]) for event in events if event["tradeId"]), Decimal(0))
    fees = sum((Decimal(event["payload"]["fillFee"]) for event in events if event["tradeId"]), Decimal(0))
    assert Decimal(books["balances"]["ETH"]) == 10 + bought + fees
