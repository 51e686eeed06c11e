"""How kept conversations are let go of."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from kokex.adapters.langchain.forgetting import KeptConversations
from tests.fakes.clock import settle


async def test_plans_that_are_stopped_at_once_take_one_connection_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An engine begins with all plans that were ever stopped; a server has a hundred connections, perhaps."""
    open_now = most = made = 0

    @asynccontextmanager
    async def opened() -> AsyncIterator[Any]:
        async def execute(*_: Any) -> Any:
            await settle(3)

            async def fetchone() -> tuple[bool]:
                return (False,)

            return SimpleNamespace(fetchone=fetchone)

        nonlocal open_now, most, made
        open_now, made = open_now + 1, made + 1
        most = max(most, open_now)
        try:
            yield SimpleNamespace(execute=execute)
        finally:
            open_now -= 1

    async def connect(**_: Any) -> Any:
        return opened()

    monkeypatch.setattr(psycopg.AsyncConnection, "connect", connect)
    kept = KeptConversations({})
    await asyncio.gather(*(kept.forget(number) for number in range(20)))
    assert (most, made) == (1, 20)
