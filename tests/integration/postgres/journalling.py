"""Entries and plans for tests of the store."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from kokex.adapters.postgres import PostgresStore
from kokex.domain.account import Credentials, Endpoints, Environment, ExchangeAccount
from kokex.domain.candle import Interval
from kokex.domain.events import EventSource, classify
from kokex.domain.order import OrderUpdate
from kokex.domain.plan import NewPlan, Plan
from kokex.ports.store import JournalEntry
from tests.builders import START, update

ENDPOINTS = Endpoints("http://127.0.0.1:1", "ws://127.0.0.1:1/a", "ws://127.0.0.1:1/b", "ws://127.0.0.1:1/c")
CREDENTIALS = Credentials("key", "secret", "words")


def entry(told: OrderUpdate | None = None, **changes: Any) -> JournalEntry:
    """Plan 1 on account 1 hears of its own order over the stream."""
    made = JournalEntry(1, 1, classify(told or update()), EventSource.STREAM, False, START)
    return replace(made, **changes)


async def new_account(store: PostgresStore, name: str = "main") -> ExchangeAccount:
    """A paper account."""
    return await store.accounts.add(name, "okx", Environment.PAPER, ENDPOINTS, CREDENTIALS)


async def new_plan(store: PostgresStore, name: str = "eth", **changes: Any) -> Plan:
    """An ETH-USDT 1H plan on an account of its own."""
    account = await new_account(store, f"account of {name}")
    return await store.plans.add(NewPlan(name, account.id, "ETH-USDT", Interval("1H"), **changes))
