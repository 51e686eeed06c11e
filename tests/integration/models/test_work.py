"""The queue of requests: one claim each, leases, taking over, deadlines."""

from __future__ import annotations

import asyncio

import pytest

from kokex.adapters.postgres import PostgresStore
from kokex.domain.errors import StateError
from kokex.ports.work import NewWork, WorkKind, WorkStatus

LONG = 60.0


def forecast(key: str, seconds: float | None = None) -> NewWork:
    return NewWork(WorkKind.FORECAST, key, {"horizon": 4}, b"candles", seconds)


async def claim(store: PostgresStore, worker: str, *, lease: float = LONG, attempts: int = 5) -> str | None:
    work = await store.work.claim(worker, list(WorkKind), lease_seconds=lease, most_attempts=attempts)
    return None if work is None else work.key


async def test_each_request_is_claimed_once_however_many_ask(store: PostgresStore) -> None:
    """Twelve requests, five workers: nobody gets one that another has."""
    for number in range(12):
        await store.work.add(forecast(str(number)))
    taken: list[str] = []

    async def work(name: str) -> None:
        while (key := await claim(store, name)) is not None:
            taken.append(key)

    await asyncio.gather(*(work(f"worker {number}") for number in range(5)))
    assert sorted(taken, key=int) == [str(number) for number in range(12)]


async def test_asking_twice_is_asking_once(store: PostgresStore) -> None:
    """The key decides."""
    assert await store.work.add(forecast("a")) == await store.work.add(forecast("a"))


async def test_a_dead_worker_s_request_is_taken_over_and_its_late_answer_refused(
    store: PostgresStore,
) -> None:
    """A lease that has run out is the sign."""
    number = await store.work.add(forecast("a"))
    assert await claim(store, "dead", lease=-1.0) == "a"
    assert await claim(store, "heir") == "a"
    assert not await store.work.finish(number, "dead", {})
    assert not await store.work.renew(number, "dead", lease_seconds=LONG)
    assert await store.work.finish(number, "heir", {"made": True}, b"paths")
    ended = await store.work.get(number)
    assert (ended.status, ended.answer, ended.answer_data, ended.attempts) == (
        WorkStatus.DONE, {"made": True}, b"paths", 2,
    )  # fmt: skip


async def test_a_living_worker_keeps_its_request(store: PostgresStore) -> None:
    """Nobody else gets it."""
    await store.work.add(forecast("a"))
    assert await claim(store, "alive") == "a"
    assert await claim(store, "other") is None


async def test_a_request_that_kills_its_workers_is_given_up(store: PostgresStore) -> None:
    """Handed out once more as failed, for the record."""
    number = await store.work.add(forecast("a"))
    for name in ("one", "two"):
        assert await claim(store, name, lease=-1.0, attempts=2) == "a"
    work = await store.work.claim("three", list(WorkKind), lease_seconds=LONG, most_attempts=2)
    assert work is not None and work.status is WorkStatus.FAILED and "begun 2 times" in str(work.error)
    assert await claim(store, "four", attempts=2) is None
    assert (await store.work.get(number)).status is WorkStatus.FAILED


async def test_what_nobody_waits_for_any_more_is_not_handed_out(store: PostgresStore) -> None:
    """Its deadline passed, or the asker said so."""
    await store.work.add(forecast("late", seconds=-1.0))
    number = await store.work.add(forecast("expired"))
    assert (await store.work.expire(number)).status is WorkStatus.EXPIRED
    assert await claim(store, "worker") is None


async def test_an_answer_just_before_the_end_counts(store: PostgresStore) -> None:
    """Expiring what is done leaves it done."""
    number = await store.work.add(forecast("a"))
    await claim(store, "worker")
    await store.work.finish(number, "worker", {})
    assert (await store.work.expire(number)).status is WorkStatus.DONE


async def test_a_stop_by_a_person_waits_for_a_person(store: PostgresStore) -> None:
    """A stop by the worker itself does not."""
    number = await store.work.add(forecast("a"))
    await claim(store, "one")
    await store.work.release(number, "one")
    assert await claim(store, "two") == "a"
    await store.work.release(number, "two", stopped=True)
    assert await claim(store, "three") is None
    resumed = await store.work.resume("a", "person", lease_seconds=LONG)
    assert (resumed.status, resumed.attempts) == (WorkStatus.RUNNING, 1)
    with pytest.raises(StateError, match="running by person"):
        await store.work.resume("a", "another", lease_seconds=LONG)


async def test_workers_and_askers_hear_of_each_other(store: PostgresStore) -> None:
    """Word comes with the commit, not with the next look."""
    arrivals, endings = store.work.arrivals(), store.work.endings()
    async with asyncio.timeout(60):
        assert await anext(arrivals) == ""
        assert await anext(endings) == ""
        number = await store.work.add(forecast("a"))
        assert await anext(arrivals) == "forecast"
        await claim(store, "worker")
        await store.work.finish(number, "worker", {})
        assert await anext(endings) == "a"
    await arrivals.aclose()  # type: ignore[attr-defined]
    await endings.aclose()  # type: ignore[attr-defined]


async def test_old_answers_are_cleared_away_and_trainings_stay(store: PostgresStore) -> None:
    """Paths are large; nobody reads them twice."""
    number = await store.work.add(forecast("a"))
    await store.work.add(NewWork(WorkKind.TRAIN, "train:1", {}))
    await store.work.expire(number)
    assert await store.work.tidy(older_than_seconds=-1.0) == 1
    assert await store.work.by_key("train:1") is not None
