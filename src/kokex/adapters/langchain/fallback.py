"""Asks the configured models in their order, as LangChain middleware. Imported only where a model is configured."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from langchain.agents.middleware import AgentMiddleware
from langchain.agents.middleware.types import AgentState, ModelRequest, ModelResponse
from langchain_core.messages import AIMessage

from kokex.adapters.langchain.breaker import Breaker
from kokex.adapters.langchain.chats import Chat
from kokex.adapters.langchain.failures import Failure, failure_of
from kokex.adapters.langchain.metering import NoModelError, SpendingMeter
from kokex.adapters.langchain.settings import ModelSettings
from kokex.domain.decision import Turn
from kokex.domain.errors import KokexError
from kokex.ports.clock import Clock

Handler = Callable[[ModelRequest[None]], Awaitable[ModelResponse[Any]]]

FIRST_WAIT: Final = 0.5
MOST_WAIT: Final = 8.0
"""Seconds before the first repetition of a request, doubling each time, and at most; between half and all of it is waited."""
MOST_ASKED_WAIT: Final = 20.0
"""A provider that asks for a longer wait than this is left alone until then, and the next one is asked."""
_TELLING = 5.0
"""A request that was given less time than this, because the turn was nearly over, says nothing of the provider."""


@dataclass(frozen=True, slots=True)
class Link:
    """One model of the chain."""

    settings: ModelSettings
    chat: Chat
    breaker: Breaker


class Fallback(AgentMiddleware[AgentState[Any], None, Any]):
    """One turn's requests to the first model that answers.

    A request is repeated after 429, 5xx or a broken connection, with a growing wait; then the model is left alone for a while and
    the next one is asked, with the same conversation. Each answer is counted, and none is asked for once the budget is spent.
    """

    def __init__(
        self, turn: Turn, links: tuple[Link, ...], meter: SpendingMeter, clock: Clock, deadline: float
    ) -> None:
        """`deadline`: by the clock's `monotonic`; no request goes on beyond it."""
        super().__init__()
        self._turn = turn
        self._links = links
        self._meter = meter
        self._clock = clock
        self._deadline = deadline
        self.model = links[0].settings.model
        """Who answered last; before the first answer, who is asked first."""

    async def awrap_model_call(self, request: ModelRequest[None], handler: Handler) -> ModelResponse[Any]:
        """One request.

        Raises:
            NoModelError: no model answered, or no money is left.
        """
        await self._meter.check(self._turn)
        reasons = []
        for link in self._links:
            if not link.breaker.admit():
                reasons.append(
                    f"{link.breaker.reason}; it is left alone for another {link.breaker.seconds_left:.0f} s"
                )
                continue
            outcome = await self._ask(link, request, handler)
            if not isinstance(outcome, Failure):
                await self._count(link, request, outcome)
                return outcome
            reasons.append(outcome.sentence)
        raise NoModelError(f"no model could be asked: {'; '.join(reasons)}")

    async def _ask(
        self, link: Link, request: ModelRequest[None], handler: Handler
    ) -> ModelResponse[Any] | Failure:
        """One model, again where that may help; its breaker learns what came of it."""
        failure = Failure(
            f"no time was left to ask model {link.settings.model} at {link.settings.place}", down=False
        )
        try:
            for attempt in range(link.settings.max_retries + 1):
                seconds = min(link.settings.timeout_seconds, self._deadline - self._clock.monotonic())
                if seconds <= 0:
                    break
                answer = await self._attempt(link, request, handler, seconds)
                if not isinstance(answer, Failure):
                    link.breaker.succeeded()
                    return answer
                failure = answer
                if failure.late and seconds < min(_TELLING, link.settings.timeout_seconds):
                    return failure
                wait = self._wait(failure, attempt, link.settings.max_retries)
                if wait is None:
                    break
                await self._clock.sleep(wait)
            if failure.down:
                link.breaker.failed(failure.sentence, failure.wait or 0.0)
            return failure
        finally:
            link.breaker.released()

    async def _attempt(
        self, link: Link, request: ModelRequest[None], handler: Handler, seconds: float
    ) -> ModelResponse[Any] | Failure:
        try:
            async with asyncio.timeout(seconds):
                return await handler(request.override(model=link.chat.model))
        except KokexError:
            raise
        except Exception as error:  # noqa: BLE001 - what clients of four vendors raise has no common root
            return failure_of(error, link.settings, seconds, self._clock.now())

    def _wait(self, failure: Failure, attempt: int, most: int) -> float | None:
        """Seconds until the next attempt; None where there is none to be."""
        if not failure.again or attempt >= most:
            return None
        wait = min(FIRST_WAIT * 2**attempt, MOST_WAIT) * random.uniform(0.5, 1.0)
        if failure.wait is not None:
            if failure.wait > MOST_ASKED_WAIT:
                return None
            wait = failure.wait
        return wait if self._clock.monotonic() + wait < self._deadline else None

    async def _count(self, link: Link, request: ModelRequest[None], response: ModelResponse[Any]) -> None:
        self.model = link.settings.model
        answer = next((one for one in response.result if isinstance(one, AIMessage)), None)
        told = "".join(f"{one.content}{getattr(one, 'tool_calls', '')}" for one in request.messages)
        system = request.system_message.content if request.system_message else ""
        await self._meter.record(self._turn, link.settings, f"{system}{request.tools}{told}", answer)
