"""Paper exchanges in lock-step: market time moves only when a test moves it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from kokex.paper import PaperConfig, PaperServer


@pytest.fixture
async def server() -> AsyncIterator[PaperServer]:
    """A stopped market with 400 hours of history."""
    config = PaperConfig(
        paused=True, ticks_per_candle=40, warmup_candles=400, instruments=("ETH-USDT", "ETH-USDT-SWAP")
    )
    async with PaperServer(config) as running:
        yield running
