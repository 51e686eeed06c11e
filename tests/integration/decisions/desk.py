"""A paper world whose plan is decided by the real agent, with a scripted model or without one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from kokex.adapters.langchain import LangChainAgentService, ModelSettings
from kokex.adapters.system_clock import SystemClock
from kokex.bootstrap import Engine
from kokex.cli.app import run
from kokex.domain.plan import Plan
from kokex.ports.agent import Agent
from kokex.ports.store import TurnRecord
from tests.integration.langchain.scripted_llm import ScriptedLLM
from tests.world import Platform, eventually, paper_world, running_engine


class Desk:
    """A plan at work."""

    def __init__(self, world: Platform, plan: Plan, engine: Engine) -> None:
        self.world = world
        self.plan = plan
        self.engine = engine
        self.store = world.application.store

    async def closed(self, least: int = 1) -> list[TurnRecord]:
        """The plan's closed turns, oldest first, once there are `least`."""

        async def enough() -> list[TurnRecord]:
            found = await self.store.turns.recent(self.plan.id, limit=100)
            done = [turn for turn in reversed(found) if turn.finished_at is not None]
            return done if len(done) >= least else []

        found: list[TurnRecord] = await eventually(enough, f"{least} turns")
        return found

    async def first_turn(self) -> TurnRecord:
        """The plan's first turn: a forecast may wake it at the start already."""
        self.world.step()
        return (await self.closed(1))[0]

    async def after_a_candle(self) -> TurnRecord:
        """The newest turn, once one was woken by the next candle's forecast."""
        before = len(await self.store.turns.recent(self.plan.id, limit=100))
        self.world.step()
        return (await self.closed(before + 1))[-1]


@asynccontextmanager
async def desk(
    database_url: str,
    folder: Path,
    llm: ScriptedLLM | None = None,
    thinker: Agent | None = None,
    **plan: Any,
) -> AsyncIterator[Desk]:
    """A running plan on a standing market; the engine stops at the end. `thinker` decides in the agent's place."""
    settings = ModelSettings(llm.base_url, "scripted", "sk-secret", max_retries=0) if llm else None
    agent = LangChainAgentService(settings, SystemClock())
    try:
        async with (
            paper_world(database_url, folder) as world,
            running_engine(world.application, thinker=thinker or agent) as (engine, _),
        ):
            made = Desk(world, await world.plan(**plan), engine)
            await eventually(
                lambda: engine.activity.works(made.plan.id) and not engine.activity.waiting, "readiness"
            )
            yield made
    finally:
        await agent.close()


async def told(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    """What a command writes to standard output."""
    capsys.readouterr()
    found = await asyncio.to_thread(run, [*arguments])
    said = capsys.readouterr()
    assert found == code, said.err
    return said.out + (said.err if code else "")
