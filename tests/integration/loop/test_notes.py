"""What an agent keeps for later turns, through its tools and the commands."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kokex.cli.app import run
from kokex.domain.decision import Turn
from kokex.domain.notice import AlertDirection
from kokex.domain.plan import AgentSettings, TriggerKind
from kokex.ports.toolbox import Toolbox
from tests.world import eventually, paper_world, platform, running_engine

BY_MESSAGE = AgentSettings(triggers=frozenset({TriggerKind.USER, TriggerKind.PRICE_ALERT}))
ABOVE, BELOW = AlertDirection.ABOVE, AlertDirection.BELOW


class Keeper:
    """Uses its tools once, in its first turn; keeps what they answered."""

    def __init__(self) -> None:
        self.answers: dict[str, Mapping[str, Any]] = {}
        self.done = asyncio.Event()

    async def __call__(self, turn: Turn, toolbox: Toolbox) -> None:
        if self.done.is_set():
            return
        last = Decimal(str((await toolbox.get_current_price())["last"]))
        asked = {
            "near": toolbox.set_price_alert(last * 2, ABOVE, "take profit? "),
            "again": toolbox.set_price_alert(last * 2, ABOVE, "said twice"),
            "beyond": toolbox.set_price_alert(last / 2, ABOVE),
            "noted": toolbox.remember("  The ask was thin at noon.  "),
            "blank": toolbox.remember("  "),
            "recalled": toolbox.recall("THIN noon"),
            "nothing": toolbox.recall("moon"),
        }
        for name, answer in asked.items():
            self.answers[name] = await answer
        self.done.set()


async def test_alerts_and_notes_through_the_tools(database_url: str, tmp_path: Path) -> None:
    """Dated, bounded, with refusals that say what to do; the note is there in a later life of the engine."""
    keeper = Keeper()
    async with platform(database_url, tmp_path, keeper) as (world, _, _):
        app = world.application
        plan = await world.plan(agent=BY_MESSAGE)
        world.step()
        await app.store.messages.add(plan.id, "note what you see", app.clock.now())
        async with asyncio.timeout(60):
            await keeper.done.wait()
        said = keeper.answers
        assert said["near"]["note"] == "take profit?" and said["near"]["direction"] == "above"
        assert [one["alert"] for one in said["near"]["waiting"]] == [1]
        assert said["again"]["alert"] == 1 and said["again"]["note"] == "take profit?"
        assert said["beyond"]["code"] == "already_reached" and "nothing was set" in said["beyond"]["error"]
        assert said["noted"]["text"] == "The ask was thin at noon." and said["noted"]["notes_kept"] == 1
        assert said["blank"]["code"] == "empty"
        (note,) = said["recalled"]["notes"]
        assert note == {name: said["noted"][name] for name in ("made_at", "decision", "text")}
        assert said["nothing"]["notes"] == []


async def test_a_plan_that_alerts_do_not_wake_sets_none(database_url: str, tmp_path: Path) -> None:
    keeper = Keeper()
    async with platform(database_url, tmp_path, keeper) as (world, _, _):
        app = world.application
        plan = await world.plan(agent=AgentSettings(triggers=frozenset({TriggerKind.USER})))
        world.step()
        await app.store.messages.add(plan.id, "look", app.clock.now())
        async with asyncio.timeout(60):
            await keeper.done.wait()
        assert keeper.answers["near"]["code"] == "not_woken_by_alerts"
        assert await app.store.alerts.active([plan.id]) == []


async def test_an_alert_that_a_tool_set_wakes_the_agent(database_url: str, tmp_path: Path) -> None:
    """In the same life of the engine, by the streams' prices; its note comes as data."""
    set_at: list[Decimal] = []

    async def act(turn: Turn, toolbox: Toolbox) -> None:
        if not set_at:
            last = Decimal(str((await toolbox.get_current_price())["last"]))
            for direction, factor in ((ABOVE, "1.0001"), (BELOW, "0.9999")):
                await toolbox.set_price_alert(last * Decimal(factor), direction, "it moved")
            set_at.append(last)

    async with (
        paper_world(database_url, tmp_path) as world,
        running_engine(world.application, act) as (_, agent),
    ):
        app = world.application
        plan = await world.plan(agent=BY_MESSAGE)
        world.step()
        await app.store.messages.add(plan.id, "watch it", app.clock.now())
        await eventually(lambda: set_at, "the alerts set")

        def fired() -> bool:
            world.step()
            return any(one.kind is TriggerKind.PRICE_ALERT for turn in agent.turns for one in turn.triggers)

        await eventually(fired, "an alert")
        facts = agent.turns[1].triggers[0].facts
        assert facts["your_note"] == "it moved" and "crossed" not in facts


async def test_a_person_lists_and_removes_alerts(
    database_url: str,
    tmp_path: Path,
    own_place: None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Wrong numbers are named; a removed one is told as removed."""
    async with paper_world(database_url, tmp_path) as world:
        app = world.application
        plan = await world.plan(name="eth", agent=BY_MESSAGE)
        await app.store.alerts.set(plan.id, 1, Decimal("2500.50"), ABOVE, "sell?", app.clock.now())

    async def command(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = await asyncio.to_thread(run, ["agent", "alerts", *words])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    code, out, _ = await command("eth")
    assert code == 0 and "above 2500.5" in out and "waits" in out and "sell?" in out
    code, out, err = await command("eth", "--remove", "7")
    assert (code, out) == (1, "") and "plan eth has no alert 7 that waits" in err
    code, _, err = await command("eth", "--remove", "one")
    assert code == 2 and "'one' is not a whole number" in err
    code, _, err = await command("btc")
    assert code == 1 and "there is no plan 'btc'" in err
    code, out, _ = await command("eth", "--remove", "1", "--json")
    (kept,) = json.loads(out)
    assert code == 0 and kept["price"] == "2500.50" and kept["removed_at"] is not None
