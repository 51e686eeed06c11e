"""A turn with a language model. Imported only where one is configured (95 MB, 3 s).

LangChain's `create_agent` runs the loop; everything that bounds it is here, in `TurnRules` or in `Fallback`. Nothing but the configured
endpoints is contacted: tracing is off whatever the environment says, and redirects are not followed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal

from langchain.agents.middleware.model_call_limit import (
    ModelCallLimitExceededError,
    ModelCallLimitMiddleware,
)
from langchain_core.messages import AIMessage
from pydantic import BaseModel, Field

from kokex.adapters.langchain.breaker import Breaker
from kokex.adapters.langchain.chats import Chat, make_chat
from kokex.adapters.langchain.checkpoints import Checkpoints
from kokex.adapters.langchain.context import CONTEXT_VERSION, read_sections
from kokex.adapters.langchain.conversing import Conversation, Rules
from kokex.adapters.langchain.fallback import Fallback, Link
from kokex.adapters.langchain.metering import SpendingMeter
from kokex.adapters.langchain.middleware import TurnRules
from kokex.adapters.langchain.prompts import PROMPT_VERSION, system_prompt, turn_message
from kokex.adapters.langchain.recording import Recording
from kokex.adapters.langchain.settings import ChainSettings, ModelSettings
from kokex.adapters.langchain.tools import TurnTools
from kokex.domain.decision import Action, Decision, Turn
from kokex.domain.errors import AgentError, KokexError
from kokex.domain.plan import TriggerKind
from kokex.ports.clock import Clock

_SPARE_CALLS = 4
"""Requests to the model beyond one per tool call: the final answer, and a few corrections."""
_LONGEST_REASON = 2000
_EXITS_SECONDS = 5.0
"""Left of a turn's time when the last model is given up, for the built-in exits; a tenth of a turn that is shorter than 50 s."""


class FinalAnswer(BaseModel):
    """End the turn with your decision."""

    action: Literal["act", "hold"] = Field(
        description="act if you changed anything in this turn, otherwise hold."
    )
    confidence: float = Field(ge=0, le=1, description="How sure you are of this decision, 0 to 1.")
    reason: str = Field(
        min_length=1, description="One to three sentences with the numbers that you used and their units."
    )
    change_of_mind: str | None = Field(
        default=None, description="What would change your mind: one sentence with a number to watch."
    )


class ModelAgent:
    """Decides turns with the first of some language models that answers."""

    def __init__(
        self,
        chain: ChainSettings,
        clock: Clock,
        meter: SpendingMeter,
        make: Callable[[ModelSettings], Chat] = make_chat,
        connect: Mapping[str, Any] | None = None,
    ) -> None:
        """`connect`: to the database that keeps conversations under way (keyword arguments of `psycopg.connect`); None: nothing does."""
        self._chain = chain
        self._clock = clock
        self._meter = meter
        answer = (FinalAnswer.__module__, FinalAnswer.__name__)
        self._checkpoints = None if connect is None else Checkpoints(connect, [answer])
        self._links = tuple(Link(one, make(one), Breaker(clock)) for one in chain.models)

    async def close(self) -> None:
        """Release connections."""
        for link in self._links:
            await link.chat.close()
        if self._checkpoints is not None:
            await self._checkpoints.close()

    async def decide(self, turn: Turn, occasion: TriggerKind, tools: TurnTools) -> Decision:
        """One turn to its decision.

        Raises:
            NoModelError: none answered, or the budget is spent; what was done through the tools stands.
            AgentError: the conversation broke in another way.
        """
        most = turn.plan.agent.max_tool_calls + _SPARE_CALLS
        spare = min(_EXITS_SECONDS, turn.plan.agent.turn_seconds / 10)
        fallback = Fallback(turn, self._links, self._meter, self._clock, tools.deadline - spare)
        recording = Recording(turn.transcript, self._clock, self._chain.hide_keys)
        limit = ModelCallLimitMiddleware[Any, None](run_limit=most, exit_behavior="error")
        rules = Rules(TurnRules(tools, FinalAnswer.__name__), recording, (limit,), (fallback,))
        conversation = Conversation(turn, tools, rules, self._clock, self._checkpoints)

        async def begin(message: str | None) -> str:
            tools.grounding.context = await self._begin(turn, occasion, tools, message)
            return str(tools.grounding.context["turn_message"])

        try:
            prompt = turn.transcript.context.get("system_prompt") or system_prompt(turn.plan)
            state = await conversation.hold(self._links[0].chat.model, FinalAnswer, prompt, begin)
        except KokexError:
            raise
        except ModelCallLimitExceededError:
            reason = f"The model gave no final answer within {most} requests; the turn was ended."
            return self._decision(tools, None, reason, None, fallback)
        except Exception as error:
            done = "what it sent to the exchange before stands" if tools.acted else "nothing was done"
            words = (
                f"the conversation with the model broke ({type(error).__name__}: {str(error)[:200]}); {done}"
            )
            raise AgentError(self._chain.hide_keys(words)) from error
        finally:
            turn.transcript.model = fallback.model
        return self._concluded(tools, state, fallback)

    async def _begin(
        self, turn: Turn, occasion: TriggerKind, tools: TurnTools, message: str | None
    ) -> dict[str, Any]:
        """What the model is given, noted; a context that is there already (a replay's) is given again."""
        settings, transcript = self._chain.models[0], turn.transcript
        transcript.model = settings.model
        transcript.settings = {
            "base_url": settings.base_url,
            "temperature": settings.temperature,
            "timeout_seconds": settings.timeout_seconds,
            "max_retries": settings.max_retries,
        }
        if not transcript.context:
            if message is None:
                message = turn_message(turn, occasion, self._clock.now(), await read_sections(tools))
            transcript.context = {
                "prompt_version": PROMPT_VERSION,
                "context_version": CONTEXT_VERSION,
                "system_prompt": system_prompt(turn.plan),
                "turn_message": message,
            }
        return transcript.context

    def _concluded(self, tools: TurnTools, state: dict[str, Any], fallback: Fallback) -> Decision:
        answer = state.get("structured_response")
        if isinstance(answer, FinalAnswer):
            decision = self._decision(
                tools, Action(answer.action), answer.reason, answer.confidence, fallback
            )
            if answer.change_of_mind is None:
                return decision
            words = self._chain.hide_keys(answer.change_of_mind.strip()[:_LONGEST_REASON])
            return replace(decision, change_of_mind=words or None)
        last = state["messages"][-1]
        text = last.text.strip() if isinstance(last, AIMessage) else ""
        return self._decision(tools, None, text or "The model gave no answer.", None, fallback)

    def _decision(
        self,
        tools: TurnTools,
        claimed: Action | None,
        reason: str,
        confidence: float | None,
        fallback: Fallback,
    ) -> Decision:
        """The decision as what was done shows it, whatever the model says it did."""
        action = Action.ACT if tools.acted else Action.HOLD
        reason = self._chain.hide_keys(reason.strip()[:_LONGEST_REASON])
        if claimed is not None and claimed is not action:
            done = "something was sent to the exchange" if tools.acted else "nothing was sent to the exchange"
            reason = f"{reason} (The model answered {claimed.value}; {done}.)"
        return Decision(action, reason, confidence, fallback.model, tools.calls)
