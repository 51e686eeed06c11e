"""The adapter as a whole, and the exchange's clock."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from kokex.adapters.okx import OKXAdapter, endpoints_for
from kokex.adapters.okx.server_clock import ServerClock
from kokex.domain.account import Environment, ExchangeAccount
from kokex.domain.errors import ConfigurationError
from kokex.ports.exchange import AccountStream, Exchange, ExchangeAdapter, MarketStream
from tests.builders import START
from tests.unit.okx.okx_fakes import CREDENTIALS, RememberingListener, SkippingClock

HERE = endpoints_for("global", Environment.PAPER, paper_url="http://127.0.0.1:1")
PAPER = ExchangeAccount(1, "paper", "okx", Environment.PAPER, HERE)


def test_the_adapter_fulfils_the_ports() -> None:
    """Checked by mypy where it is assigned, and here that it can be made."""
    adapter: ExchangeAdapter = OKXAdapter(SkippingClock())
    listener = RememberingListener()
    exchange: Exchange = adapter.exchange(PAPER, CREDENTIALS)
    account: AccountStream = adapter.account_stream(PAPER, CREDENTIALS, listener)
    market: MarketStream = adapter.market_stream(PAPER, listener)
    assert exchange and account and market


def test_a_paper_account_with_a_foreign_address_is_refused_everywhere() -> None:
    """No connection object is even made."""
    live = endpoints_for("global", Environment.LIVE)
    adapter = OKXAdapter(SkippingClock())
    foreign = replace(PAPER, endpoints=live)
    for make in (
        lambda: adapter.exchange(foreign, CREDENTIALS),
        lambda: adapter.account_stream(foreign, CREDENTIALS, RememberingListener()),
        lambda: adapter.market_stream(foreign, RememberingListener()),
    ):
        with pytest.raises(ConfigurationError, match="must stay on this computer"):
            make()


class Lesson:
    """An exchange that is `skew` ahead and takes two seconds to answer."""

    def __init__(self, clock: SkippingClock, skew: timedelta) -> None:
        self.clock = clock
        self.skew = skew
        self.asked = 0

    async def __call__(self) -> datetime:
        self.asked += 1
        await self.clock.sleep(1)
        told = self.clock.now() + self.skew
        await self.clock.sleep(1)
        return told


async def test_half_of_the_round_trip_is_taken_off() -> None:
    """The answer was made in the middle of it."""
    clock = SkippingClock()
    server_clock = ServerClock(clock, Lesson(clock, timedelta(minutes=3)))
    await server_clock.learn()
    assert server_clock.offset == timedelta(minutes=3)
    assert server_clock.now() == START + timedelta(minutes=3, seconds=2)


async def test_all_who_need_the_time_at_once_ask_once() -> None:
    """The first answer serves them all."""
    clock = SkippingClock()
    lesson = Lesson(clock, timedelta(0))
    server_clock = ServerClock(clock, lesson)
    await asyncio.gather(*(server_clock.ready() for _ in range(5)))
    assert lesson.asked == 1
    await server_clock.learn()
    assert lesson.asked == 2


def test_what_the_adapter_brings_along_is_bounded() -> None:
    """No pandas, no torch, no ccxt; and aiohttp, slow to import, only when an exchange is made."""
    code = "import sys, kokex.adapters.okx; print(sorted({m.split('.')[0] for m in sys.modules}))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for heavy in ("aiohttp", "torch", "pandas", "ccxt", "langchain", "sqlalchemy", "scipy"):
        assert f"'{heavy}'" not in told
