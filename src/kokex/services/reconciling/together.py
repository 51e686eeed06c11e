"""Asking several questions at once."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

_Answer = TypeVar("_Answer")


async def together(questions: Iterable[Coroutine[Any, Any, _Answer]]) -> list[_Answer]:
    """The answers, in the order of the questions. The first error ends the other questions and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(question) for question in questions]
    except BaseExceptionGroup as failed:
        heed_cancellation()
        raise _first(failed) from failed
    return [task.result() for task in asked]


def heed_cancellation() -> None:
    """Raise the cancellation of whoever calls, where it was lost: what waits for several things raises an error of theirs instead."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found
