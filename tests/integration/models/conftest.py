"""A plan to make versions for."""

from __future__ import annotations

import pytest

from kokex.adapters.postgres import PostgresStore
from kokex.domain.account import Credentials, Endpoints, Environment
from kokex.domain.candle import Interval
from kokex.domain.plan import ForecastSettings, NewPlan, Plan


@pytest.fixture
async def plan(store: PostgresStore) -> Plan:
    """A plan on a paper account that nobody connects to."""
    endpoints = Endpoints("http://127.0.0.1:1", "ws://127.0.0.1:1", "ws://127.0.0.1:1", "ws://127.0.0.1:1")
    account = await store.accounts.add("one", "okx", Environment.PAPER, endpoints, Credentials("k", "s", "p"))
    settings = ForecastSettings(context=60, horizon=4, paths=8)
    return await store.plans.add(NewPlan("eth", account.id, "ETH-USDT", Interval("1H"), forecast=settings))
