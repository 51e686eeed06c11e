"""Requests to workers: a durable queue between processes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol


class WorkKind(StrEnum):
    """What a worker can be asked for."""

    TRAIN = "train"
    FORECAST = "forecast"


class WorkStatus(StrEnum):
    """How far a request is. `stopped`: a person did, and no worker takes it by itself; `expired`: nobody waits any more."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class NewWork:
    """A request.

    Attributes:
        key: asked twice under one key is asked once.
        details: plain values.
        data: numbers in bulk, as the kind defines them.
        seconds: how long anybody waits for it; None: for ever.
    """

    kind: WorkKind
    key: str
    details: Mapping[str, Any]
    data: bytes | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """A request as kept. `attempts`: how many workers have begun it."""

    id: int
    kind: WorkKind
    key: str
    status: WorkStatus
    details: Mapping[str, Any] = field(default_factory=dict)
    data: bytes | None = None
    attempts: int = 0
    worker: str | None = None
    error: str | None = None
    answer: Mapping[str, Any] | None = None
    answer_data: bytes | None = None


class WorkStore(Protocol):
    """`work_requests`: a durable queue. A claim is a lease: a worker that no longer renews it is taken for dead."""

    async def add(self, work: NewWork, *, claimed_by: str | None = None, lease_seconds: float = 0.0) -> int:
        """Keep a request and tell the workers; its number, that of the one kept already under the same key.

        `claimed_by`: the asker does it itself, from the start.
        """
        ...

    async def claim(
        self, worker: str, kinds: Collection[WorkKind], *, lease_seconds: float, most_attempts: int
    ) -> Work | None:
        """Take the oldest request that waits, or whose worker is dead; None where there is none.

        A request begun `most_attempts` times without an end is handed out once more as failed, for the record.
        """
        ...

    async def resume(self, key: str, worker: str, *, lease_seconds: float) -> Work:
        """Take this request, waiting, stopped or left by a dead worker.

        Raises:
            NotFoundError: there is none.
            StateError: it is at work elsewhere, or ended.
        """
        ...

    async def renew(self, work_id: int, worker: str, *, lease_seconds: float) -> bool:
        """Still at it. False: the request is no longer this worker's, and what it makes will not be taken."""
        ...

    async def finish(
        self, work_id: int, worker: str, answer: Mapping[str, Any], data: bytes | None = None
    ) -> bool:
        """Answer. False as for `renew`."""
        ...

    async def fail(self, work_id: int, worker: str, error: str) -> bool:
        """It cannot be done. False as for `renew`."""
        ...

    async def release(self, work_id: int, worker: str, *, stopped: bool = False) -> bool:
        """Give it back for another worker; `stopped`: only a person resumes it. False as for `renew`."""
        ...

    async def get(self, work_id: int) -> Work:
        """By number. Raises `NotFoundError`."""
        ...

    async def by_key(self, key: str) -> Work | None:
        """By key, or None."""
        ...

    async def expire(self, work_id: int) -> Work:
        """Nobody waits any more, unless it has ended: the request as it is after that."""
        ...

    async def tidy(self, *, older_than_seconds: float) -> int:
        """Remove ended forecast requests; how many."""
        ...

    def arrivals(self) -> AsyncIterator[str]:
        """Something may be waiting: a word whenever a request is added, and once at the start and after a lost connection."""
        ...

    def endings(self) -> AsyncIterator[str]:
        """Keys of requests that ended, as it happens; empty at the start and after a lost connection: any may have."""
        ...
