"""The OKX adapter on the paper exchange."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp

from kokex.adapters.okx import OKXAdapter, endpoints_for
from kokex.domain.account import Credentials, Environment, ExchangeAccount
from kokex.domain.candle import Interval
from kokex.paper import PaperConfig, PaperServer
from kokex.paper.config import DEFAULT_ACCOUNT
from tests.contract.exchange.venue import RecordedEvent, Venue, WallClock


class PaperHand:
    """Moves the paper exchange over its admin face."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = f"{url}/paper/v1/"

    async def step(self, ticks: int) -> None:
        await self._post("clock", {"step_ticks": ticks})

    async def close_candles(self, number: int) -> None:
        await self._post("clock", {"step_candles": number})

    async def cut_next_answer(self) -> None:
        await self._post("faults", {"kind": "cut_before_ack"})

    async def lose_next_answer(self) -> None:
        await self._post("faults", {"kind": "timeout_live"})

    async def spoil_next_push(self) -> None:
        await self._post("faults", {"kind": "malformed_frame", "channel": "orders"})

    async def repeat_next_push(self) -> None:
        await self._post("faults", {"kind": "duplicate_push"})

    async def drop_sockets(self) -> None:
        await self._post("disconnect", {})

    async def announce_restart(self) -> None:
        await self._post("notice", {})

    async def record(self) -> list[RecordedEvent]:
        async with self._session.get(
            self._url + "events", params={"account": DEFAULT_ACCOUNT.api_key}
        ) as response:
            told = await response.json()
        return [
            RecordedEvent(row["ordId"], row["state"], row["tradeId"], Decimal(row["accFillSz"] or "0"))
            for row in told["events"]
        ]

    async def _post(self, path: str, body: dict[str, Any]) -> None:
        async with self._session.post(self._url + path, json=body) as response:
            assert response.status == 200, await response.text()


@asynccontextmanager
async def okx_on_paper(folder: Path) -> AsyncIterator[Venue]:
    """A paused paper market that moves when the test says so."""
    config = PaperConfig(
        paused=True, instruments=("ETH-USDT", "ETH-USDT-SWAP"), warmup_candles=2100, ticks_per_candle=60
    )
    async with PaperServer(config) as server, aiohttp.ClientSession() as session:
        endpoints = endpoints_for("global", Environment.PAPER, paper_url=server.rest_url)
        account = ExchangeAccount(1, "paper", "okx", Environment.PAPER, endpoints)
        keys = Credentials(DEFAULT_ACCOUNT.api_key, DEFAULT_ACCOUNT.secret_key, DEFAULT_ACCOUNT.passphrase)
        adapter = OKXAdapter(WallClock())
        exchange = adapter.exchange(account, keys)
        try:
            yield Venue(
                adapter=adapter,
                account=account,
                credentials=keys,
                exchange=exchange,
                hand=PaperHand(session, server.rest_url),
                spot="ETH-USDT",
                swap="ETH-USDT-SWAP",
                interval=Interval("1H"),
            )
        finally:
            await exchange.close()
