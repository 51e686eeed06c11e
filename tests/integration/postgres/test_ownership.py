"""Locks on accounts live as long as the session that took them, and no longer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest

from kokex.adapters.postgres import PostgresStore
from kokex.adapters.postgres import ownership as module
from kokex.adapters.postgres.address import DatabaseAddress
from kokex.adapters.postgres.ownership import PostgresAccountLocks, engine_name
from kokex.domain.errors import StoreUnavailableError
from tests.world import eventually


@pytest.fixture
async def engines(database_url: str) -> AsyncIterator[list[PostgresAccountLocks]]:
    """Two engines on one database."""
    made = [PostgresAccountLocks(DatabaseAddress.parse(database_url), f"engine {n}") for n in (1, 2)]
    yield made
    for one in made:
        await one.close()


async def test_one_holder_at_a_time(engines: list[PostgresAccountLocks], store: PostgresStore) -> None:
    """And everybody can see who it is."""
    first, second = engines
    assert await first.acquire(7)
    assert not await second.acquire(7)
    assert await second.acquire(8)
    assert await store.owners.owners() == {7: "engine 1", 8: "engine 2"}
    assert await first.others() == {"engine 2": 1}
    await first.release(7)
    assert await second.acquire(7)
    assert await first.others() == {"engine 2": 2}
    assert await second.others() == {"engine 1": 0}


async def test_the_end_of_a_session_frees_what_it_held(
    engines: list[PostgresAccountLocks], database_url: str, store: PostgresStore
) -> None:
    """The former holder cannot prove it any more, from that moment on."""
    first, second = engines
    assert await first.acquire(7)
    await first.prove()
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as administrator:
        await administrator.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'kokex engine engine 1'"
        )
    assert await second.acquire(7)
    with pytest.raises(StoreUnavailableError):
        await first.prove()
    with pytest.raises(StoreUnavailableError, match="is lost"):
        await first.prove()
    assert not await first.acquire(7)
    assert await store.owners.owners() == {7: "engine 2"}


async def test_a_database_that_falls_silent_counts_as_lost(
    engines: list[PostgresAccountLocks], database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No answer within the time is no proof."""
    first, _ = engines
    assert await first.acquire(7)
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.2)
    with pytest.raises(StoreUnavailableError):
        await first._ask("SELECT pg_sleep(30)", [])
    with pytest.raises(StoreUnavailableError):
        await first.prove()


EVENT = (
    "INSERT INTO order_event_logs (plan_id, account_id, event_type, order_id, inst_id, side, event_key, event_data)"
    " VALUES (1, 7, 'buy_order_live', '9', 'ETH-USDT', 'buy', 'live', '{}')"
)
TURN = (
    "INSERT INTO turns (plan_id, status, trigger_keys, trigger_summary, event_ids, cursor, started_at)"
    " SELECT 1, 'running', '{}', '', '{}', 7, now() WHERE false"
)


@pytest.mark.parametrize("statement", [EVENT, TURN], ids=["event", "turn"])
async def test_a_new_holder_waits_for_what_the_former_is_writing(
    engines: list[PostgresAccountLocks], database_url: str, monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    """The last transaction of a dying engine is committed before its successor reads: its events, and what its turns told."""
    monkeypatch.setattr(module, "WRITING_SECONDS", 60.0)
    first, _ = engines
    async with await psycopg.AsyncConnection.connect(database_url) as writer:
        await writer.execute(statement)
        claim = asyncio.create_task(first.acquire(7))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(claim), 0.2)
        await writer.commit()
        assert await claim


async def test_a_transaction_that_does_not_end_keeps_its_account_waiting_and_no_other(
    engines: list[PostgresAccountLocks],
    database_url: str,
    store: PostgresStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The lock is given back, so that the engine goes on with what it has; it is had once the transaction is over."""
    monkeypatch.setattr(module, "WRITING_SECONDS", 0.05)
    async with await psycopg.AsyncConnection.connect(database_url) as writer:
        await writer.execute("LOCK TABLE order_event_logs IN ROW EXCLUSIVE MODE")
        assert not await engines[0].acquire(7)
        assert await store.owners.owners() == {}
        await engines[0].prove()
    assert await engines[0].acquire(7)


async def test_accounts_of_another_database_are_others(
    engines: list[PostgresAccountLocks], empty_database_url: str
) -> None:
    """Locks are by database."""
    first, _ = engines
    elsewhere = PostgresAccountLocks(DatabaseAddress.parse(empty_database_url))
    try:
        assert await first.acquire(7)
        assert await elsewhere.others() == {}
    finally:
        await elsewhere.close()


async def test_a_closed_engine_is_gone(engines: list[PostgresAccountLocks]) -> None:
    """Its presence and its accounts end with it."""
    first, second = engines
    assert await first.acquire(7)
    assert await second.others() == {"engine 1": 1}
    await first.close()

    async def alone() -> bool:
        return await second.others() == {}

    await eventually(alone, "the end of the other session")
    assert await second.acquire(7)


def test_names_fit_and_differ() -> None:
    """PostgreSQL keeps 63 bytes of a session's name."""
    one, other = engine_name(), engine_name()
    assert one != other
    assert len(f"{module.NAME}{one}") <= 63
