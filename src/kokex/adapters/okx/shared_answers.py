"""Questions that several ask at the same time, asked once: what an exchange tells everybody the same."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from kokex.domain.errors import KokexError

_Answer = TypeVar("_Answer")


@dataclass(slots=True)
class _Question(Generic[_Answer]):
    """Those who ask it, how often it was asked, and what the last answer was: one that came, or why none did.

    Attributes:
        begun, answered: numbers of the latest asking that began, and of the latest that is over.
    """

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    askers: int = 0
    begun: int = 0
    answered: int = 0
    answer: tuple[_Answer] | None = None
    error: KokexError | None = None


class SharedAnswers(Generic[_Answer]):
    """Whoever wants to know before a question is asked gets its answer, be it an error; nobody an older one.

    So however many ask at once, each waits for two askings at most: the one under way, and the one that comes after it.
    """

    def __init__(self) -> None:
        self._questions: dict[Hashable, _Question[_Answer]] = {}

    async def get(self, key: Hashable, ask: Callable[[], Awaitable[_Answer]]) -> _Answer:
        """The answer to the question `key`, which `ask` asks. Raises what `ask` raises.

        Whoever asks for all may be cancelled; the next one asks then.
        """
        question = self._questions.setdefault(key, _Question())
        asked = question.begun
        question.askers += 1
        try:
            async with question.lock:
                if question.answered <= asked:
                    await self._ask(question, ask)
                if question.error is not None:
                    raise question.error
                assert question.answer is not None
                return question.answer[0]
        finally:
            question.askers -= 1
            if not question.askers:
                del self._questions[key]

    async def _ask(self, question: _Question[_Answer], ask: Callable[[], Awaitable[_Answer]]) -> None:
        question.begun += 1
        number = question.begun
        question.answer, question.error = None, None
        try:
            question.answer = (await ask(),)
        except KokexError as error:
            question.error = error
        question.answered = number
