"""A paper exchange and other people's clients, pointed at it by their own URL settings and otherwise untouched."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import ccxt.async_support as ccxt_rest
import ccxt.pro as ccxt_pro
import pytest

from kokex.paper import PaperConfig, PaperServer
from kokex.paper.config import DEFAULT_ACCOUNT

SPOT, SWAP = "ETH/USDT", "ETH/USDT:USDT"


@pytest.fixture
async def server() -> AsyncIterator[PaperServer]:
    """A demo exchange in which an hour passes every half second."""
    async with PaperServer(PaperConfig(speed=7200, warmup_candles=700)) as running:
        yield running


def point(client: ccxt_rest.okx, server: PaperServer) -> None:
    """Give a ccxt client the exchange's addresses and, in demo, its sandbox flag."""
    if server.config.environment == "demo":
        client.set_sandbox_mode(True)
    client.urls["api"] = {"rest": server.rest_url, "ws": f"{server.ws_url}/ws/v5"}


def credentials() -> dict[str, str]:
    """The default account's key under ccxt's names."""
    return {
        "apiKey": DEFAULT_ACCOUNT.api_key,
        "secret": DEFAULT_ACCOUNT.secret_key,
        "password": DEFAULT_ACCOUNT.passphrase,
    }


async def listening(server: PaperServer, *channels: str) -> None:
    """Wait until the default account's private channels have a listener."""
    await asyncio.wait_for(server.wait_for_listeners("", *channels), 60)


ClientMaker = Callable[[PaperServer], ccxt_rest.okx]


@pytest.fixture
async def rest_client() -> AsyncIterator[ClientMaker]:
    """Makes ccxt REST clients and closes them."""
    async with contextlib.AsyncExitStack() as stack:

        def make(server: PaperServer) -> ccxt_rest.okx:
            client = ccxt_rest.okx({**credentials(), "enableRateLimit": False})
            stack.push_async_callback(client.close)
            point(client, server)
            return client

        yield make


@pytest.fixture
async def pro_client() -> AsyncIterator[ClientMaker]:
    """Makes ccxt.pro clients and closes them."""
    async with contextlib.AsyncExitStack() as stack:

        def make(server: PaperServer) -> ccxt_pro.okx:
            client = ccxt_pro.okx({**credentials(), "enableRateLimit": False})
            stack.push_async_callback(client.close)
            point(client, server)
            return client

        yield make
