"""Asking several questions at once."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

_Answer = TypeVar("_Answer")


async def together(questions: Iterable[Coroutine[Any, Any, _Answer]]) -> list[_Answer]:
    """The answers, in the order of the questions. The first error ends the other questions and is raised as it is.

    No task group: in Python 3.11 one whose task fails leaves its owner counted as cancelled, and `heed_cancellation` goes by that.
    """
    asked = [asyncio.ensure_future(question) for question in questions]
    if not asked:
        return []
    try:
        answered, _ = await asyncio.wait(asked, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
    return [task.result() for task in asked if task in answered]


def heed_cancellation() -> None:
    """Raise the cancellation of whoever calls, where it was lost: what waits for several things raises an error of theirs instead."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
