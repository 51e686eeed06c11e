"""Runs a kept turn again: the tools answer from its record, and nothing reaches the exchange, for there is none behind them."""

from __future__ import annotations

import asyncio
import importlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, cast

import msgspec

from kokex.adapters.langchain.metering import SpendingMeter
from kokex.adapters.langchain.prompts import system_prompt
from kokex.adapters.langchain.service import LangChainAgentService
from kokex.adapters.langchain.settings import ChainSettings, ModelSettings
from kokex.adapters.langchain.tools import TOOLS, TurnTools, shown
from kokex.domain.capital import CapitalSettings
from kokex.domain.decision import ToolCall, Transcript, Turn, TurnStatus
from kokex.domain.errors import AgentError, ConfigurationError
from kokex.domain.plan import TradingTool
from kokex.ports.clock import Clock
from kokex.ports.replay import Replayed, ReplayWish
from kokex.ports.store import TurnRecord
from kokex.ports.toolbox import Toolbox

_NOWHERE: Final = "http://127.0.0.1/v1"
"""Address of recorded answers: nothing is ever sent there."""


class RecordedTools(TurnTools):
    """Answers each call from the record: with the first one not used yet that has its name and arguments.

    A second look with the same arguments gets the same result again; anything else is not in the record, and says so. A turn that
    failed ends where its record ends.
    """

    def __init__(self, turn: Turn, clock: Clock, record: TurnRecord) -> None:
        super().__init__(cast("Toolbox", _Nothing()), turn.plan.agent, clock, turn.transcript.tool_calls)
        self._kept = list(record.tool_calls)
        self._used: list[ToolCall] = []
        self._failed = record.status is TurnStatus.FAILED

    async def _answer(self, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        asked = _words(name[:64], shown(arguments))
        for number, call in enumerate(self._kept):
            if _words(call.name, call.arguments) == asked:
                self._used.append(self._kept.pop(number))
                return dict(call.result)
        if self._failed and not self._kept:
            raise AgentError("the record ends here")
        if name in TOOLS and not TOOLS[name].trades:
            for call in reversed(self._used):
                if _words(call.name, call.arguments) == asked:
                    return dict(call.result)
        error = f"{name[:64]} with these arguments is not in the record of this turn; nothing was asked and nothing was sent"
        return {"error": error, "code": "not_in_record"}


class _Nothing:
    """Stands where the tools' way to the world would be; `RecordedTools` never goes there."""

    step = 0


class _Again(LangChainAgentService):
    """The agent, over recorded tools."""

    def __init__(
        self, chain: ChainSettings | None, clock: Clock, record: TurnRecord, notes: Mapping[str, Any] | None
    ) -> None:
        """`notes`: give the model's answers of this record; None: ask the model."""
        super().__init__(chain, clock)
        self._record = record
        self._notes = notes

    def _tools(self, turn: Turn, toolbox: Toolbox) -> TurnTools:
        return RecordedTools(turn, self._clock, self._record)

    async def prepare(self) -> None:
        """Load what the model needs; recorded answers in its place, where they are to be given."""
        if self._chain is None or self._notes is None or self._agent is not None:
            await super().prepare()
            return
        notes = self._notes
        model = await asyncio.to_thread(importlib.import_module, "kokex.adapters.langchain.model")
        recital = importlib.import_module("kokex.adapters.langchain.recital")
        meter = SpendingMeter(None, self._clock, self._chain)
        self._agent = model.ModelAgent(self._chain, self._clock, meter, lambda _: recital.recital(notes))


class TurnReplayer:
    """`Replayer` with the agent of this program; `configured` are the models that may be asked."""

    def __init__(self, configured: ChainSettings | None, clock: Clock) -> None:
        self._configured = configured
        self._clock = clock

    async def run(
        self, turn: Turn, record: TurnRecord, notes: Mapping[str, Any], wish: ReplayWish
    ) -> Replayed:
        """See `Replayer`."""
        chain = self._other_chain(wish) if wish.anew else _recorded_chain(notes)
        turn = _prepared(turn, notes, wish)
        agent = _Again(chain, self._clock, record, None if wish.anew else notes)
        try:
            decision = await agent.run_turn(turn, cast("Toolbox", _Nothing()))
        except AgentError as error:
            return Replayed(None, str(error), turn.transcript)
        finally:
            await agent.close()
        return Replayed(decision, None, turn.transcript)

    def _other_chain(self, wish: ReplayWish) -> ChainSettings:
        if self._configured is None:
            raise ConfigurationError(
                "no language model is configured, so another prompt or model cannot be tried; set KOKEX_LLM_BASE_URL and KOKEX_LLM_MODEL"
            )
        first = self._configured.models[0]
        if wish.model is None:
            return ChainSettings((first,))
        return ChainSettings((replace(first, model=wish.model),))


def _recorded_chain(notes: Mapping[str, Any]) -> ChainSettings | None:
    """The model that decided then, by name only; None where the built-in policy did."""
    if not notes.get("context"):
        return None
    temperature = (notes.get("settings") or {}).get("temperature")
    return ChainSettings(
        (
            ModelSettings(
                _NOWHERE, str(notes.get("model") or "unknown"), temperature=temperature, max_retries=0
            ),
        )
    )


def _prepared(turn: Turn, notes: Mapping[str, Any], wish: ReplayWish) -> Turn:
    """The turn under the settings of its time, with the context of its time."""
    of_plan = notes.get("plan") or {}
    then, agent = of_plan.get("agent") or {}, turn.plan.agent
    agent = replace(
        agent,
        prompt=wish.prompt if wish.prompt is not None else then.get("prompt", agent.prompt),
        max_tool_calls=then.get("max_tool_calls", agent.max_tool_calls),
        turn_seconds=max(then.get("turn_seconds", agent.turn_seconds), agent.turn_seconds),
        daily_budget_usd=None,
        trading_tools=_granted(then),
    )
    plan = replace(turn.plan, agent=agent)
    if "capital" in of_plan:
        plan = replace(plan, capital=msgspec.convert(of_plan["capital"], CapitalSettings))
    context = {name: text for name, text in (notes.get("context") or {}).items() if name != "no_model"}
    if context and wish.prompt is not None:
        context["system_prompt"] = system_prompt(plan)
    return replace(turn, plan=plan, transcript=Transcript(context=context))


def _granted(then: Mapping[str, Any]) -> frozenset[TradingTool]:
    """The tools that trade which the plan had; all, where its record is older than the granting of tools."""
    kept = then.get("trading_tools")
    return frozenset(TradingTool) if kept is None else frozenset(map(TradingTool, kept))


def _words(name: str, arguments: Mapping[str, Any]) -> str:
    return json.dumps([name, arguments], sort_keys=True, default=str)
