"""One question for all who ask it at the same time."""

from __future__ import annotations

import asyncio

import pytest

from kokex.adapters.okx.shared_answers import SharedAnswers
from kokex.domain.errors import ExchangeUnavailableError
from tests.fakes.clock import settle


class Oracle:
    """Answers with how often it was asked, when it is let."""

    def __init__(self) -> None:
        self.asked = 0
        self.fails = False
        self._go_on = asyncio.Event()

    async def __call__(self) -> int:
        self.asked += 1
        number = self.asked
        await self._go_on.wait()
        self._go_on.clear()
        if self.fails:
            raise ExchangeUnavailableError(f"question {number}")
        return number

    async def answer(self) -> None:
        self._go_on.set()
        await settle()


async def test_nobody_gets_an_answer_to_what_was_asked_before_he_wanted_to_know() -> None:
    """The first has the first answer; all who came meanwhile have the second."""
    shared, oracle = SharedAnswers[int](), Oracle()
    first = asyncio.create_task(shared.get("time", oracle))
    await settle()
    later = [asyncio.create_task(shared.get("time", oracle)) for _ in range(10)]
    await settle()
    await oracle.answer()
    assert await first == 1 and oracle.asked == 2
    await oracle.answer()
    assert await asyncio.gather(*later) == [2] * 10 and oracle.asked == 2


async def test_a_failure_is_everybodys_and_the_next_one_asks_again() -> None:
    """Nobody waits for as many failures as there are others before him."""
    shared, oracle = SharedAnswers[int](), Oracle()
    oracle.fails = True
    tasks = [asyncio.create_task(shared.get("time", oracle)) for _ in range(3)]
    await settle()
    await oracle.answer()
    await oracle.answer()
    told = await asyncio.gather(*tasks, return_exceptions=True)
    assert [str(error) for error in told] == ["question 1", "question 2", "question 2"]
    oracle.fails = False
    again = asyncio.create_task(shared.get("time", oracle))
    await settle()
    await oracle.answer()
    assert await again == oracle.asked


async def test_one_who_asks_for_all_and_goes_away_leaves_the_question_to_the_next() -> None:
    """An account whose stream is lost while it asks."""
    shared, oracle = SharedAnswers[int](), Oracle()
    gone = asyncio.create_task(shared.get("time", oracle))
    stays = asyncio.create_task(shared.get("time", oracle))
    await settle()
    gone.cancel()
    await settle()
    await oracle.answer()
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert await stays == 2


async def test_questions_are_told_apart_and_forgotten() -> None:
    """One for each key, kept only while somebody asks."""
    shared, one, other = SharedAnswers[int](), Oracle(), Oracle()
    tasks = [asyncio.create_task(shared.get("one", one)), asyncio.create_task(shared.get("other", other))]
    await settle()
    await one.answer()
    await other.answer()
    assert await asyncio.gather(*tasks) == [1, 1]
    assert not shared._questions
