"""How order subscriptions stand, in `ws_subscriptions`."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import psycopg

from kokex.adapters.postgres import PostgresStore
from kokex.ports.store import SubscriptionStatus
from tests.builders import START

LATER = START + timedelta(minutes=1)
STATUS = SubscriptionStatus(
    plan_id=1,
    connection_key="okx:paper:1",
    inst_id="ETH-USDT",
    active=True,
    connected_since=START,
    last_event_at=None,
    events=0,
    reconnects=0,
    reconciled_at=None,
)


async def test_saved_and_listed(store: PostgresStore) -> None:
    """One row per plan, connection and instrument, by plan."""
    other = replace(STATUS, plan_id=2, inst_id="BTC-USDT", active=False, connected_since=None)

    await store.subscriptions.save([other, STATUS], START)
    await store.subscriptions.save([], LATER)

    kept = [replace(STATUS, updated_at=START), replace(other, updated_at=START)]
    assert await store.subscriptions.list() == kept


async def test_replaced(store: PostgresStore, database_url: str) -> None:
    """The latest word stands; when it began stays."""
    await store.subscriptions.save([STATUS], START)
    changed = replace(
        STATUS,
        events=7,
        reconnects=2,
        last_event_at=LATER,
        reconciled_at=LATER,
        active=False,
        reports=9,
        flaws=3,
        lag_seconds=0.25,
        worst_lag_seconds=1.5,
        refused={"fills": "64003"},
        stopped="keys",
    )

    await store.subscriptions.save([changed], LATER)

    assert await store.subscriptions.list() == [replace(changed, updated_at=LATER)]
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT channel, created_at, updated_at FROM ws_subscriptions").fetchone()
    assert row == ("orders", START, LATER)
