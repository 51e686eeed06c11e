"""Two engines on one database: each account is one engine's; when it is killed, the other takes over and loses nothing."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from kokex.domain.ids import order_origin
from tests.world import eventually, market, paper_account, paper_world

RIVAL = Path(__file__).with_name("rival_engine.py")
TAKEOVER_SECONDS = 10.0
"""What is promised; the test waits longer and then compares."""


class Rival:
    """One engine process, and what it has said so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.said: list[list[str]] = []
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            self.said.append(line.decode().split())

    def lines(self, word: str) -> list[list[str]]:
        return [line for line in self.said if line[0] == word]

    def owns(self) -> set[str]:
        """Accounts that it owns by its own words."""
        owned: set[str] = set()
        for line in self.said:
            if line[0] == "owned":
                owned.add(line[1])
            elif line[0] == "lost":
                owned.discard(line[1])
        return owned

    def moment(self, word: str, account: str) -> float:
        """When it first said `word` of an account."""
        return next(float(line[2]) for line in self.lines(word) if line[1] == account)

    async def kill(self) -> float:
        """End it as a crash does; the moment."""
        at = time.monotonic()
        os.kill(self.process.pid, signal.SIGKILL)
        await self.process.wait()
        return at

    async def end(self) -> None:
        if self.process.returncode is None:
            await self.kill()
        await self._reader


@asynccontextmanager
async def rival(home: Path, database_url: str, key: str) -> AsyncIterator[Rival]:
    """An engine with a data folder of its own; only the database and the encryption key are shared."""
    await asyncio.to_thread(home.mkdir, mode=0o700)
    environment = os.environ | {
        "KOKEX_DATABASE_URL": database_url,
        "KOKEX_SECRET_KEY": key,
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(RIVAL), str(home), stdout=asyncio.subprocess.PIPE, env=environment
    )
    running = Rival(process)
    try:
        await eventually(lambda: running.lines("ready"), "a ready engine", seconds=60)
        yield running
    finally:
        await running.end()


@pytest.mark.slow
async def test_a_killed_engine_s_accounts_are_taken_over(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within ten seconds, reconciled before anything is sent, never two owners, every event once."""
    key = base64.b64encode(os.urandom(32)).decode()
    monkeypatch.setenv("KOKEX_SECRET_KEY", key)
    config = market(accounts=(paper_account(1), paper_account(2)))
    async with paper_world(database_url, tmp_path / "home", config) as world:
        plans = [await world.plan(account=0), await world.plan(account=1)]
        numbers = {str(account.id) for account in world.accounts}
        async with (
            rival(tmp_path / "first", database_url, key) as first,
            rival(tmp_path / "second", database_url, key) as second,
        ):
            assert first.owns() == numbers
            assert second.owns() == set()
            owners = await world.application.store.owners.owners()
            assert len(set(owners.values())) == 1
            await eventually(lambda: all(world.pushed(one) for one in (0, 1)), "orders of both accounts")

            killed_at = await first.kill()
            await eventually(
                lambda: {line[1] for line in second.lines("reconciled")} == numbers,
                "the take-over",
                seconds=60,
            )
            took = max(second.moment("reconciled", number) for number in numbers) - killed_at
            print(f"taken over and reconciled {took:.2f} s after kill -9")
            assert took < TAKEOVER_SECONDS
            assert all(second.moment("owned", number) > killed_at for number in numbers)

            await eventually(
                lambda: world.step() or len(second.lines("order")) >= 2,
                "orders of the second engine",
                seconds=60,
            )
            for number, plan in enumerate(plans):
                await eventually(lambda: _same(world, plan, number), "an equal journal")  # noqa: B023
            for _, name, at in second.lines("order"):
                origin = order_origin(name)
                account = next(str(plan.account_id) for plan in plans if origin and plan.id == origin.plan_id)
                assert float(at) > second.moment("reconciled", account), "sent before it was reconciled"
    for number in (0, 1):
        names = [event.client_order_id for event in _record(world, number) if event.state == "live"]
        assert len(names) == len(set(names)), "an order was sent twice"


async def _same(world: Any, plan: Any, number: int) -> bool:
    return Counter(await world.journalled(plan)) == Counter(set(world.pushed(number)))


def _record(world: Any, number: int) -> list[Any]:
    owner = world.server.exchange.find_account(world.server.config.accounts[number].api_key)
    return list(world.server.exchange.records.events[owner.uid])
