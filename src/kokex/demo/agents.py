"""Who decides in the demo: the built-in policy for one plan, a model behind an OpenAI-compatible address for the other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from kokex.adapters.langchain import LangChainAgentService, ModelSettings
from kokex.bootstrap import Application
from kokex.demo.model_server import ModelServer
from kokex.demo.options import LANGUAGE, PRICE
from kokex.demo.scripted_model import NAME
from kokex.domain.decision import Decision, Turn
from kokex.ports.toolbox import Toolbox


@dataclass(frozen=True, slots=True)
class DemoAgents:
    """`Agent` for both plans, whatever model the settings ask for: the demo spends nobody's money."""

    built_in: LangChainAgentService
    language: LangChainAgentService

    async def run_turn(self, turn: Turn, toolbox: Toolbox) -> Decision:
        """See `Agent`."""
        agent = self.language if turn.plan.name == LANGUAGE else self.built_in
        return await agent.run_turn(turn, toolbox)

    async def prepare(self) -> None:
        """Load what a language model needs (seconds, off the event loop), so that no turn waits for it."""
        await self.language.prepare()


@asynccontextmanager
async def demo_agents(opened: Application, server: ModelServer) -> AsyncIterator[DemoAgents]:
    """The agents, with the model that `server` is."""
    settings = ModelSettings(server.base_url, NAME, price=PRICE)
    language = LangChainAgentService(settings, opened.clock, spending=opened.store.spending)
    try:
        yield DemoAgents(LangChainAgentService(None, opened.clock), language)
    finally:
        await language.close()
