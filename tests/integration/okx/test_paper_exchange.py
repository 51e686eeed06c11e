"""The OKX adapter and the paper exchange: TLS, uvloop, a server that comes back, a listener that cannot keep up."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import uvloop

from kokex.adapters.okx import OKXAdapter, endpoints_for
from kokex.domain.account import Credentials, Environment, ExchangeAccount
from kokex.domain.errors import ExchangeUnavailableError
from kokex.domain.events import ClassifiedUpdate
from kokex.domain.instrument import InstrumentKind
from kokex.paper import PaperConfig, PaperServer
from kokex.paper.config import DEFAULT_ACCOUNT
from tests.contract.exchange.venue import Ear, WallClock
from tests.unit.okx.okx_fakes import SkippingClock, item, until

KEYS = Credentials(DEFAULT_ACCOUNT.api_key, DEFAULT_ACCOUNT.secret_key, DEFAULT_ACCOUNT.passphrase)


def still(**changes: object) -> PaperConfig:
    """A small market that stands still."""
    settings = {"paused": True, "instruments": ("ETH-USDT",), "warmup_candles": 50, "ticks_per_candle": 20}
    return PaperConfig(**{**settings, **changes})  # type: ignore[arg-type]


def account_at(server: PaperServer, certificate: Path | None = None) -> ExchangeAccount:
    """The default account of `server`."""
    endpoints = endpoints_for(
        "global",
        Environment.PAPER,
        paper_url=server.rest_url,
        certificate_file=None if certificate is None else str(certificate),
    )
    return ExchangeAccount(1, "paper", "okx", Environment.PAPER, endpoints)


async def test_a_certificate_of_its_own_is_trusted_when_it_is_given(tmp_path: Path) -> None:
    """REST and both kinds of stream over TLS."""
    async with PaperServer(still(tls_dir=tmp_path)) as server:
        account = account_at(server, server.certificate)
        adapter, ear = OKXAdapter(WallClock()), Ear()
        exchange = adapter.exchange(account, KEYS)
        private = adapter.account_stream(account, KEYS, ear)
        public = adapter.market_stream(account, ear)
        private.subscribe_orders_channel("ETH-USDT")
        public.subscribe_ticker("ETH-USDT")
        running = [asyncio.create_task(stream.run()) for stream in (private, public)]
        try:
            assert len(await exchange.instruments(InstrumentKind.SPOT)) == 1
            assert (await exchange.account()).total("ETH") == 10
            await ear.until(lambda: ear.subscribed == 1 and bool(ear.tickers))
        finally:
            for task in running:
                task.cancel()
            await asyncio.wait(running)
            await exchange.close()


async def test_a_certificate_that_is_not_trusted_is_refused(tmp_path: Path) -> None:
    """Before anything is sent."""
    async with PaperServer(still(tls_dir=tmp_path)) as server:
        exchange = OKXAdapter(SkippingClock()).exchange(account_at(server), KEYS)
        with pytest.raises(ExchangeUnavailableError, match="certificate"):
            await exchange.server_time()
        await exchange.close()


async def test_a_server_that_comes_back_is_found_within_two_seconds() -> None:
    """The same port, some time later."""
    async with PaperServer(still()) as server:
        account, port = account_at(server), server.port
        ear = Ear()
        stream = OKXAdapter(WallClock()).account_stream(account, KEYS, ear)
        stream.subscribe_orders_channel("ETH-USDT")
        running = asyncio.create_task(stream.run())
        await ear.until(lambda: ear.subscribed == 1)
    try:
        await ear.until(lambda: len(ear.losses) == 1)
        await until(lambda: "no connection" in (stream.status.last_loss or ""))
        async with PaperServer(still(port=port)):
            began = asyncio.get_running_loop().time()
            await ear.until(lambda: ear.subscribed == 2)
            assert asyncio.get_running_loop().time() - began < 2.0
    finally:
        running.cancel()
        await asyncio.wait([running])


class SlowEar(Ear):
    """Has room for fifty updates, and needs to be emptied by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting = 0
        self.fullest = 0
        self.emptied = asyncio.Event()

    def on_order_updates(self, updates: Sequence[ClassifiedUpdate], received_at: datetime) -> bool:
        super().on_order_updates(updates, received_at)
        self.waiting += len(updates)
        self.fullest = max(self.fullest, self.waiting)
        return self.waiting < 50

    async def room(self) -> None:
        while self.waiting >= 50:
            self.emptied.clear()
            await self.emptied.wait()

    def empty(self) -> None:
        self.waiting = 0
        self.emptied.set()


async def overrun() -> None:
    """Push far more than the listener takes at a time: nothing is lost, nothing overtakes."""
    async with PaperServer(still()) as server:
        ear = SlowEar()
        stream = OKXAdapter(WallClock()).account_stream(account_at(server), KEYS, ear)
        stream.subscribe_orders_channel("ETH-USDT")
        running = asyncio.create_task(stream.run())
        try:
            await ear.until(lambda: ear.subscribed == 1)
            row = item("ws_order_live.json")
            for number in range(3000):
                payload = row.replace(b"2600000000000000101", str(number).encode())
                assert server.push_private(KEYS.api_key, "orders", payload) == 1
            while len(ear.updates) < 3000:
                await ear.until(lambda: ear.waiting >= 50 or len(ear.updates) == 3000)
                ear.empty()
            assert [one.update.order_id for one in ear.updates] == [str(number) for number in range(3000)]
            assert ear.fullest == 50 and ear.losses == []
        finally:
            running.cancel()
            await asyncio.wait([running])


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_listener_that_cannot_keep_up_loses_nothing(run) -> None:  # type: ignore[no-untyped-def]
    """On both event loops: pausing a socket is the loop's own business."""
    run(overrun())


class SkewedClock(WallClock):
    """A computer whose clock is a minute and a half ahead."""

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=90)


async def test_a_clock_that_is_off_is_corrected_for_rest_and_streams() -> None:
    """The exchange's time is learned before anything is signed."""
    async with PaperServer(still()) as server:
        adapter, ear = OKXAdapter(SkewedClock()), Ear()
        exchange = adapter.exchange(account_at(server), KEYS)
        private = adapter.account_stream(account_at(server), KEYS, ear)
        private.subscribe_orders_channel("ETH-USDT")
        running = asyncio.create_task(private.run())
        try:
            assert (await exchange.account()).total("ETH") == 10
            await ear.until(lambda: ear.subscribed == 1)
        finally:
            running.cancel()
            await asyncio.wait([running])
            await exchange.close()
