"""The agent of every plan: wakes for what happened, thinks with a language model or with the built-in policy, acts through tools."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import structlog

from kokex.adapters.langchain.metering import NoModelError, SpendingMeter
from kokex.adapters.langchain.policy import BuiltInPolicy
from kokex.adapters.langchain.settings import ChainSettings, ModelSettings
from kokex.adapters.langchain.tools import TurnTools
from kokex.domain.decision import BUILT_IN, Decision, Turn
from kokex.domain.errors import AgentError
from kokex.domain.plan import TriggerKind
from kokex.ports.clock import Clock
from kokex.ports.spending import SpendingStore
from kokex.ports.toolbox import Toolbox

if TYPE_CHECKING:
    from kokex.adapters.langchain.model import ModelAgent

log = structlog.get_logger(__name__)

EXITS = f"{BUILT_IN} (exits only)"
"""Name of who decides where no model can be asked."""
_EXIT_CALLS = 12
"""Tool calls that the built-in exits need at most."""

_PRECEDENCE = (
    TriggerKind.USER,
    TriggerKind.MARGIN,
    TriggerKind.RISK_EVENT,
    TriggerKind.PRICE_ALERT,
    TriggerKind.FORECAST,
    TriggerKind.CANDLE,
    TriggerKind.SCHEDULE,
    TriggerKind.STOP,
    TriggerKind.POSITION,
    TriggerKind.ORDER_EVENT,
    TriggerKind.BALANCE,
)


class LangChainAgentService:
    """Runs turns. With `model` None the built-in policy decides, through the same tools and the same risk gate.

    Where no model can be asked (all are down, or the day's budget is spent) the policy stands in, and then it may only reduce or close.
    """

    def __init__(
        self,
        model: ModelSettings | ChainSettings | None,
        clock: Clock,
        policy: BuiltInPolicy | None = None,
        spending: SpendingStore | None = None,
        connect: Mapping[str, Any] | None = None,
    ) -> None:
        """`spending`: where the cost of each answer is kept; nothing is kept without it.

        `connect`: to the database where a turn's conversation is kept while it goes on (keyword arguments of `psycopg.connect`).

        Raises:
            ConfigurationError: a budget, and nowhere to keep what was spent.
        """
        self._chain = ChainSettings((model,)) if isinstance(model, ModelSettings) else model
        self._meter = None if self._chain is None else SpendingMeter(spending, clock, self._chain)
        self._clock = clock
        self._connect = connect
        self._policy = policy or BuiltInPolicy()
        self._agent: ModelAgent | None = None
        self._loading = asyncio.Lock()

    async def run_turn(self, turn: Turn, toolbox: Toolbox) -> Decision:
        """One turn to its decision. What woke it decides the handler; every handler is told of all triggers.

        Raises:
            AgentError: no trigger, the time limit passed, or the model failed. What was done through the toolbox stands.
        """
        kinds = {trigger.kind for trigger in turn.triggers}
        handlers = {
            TriggerKind.USER: self.handle_user_message,
            TriggerKind.FORECAST: self.handle_forecast,
            TriggerKind.CANDLE: self.handle_candle,
            TriggerKind.ORDER_EVENT: self.handle_order_event,
        }
        for kind in _PRECEDENCE:
            if kind in kinds and kind.of_account:
                return await self.handle_account_event(turn, kind, toolbox)
            if kind in kinds and kind not in handlers:
                return await self.handle_occasion(turn, kind, toolbox)
            if kind in kinds:
                return await handlers[kind](turn, toolbox)
        raise AgentError(f"turn {turn.id} of plan {turn.plan.id} has nothing that woke it")

    async def handle_order_event(self, turn: Turn, toolbox: Toolbox) -> Decision:
        """Orders filled, partially filled, were canceled or rejected: see what is left to do."""
        return await self._think(turn, TriggerKind.ORDER_EVENT, toolbox)

    async def handle_account_event(self, turn: Turn, kind: TriggerKind, toolbox: Toolbox) -> Decision:
        """A position, a balance, a stop or the margin of the account changed: see what it means for the plan."""
        return await self._think(turn, kind, toolbox)

    async def handle_occasion(self, turn: Turn, kind: TriggerKind, toolbox: Toolbox) -> Decision:
        """Its schedule, a risk event or a price alert: see what there is to do."""
        return await self._think(turn, kind, toolbox)

    async def handle_forecast(self, turn: Turn, toolbox: Toolbox) -> Decision:
        """A new forecast: compare what is held with what it argues for."""
        return await self._think(turn, TriggerKind.FORECAST, toolbox)

    async def handle_candle(self, turn: Turn, toolbox: Toolbox) -> Decision:
        """A candle closed: see whether what is held and what rests is still right."""
        return await self._think(turn, TriggerKind.CANDLE, toolbox)

    async def handle_user_message(self, turn: Turn, toolbox: Toolbox) -> Decision:
        """The plan's owner wrote: a language model answers in its reason, the built-in policy looks again."""
        return await self._think(turn, TriggerKind.USER, toolbox)

    async def prepare(self) -> None:
        """Load what the language model needs, off the event loop; nothing without one. The first turn does it otherwise."""
        if self._chain is None:
            return
        async with self._loading:
            if self._agent is None:
                module = await asyncio.to_thread(importlib.import_module, "kokex.adapters.langchain.model")
                self._agent = module.ModelAgent(self._chain, self._clock, self._meter, connect=self._connect)

    async def close(self) -> None:
        """Release connections."""
        if self._agent is not None:
            await self._agent.close()
            self._agent = None

    async def _think(self, turn: Turn, occasion: TriggerKind, toolbox: Toolbox) -> Decision:
        limit = turn.plan.agent.turn_seconds
        await self.prepare()
        tools = self._tools(turn, toolbox)
        try:
            async with asyncio.timeout(limit) as time_limit:
                if self._agent is None:
                    turn.transcript.model = BUILT_IN
                    return await self._policy.decide(turn, tools)
                try:
                    return await self._agent.decide(turn, occasion, tools)
                except NoModelError as error:
                    return await self._exits(turn, tools, error)
        except TimeoutError:
            if not time_limit.expired():
                raise
            done = (
                "what it sent to the exchange stands" if tools.acted else "nothing was sent to the exchange"
            )
            raise AgentError(f"turn {turn.id} took longer than its limit of {limit:g} s; {done}") from None
        finally:
            await tools.settled()

    def _tools(self, turn: Turn, toolbox: Toolbox) -> TurnTools:
        return TurnTools(toolbox, turn.plan.agent, self._clock, turn.transcript.tool_calls)

    async def _exits(self, turn: Turn, tools: TurnTools, why: NoModelError) -> Decision:
        """The turn's end without a model: nothing that adds risk."""
        tools.make_room(_EXIT_CALLS)
        tools.permit_exits()
        decision = await replace(self._policy, exits_only=True).decide(turn, tools)
        turn.transcript.model = EXITS
        turn.transcript.context["no_model"] = str(why)
        log.warning("no model; built-in exits decided", plan=turn.plan.id, turn=turn.id, reason=str(why))
        sentence = f"Built-in exits decided, which may reduce or close and never add: {why}."
        return replace(decision, model=EXITS, reason=f"{sentence} {decision.reason}")
