"""A turn with a language model behind an OpenAI-compatible endpoint. Imported only where one is configured (95 MB, 3 s).

LangChain's `create_agent` runs the loop; everything that bounds it is here or in `TurnRules`. Nothing but the configured endpoint is
contacted: tracing is off whatever the environment says, and redirects are not followed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware
from langchain.agents.middleware.model_call_limit import (
    ModelCallLimitExceededError,
    ModelCallLimitMiddleware,
)
from langchain.agents.structured_output import ToolStrategy
from langchain_core.messages import AIMessage, HumanMessage
from langchain_openai import ChatOpenAI
from langsmith import tracing_context
from openai import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    DefaultAsyncHttpxClient,
)
from pydantic import BaseModel, Field, SecretStr

from kokex.adapters.langchain.middleware import TurnRules
from kokex.adapters.langchain.prompts import PROMPT_VERSION, system_prompt, turn_message
from kokex.adapters.langchain.recording import Recording
from kokex.adapters.langchain.settings import ModelSettings
from kokex.adapters.langchain.tools import TurnTools, structured_tools
from kokex.domain.decision import Action, Decision, Turn
from kokex.domain.errors import AgentError, KokexError
from kokex.domain.plan import TriggerKind
from kokex.ports.clock import Clock

_SPARE_CALLS = 4
"""Requests to the model beyond one per tool call: the final answer, and a few corrections."""
_LONGEST_REASON = 2000
_NO_KEY = "none"


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
    """Decides turns with a language model."""

    def __init__(self, settings: ModelSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._http = DefaultAsyncHttpxClient(follow_redirects=False, timeout=settings.timeout_seconds)
        self._chat = ChatOpenAI(
            model=settings.model,
            base_url=settings.base_url,
            api_key=SecretStr(settings.api_key or _NO_KEY),
            temperature=settings.temperature,
            timeout=settings.timeout_seconds,
            max_retries=settings.max_retries,
            http_async_client=self._http,
            use_responses_api=False,
        )
        # The client takes these from OPENAI_* variables, which are meant for another endpoint than this one.
        client = self._chat.root_async_client
        client.organization = client.project = None

    async def close(self) -> None:
        """Release connections."""
        await self._http.aclose()

    async def decide(self, turn: Turn, occasion: TriggerKind, tools: TurnTools) -> Decision:
        """One turn to its decision.

        Raises:
            AgentError: the endpoint failed, or what it sent could not be understood.
        """
        most = turn.plan.agent.max_tool_calls + _SPARE_CALLS
        context = self._begin(turn, occasion)
        rules: list[AgentMiddleware[Any, Any, Any]] = [
            TurnRules(tools, FinalAnswer.__name__),
            ModelCallLimitMiddleware(run_limit=most, exit_behavior="error"),
            Recording(turn.transcript, self._clock, self._settings.hide_key),
        ]
        graph: Any = create_agent(
            self._chat,
            structured_tools(tools),
            system_prompt=context["system_prompt"],
            middleware=rules,
            response_format=ToolStrategy(FinalAnswer),
        )
        try:
            with tracing_context(enabled=False):
                state = await graph.ainvoke({"messages": [HumanMessage(context["turn_message"])]})
        except KokexError:
            raise
        except ModelCallLimitExceededError:
            reason = f"The model gave no final answer within {most} requests; the turn was ended."
            return self._decision(tools, None, reason, None)
        except Exception as error:
            raise AgentError(self._settings.hide_key(self._failure(error, tools))) from error
        return self._concluded(tools, state)

    def _begin(self, turn: Turn, occasion: TriggerKind) -> dict[str, Any]:
        """What the model is given, noted; a context that is there already (a replay's) is given again."""
        settings, transcript = self._settings, turn.transcript
        transcript.model = settings.model
        transcript.settings = {
            "base_url": settings.base_url,
            "temperature": settings.temperature,
            "timeout_seconds": settings.timeout_seconds,
            "max_retries": settings.max_retries,
        }
        if not transcript.context:
            transcript.context = {
                "prompt_version": PROMPT_VERSION,
                "system_prompt": system_prompt(turn.plan),
                "turn_message": turn_message(turn, occasion, self._clock.now()),
            }
        return transcript.context

    def _concluded(self, tools: TurnTools, state: dict[str, Any]) -> Decision:
        answer = state.get("structured_response")
        if isinstance(answer, FinalAnswer):
            decision = self._decision(tools, Action(answer.action), answer.reason, answer.confidence)
            if answer.change_of_mind is None:
                return decision
            words = self._settings.hide_key(answer.change_of_mind.strip()[:_LONGEST_REASON])
            return replace(decision, change_of_mind=words or None)
        last = state["messages"][-1]
        text = last.text.strip() if isinstance(last, AIMessage) else ""
        return self._decision(tools, None, text or "The model gave no answer.", None)

    def _decision(
        self, tools: TurnTools, claimed: Action | None, reason: str, confidence: float | None
    ) -> Decision:
        """The decision as what was done shows it, whatever the model says it did."""
        action = Action.ACT if tools.acted else Action.HOLD
        reason = self._settings.hide_key(reason.strip()[:_LONGEST_REASON])
        if claimed is not None and claimed is not action:
            done = "something was sent to the exchange" if tools.acted else "nothing was sent to the exchange"
            reason = f"{reason} (The model answered {claimed.value}; {done}.)"
        return Decision(action, reason, confidence, self._settings.model, tools.calls)

    def _failure(self, error: Exception, tools: TurnTools) -> str:
        settings = self._settings
        model = f"model {settings.model} at {settings.base_url}"
        done = "; what it sent to the exchange before stands" if tools.acted else "; nothing was done"
        match error:
            case APITimeoutError():
                return f"{model} did not answer within {settings.timeout_seconds:g} s{done}"
            case APIConnectionError():
                return f"{model} cannot be reached ({error.__cause__ or error}){done}"
            case APIStatusError():
                return f"{model} answered with HTTP {error.status_code} ({error.message[:200]}){done}"
            case _:
                return f"{model} sent what cannot be understood ({type(error).__name__}: {str(error)[:200]}){done}"
