"""Counts what models cost, and says when the day's money is spent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from kokex.adapters.langchain.settings import ChainSettings, ModelSettings
from kokex.domain.decision import Turn
from kokex.domain.errors import AgentError, ConfigurationError
from kokex.domain.spending import Budget, ModelUsage
from kokex.ports.clock import Clock
from kokex.ports.spending import SpendingStore

_MOST_TOKENS = 1_000_000_000
"""A count beyond is nonsense and taken as this."""
_CHARACTERS_A_TOKEN = 2
"""For estimates: fewer than any tokeniser's average over English or JSON, so that an estimate is rather too high."""


class NoModelError(AgentError):
    """No language model may or can be asked now; the message says why. The built-in exits take over."""


class SpendingMeter:
    """Keeps each answered request's tokens and cost, and stops requests once a budget is spent."""

    def __init__(self, store: SpendingStore | None, clock: Clock, chain: ChainSettings) -> None:
        """Without a store nothing is kept, and there can be no budget.

        Raises:
            ConfigurationError: a budget without a store.
        """
        if store is None and chain.budget != Budget():
            raise ConfigurationError("a model budget needs a place to keep what was spent")
        self._store = store
        self._clock = clock
        self._budget = chain.budget
        self._unpriced = ", ".join(one.model for one in chain.models if one.price is None)
        self._unsaved: list[ModelUsage] = []

    async def check(self, turn: Turn) -> None:
        """Whether a request may be made for the turn's plan.

        Raises:
            NoModelError: the plan's or the platform's budget for this UTC day is spent, or what models cost is not known.
            StoreError: what was spent is not known.
        """
        own = turn.plan.agent.daily_budget_usd
        budget = self._budget if own is None else replace(self._budget, plan_usd=own)
        if budget == Budget():
            return
        if self._store is None or self._unpriced:
            raise NoModelError(
                f"no model was asked: the plan has a model budget, and the cost of {self._unpriced or 'models'} is not known; "
                "give every model its price (input_usd, output_usd)"
            )
        spent = await self._store.cost_since(start_of_day(self._clock.now()))
        reason = budget.spent(spent, turn.plan.id)
        if reason is not None:
            raise NoModelError(f"no model was asked: {reason}")

    async def record(self, turn: Turn, settings: ModelSettings, sent: str, answer: Any) -> None:
        """Keep what one answer cost. What the store could not take is kept with the next.

        Args:
            sent: all that the model was given, as text: for an estimate where it does not tell its tokens.
            answer: its message.
        """
        if self._store is None:
            return
        told = _told(answer)
        tokens = told or (_estimate(sent), _estimate(_text(answer)))
        cost = None if settings.price is None else settings.price.of(*tokens)
        self._unsaved.append(
            ModelUsage(
                turn.plan.id,
                turn.id,
                self._clock.now(),
                settings.place,
                settings.model,
                *tokens,
                told is None,
                cost,
            )
        )
        waiting = list(self._unsaved)
        await self._store.add(waiting)
        self._unsaved = [one for one in self._unsaved if one not in waiting]


def start_of_day(now: datetime) -> datetime:
    """Midnight of that UTC day."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def _told(answer: Any) -> tuple[int, int] | None:
    usage = getattr(answer, "usage_metadata", None)
    if not isinstance(usage, Mapping):
        return None
    counts = [usage.get("input_tokens"), usage.get("output_tokens")]
    numbers = [one for one in counts if isinstance(one, int) and not isinstance(one, bool) and one >= 0]
    if len(numbers) < 2 or not any(numbers):
        return None
    return min(numbers[0], _MOST_TOKENS), min(numbers[1], _MOST_TOKENS)


def _text(answer: Any) -> str:
    calls: Sequence[Any] = [*getattr(answer, "tool_calls", ()), *getattr(answer, "invalid_tool_calls", ())]
    return f"{getattr(answer, 'content', '')}{''.join(str(call) for call in calls)}"


def _estimate(text: str) -> int:
    return min(len(text) // _CHARACTERS_A_TOKEN + 1, _MOST_TOKENS)
