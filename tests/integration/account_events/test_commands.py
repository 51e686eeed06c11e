"""What a person at the command line sees of an account's stream and events."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest

from kokex.cli import streams
from kokex.cli.app import run
from tests.integration.account_events.test_flow import BOTH, SWAP, by_hand, deal
from tests.world import eventually, paper_world, running_engine


async def test_streams_and_events_of_an_account(
    database_url: str,
    tmp_path: Path,
    own_place: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As tables and as JSON, just after the engine wrote, and when it wrote long ago."""

    async def asked(*arguments: str) -> tuple[str, str]:
        capsys.readouterr()
        assert await asyncio.to_thread(run, [*arguments]) == 0
        said = capsys.readouterr()
        return said.out, said.err

    async with paper_world(database_url, tmp_path, BOTH) as world:
        plan = await world.plan(inst_id=SWAP)
        store = world.application.store
        async with running_engine(world.application) as (engine, _), by_hand(world) as client:
            await eventually(
                lambda: engine.activity.works(plan.id) and not engine.activity.waiting, "readiness"
            )
            await deal(client, SWAP, "buy", "3")

            async def counted() -> bool:
                (row,) = await store.subscriptions.list()
                return bool(row.events and row.reports and row.reconciled_at)

            await eventually(counted, "counts")

    out, _ = await asked("streams", "--json")
    (row,) = json.loads(out)
    assert (row["plan"], row["state"], row["flaws"]) == ("plan 1", "connected", 0)
    assert "64003" in row["refused"]["fills"]
    out, err = await asked("streams")
    assert "okx:paper:1" in out
    assert "okx:paper:1 is not given fills: 64003" in err
    monkeypatch.setattr(streams, "SILENT", timedelta(0))
    out, err = await asked("streams")
    assert "unknown" in out
    assert "No engine keeps 1 of these up to date" in err

    out, _ = await asked("events", "account", "paper 1")
    assert "position_opened  ETH-USDT-SWAP, 0 to 3 (+3), filled" in out
    out, _ = await asked("events", "account", "paper 1", "--json", "--last", "1")
    (line,) = out.splitlines()
    assert json.loads(line)["account"] == "paper 1"
