"""What every candidate is played on: one exchange, one database server, the same frames."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import psycopg
from psycopg import sql

from benchmarks.frames import FIRST_ORDER, STAGES
from benchmarks.notes import Moments
from benchmarks.processes import Child, Words, child, cpu_seconds
from kokex.adapters.postgres import EmbeddedPostgres


@dataclass(frozen=True, slots=True)
class Push:
    """Frames that every candidate gets in turn. `rate` None: as fast as they are read."""

    name: str
    first: int
    frames: int
    rate: float | None

    @property
    def last_order(self) -> int:
        """Order id of the last frame."""
        return FIRST_ORDER + self.first + self.frames // len(STAGES) - 1


@dataclass(frozen=True, slots=True)
class Played:
    """One push, played to one candidate: when each frame was sent, where the candidate's notes are, processor seconds."""

    push: Push
    sent: Moments
    notes: Path
    cpu: Mapping[str, float]
    answer: Words


@dataclass(frozen=True, slots=True)
class Stage:
    """Exchange and database server, both at work."""

    folder: Path
    server: EmbeddedPostgres
    market: Child

    def new_database(self) -> str:
        """URL of an empty database."""
        name = f"bench_{uuid4().hex}"
        with psycopg.connect(self.server.database_url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.server.database_url(name)

    @asynccontextmanager
    async def candidate(self, module: str, **words: Any) -> AsyncIterator[Child]:
        """A candidate's process. One at a time: the frames go to all who listen."""
        addresses = {name: self.market.ready[name] for name in ("rest_url", "ws_url")}
        async with child(module, self.folder / f"{module}.log", **addresses, **words) as process:
            yield process

    async def play(self, candidate: Child, push: Push, **words: Any) -> Played:
        """Push the frames, and return when the candidate has handled them all."""
        notes, sent = self.folder / "notes.npz", self.folder / "sent.npy"
        before = self._cpu(candidate)
        async with asyncio.TaskGroup() as tasks:
            handled = tasks.create_task(
                candidate.ask(do="until", frames=push.frames, save=str(notes), **words)
            )
            await self.market.ask(
                do="push", name=push.name, frames=push.frames, rate=push.rate, save=str(sent)
            )
        cpu = {name: used - before[name] for name, used in self._cpu(candidate).items()}
        return Played(push, np.load(sent), notes, cpu, handled.result())

    def _cpu(self, candidate: Child) -> dict[str, float]:
        file = self.folder / "home" / "database" / "cluster" / "postmaster.pid"
        postmaster = int(file.read_text().split("\n", 1)[0])
        return {
            "candidate": cpu_seconds(candidate.process.pid),
            "exchange": cpu_seconds(self.market.process.pid),
            "database": cpu_seconds(postmaster),
        }
