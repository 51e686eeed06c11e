"""Conversations of a plan's turns go with the plan's stop."""

from __future__ import annotations

from pathlib import Path

import psycopg

from kokex.adapters.langchain import LangChainAgentService, ModelSettings
from kokex.adapters.postgres.address import DatabaseAddress
from kokex.adapters.system_clock import SystemClock
from tests.integration.decisions.desk import desk
from tests.integration.langchain.scripted_llm import ScriptedLLM, calls, final
from tests.world import eventually


async def test_a_stopped_plan_leaves_no_conversation(database_url: str, tmp_path: Path) -> None:
    """While it runs its latest is kept, for a crash; once it is stopped none of its own, and all of other plans."""
    connect = DatabaseAddress.parse(database_url).connect_arguments

    async def kept() -> set[str]:
        names = set()
        async with await psycopg.AsyncConnection.connect(**connect) as connection:
            for table in ("checkpoints", "checkpoint_blobs", "checkpoint_writes"):
                found = await connection.execute(f"SELECT DISTINCT thread_id FROM langgraph.{table}")
                names |= {row[0] for row in await found.fetchall()}
        return names

    script = [calls(("get_current_price", {})), final("hold", "Too dear.")] * 50
    async with ScriptedLLM(script) as llm:
        settings = ModelSettings(llm.base_url, "scripted", max_retries=0)
        thinker = LangChainAgentService(settings, SystemClock(), connect=connect)
        try:
            async with desk(database_url, tmp_path, thinker=thinker) as made:
                await made.first_turn()

                async def some() -> bool:
                    return any(name.startswith(f"plan:{made.plan.id}:turn:") for name in await kept())

                await eventually(some, "something kept of the latest turn")
                async with await psycopg.AsyncConnection.connect(**connect) as connection:
                    await connection.execute(
                        "INSERT INTO langgraph.checkpoints (thread_id, checkpoint_id, checkpoint)"
                        " VALUES (%s, '1', '{}')",
                        [f"plan:{made.plan.id}1:turn:7"],
                    )
                await made.world.application.plans.stop(made.plan.id)

                async def gone() -> bool:
                    return await kept() == {f"plan:{made.plan.id}1:turn:7"}

                await eventually(gone, "the end of what was kept")
        finally:
            await thinker.close()
