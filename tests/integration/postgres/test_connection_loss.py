"""A lost connection loses nothing: not an event, not its number, not a plan's change."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from kokex.adapters.postgres import EmbeddedPostgres, PostgresStore
from kokex.adapters.postgres.journal_writer import JournalWriter
from kokex.adapters.vault import Vault
from kokex.domain.errors import ConfigurationError, NotFoundError, StoreUnavailableError
from kokex.domain.plan import PlanStatus
from tests.builders import update
from tests.integration.postgres.journalling import entry, new_plan


@pytest.fixture
async def administrator(database_url: str) -> AsyncIterator[psycopg.AsyncConnection[tuple[object, ...]]]:
    """A connection to the same database that can end the others."""
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        yield connection


async def end_others(administrator: psycopg.AsyncConnection[tuple[object, ...]]) -> int:
    """Cut every other connection to the database."""
    found = await administrator.execute(
        "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
    )
    row = await found.fetchone()
    assert row is not None
    return int(str(row[0]))


async def test_journal_and_pool_recover_by_themselves(
    store: PostgresStore, administrator: psycopg.AsyncConnection[tuple[object, ...]]
) -> None:
    """The next call after the cut works, and reports numbers as if nothing had been."""
    (first,) = await store.journal.append([entry()])
    await store.plans.list()
    assert await end_others(administrator) >= 2

    (second,) = await store.journal.append([entry(update(order_id="9002"))])

    assert first is not None
    assert second is not None
    assert await store.journal.count(1) == 2
    assert await store.plans.list() == []


@pytest.mark.parametrize(("known", "size"), [(1, 1), (0, 300)])
async def test_a_commit_whose_answer_was_lost_is_reported_as_new(
    store: PostgresStore,
    administrator: psycopg.AsyncConnection[tuple[object, ...]],
    monkeypatch: pytest.MonkeyPatch,
    known: int,
    size: int,
) -> None:
    """It happened, so trying again finds duplicates: they are this writer's own and get their numbers, once."""
    (earlier,) = await store.journal.append([entry()])
    append = JournalWriter._append
    cuts = 0

    async def append_and_cut(self, line, batch, *, may_copy):  # type: ignore[no-untyped-def]
        nonlocal cuts
        numbers = await append(self, line, batch, may_copy=may_copy)
        if not cuts:
            cuts += 1
            await end_others(administrator)
            await line.connection.execute("SELECT 1")
        return numbers

    monkeypatch.setattr(JournalWriter, "_append", append_and_cut)
    told = [*[entry()] * known, *(entry(update(order_id=f"x{number}")) for number in range(size))]
    numbers = await store.journal.append(told)

    assert cuts == 1
    assert numbers[:known] == [None] * known
    fresh = numbers[known:]
    assert None not in fresh
    assert [event.id for event in await store.journal.events_after(1, 0)] == [earlier, *fresh]
    assert await store.journal.append(told) == [None] * len(told)


async def test_a_cancelled_append_leaves_the_writer_sound(store: PostgresStore) -> None:
    """Whether it was committed or not, trying again reports the number."""
    await store.journal.append([entry()])
    task = asyncio.create_task(store.journal.append([entry(update(order_id="9002"))]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    (number,) = await store.journal.append([entry(update(order_id="9002"))])

    assert number is not None
    assert await store.journal.count(1) == 2


async def test_changes_of_plans_are_heard_again(
    store: PostgresStore, administrator: psycopg.AsyncConnection[tuple[object, ...]]
) -> None:
    """0 at first and after a cut: anything may have changed; then each plan by its number."""
    plan = await new_plan(store)
    changes = store.plans.changes()
    async with asyncio.timeout(60):
        assert await anext(changes) == 0
        await store.plans.set_status(plan.id, PlanStatus.RUNNING)
        assert await anext(changes) == plan.id

        waiting = asyncio.ensure_future(anext(changes))
        await end_others(administrator)
        assert await waiting == 0
        await store.plans.set_status(plan.id, PlanStatus.STOPPED)
        assert await anext(changes) == plan.id
    await changes.aclose()  # type: ignore[attr-defined]


async def test_a_change_that_is_rolled_back_is_not_told(store: PostgresStore) -> None:
    """Only what was committed; a plan that does not exist is nothing."""
    plan = await new_plan(store)
    changes = store.plans.changes()
    async with asyncio.timeout(60):
        assert await anext(changes) == 0
        with pytest.raises(NotFoundError, match="plan 99"):
            await store.plans.set_status(99, PlanStatus.RUNNING)
        await store.plans.set_status(plan.id, PlanStatus.PAUSED)
        assert await anext(changes) == plan.id
    await changes.aclose()  # type: ignore[attr-defined]


async def test_a_database_that_is_not_there(database_server: EmbeddedPostgres, vault: Vault) -> None:
    """Named in the message."""
    with pytest.raises(StoreUnavailableError, match="'no_such_database'"):
        await PostgresStore.open(database_server.database_url("no_such_database"), vault)


async def test_a_server_that_is_not_there(vault: Vault) -> None:
    """Host and database are named, the password is not."""
    with pytest.raises(StoreUnavailableError, match=r"'trading' on 127\.0\.0\.1") as caught:
        await PostgresStore.open("postgresql://ann:s3cr3t@127.0.0.1:1/trading", vault)

    assert "s3cr3t" not in str(caught.value)


async def test_a_store_whose_database_goes_away(database_url: str, store: PostgresStore) -> None:
    """Every kind of call says so."""
    name = str(conninfo_to_dict(database_url)["dbname"])
    administration = make_conninfo(database_url, dbname="postgres")
    await store.journal.append([entry()])
    async with await psycopg.AsyncConnection.connect(administration, autocommit=True) as connection:
        await connection.execute(f'ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS false')
        await connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [name]
        )
        for call in (
            store.plans.list(),
            store.journal.append([entry(update(order_id="9002"))]),
            anext(store.plans.changes()),
        ):
            with pytest.raises(StoreUnavailableError, match=name):
                await call
        await connection.execute(f'ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS true')

    assert await store.journal.append([entry(update(order_id="9002"))]) != [None]


async def test_a_malformed_url(vault: Vault) -> None:
    """A setting to mend, not a database to wait for."""
    with pytest.raises(ConfigurationError):
        await PostgresStore.open("sqlite:///kokex.db", vault)
