"""Streams that a test speaks through."""

from __future__ import annotations

import asyncio
from typing import Any

from kokex.domain.account import Credentials, Endpoints, Environment, ExchangeAccount
from kokex.ports.exchange import AccountStreamListener

CREDENTIALS = Credentials("key-of-test", "secret", "phrase")


def account(number: int = 1) -> ExchangeAccount:
    """A paper account."""
    here = "ws://127.0.0.1:1"
    endpoints = Endpoints("http://127.0.0.1:1", here, here, here)
    return ExchangeAccount(number, f"paper {number}", "okx", Environment.PAPER, endpoints)


class FakeAccountStream:
    """Remembers what is wanted; `listener` is who to tell."""

    def __init__(self, listener: AccountStreamListener) -> None:
        self.listener = listener
        self.wanted: set[str | None] = set()
        self.reports_wanted: set[str] = set()
        self.running = asyncio.Event()
        self.error: Exception | None = None

    def subscribe_orders_channel(self, inst_id: str | None = None) -> None:
        self.wanted.add(inst_id)

    def unsubscribe_orders_channel(self, inst_id: str | None = None) -> None:
        self.wanted.discard(inst_id)

    def subscribe_account_channels(self) -> None:
        self.reports_wanted.add("account")

    def unsubscribe_account_channels(self) -> None:
        self.reports_wanted.discard("account")

    def subscribe_stop_channels(self) -> None:
        self.reports_wanted.add("stops")

    def unsubscribe_stop_channels(self) -> None:
        self.reports_wanted.discard("stops")

    def subscribe_fills_channel(self, inst_id: str | None = None) -> None:
        self.reports_wanted.add("fills")

    def unsubscribe_fills_channel(self, inst_id: str | None = None) -> None:
        self.reports_wanted.discard("fills")

    async def run(self) -> None:
        self.running.set()
        if self.error is not None:
            raise self.error
        await asyncio.Event().wait()


class FakeAdapter:
    """Makes fake account streams, by connection key."""

    def __init__(self) -> None:
        self.streams: dict[str, FakeAccountStream] = {}
        self.error: Exception | None = None

    def account_stream(
        self, account: ExchangeAccount, credentials: Credentials, listener: AccountStreamListener
    ) -> FakeAccountStream:
        stream = FakeAccountStream(listener)
        stream.error = self.error
        self.streams[account.connection_key] = stream
        return stream

    def exchange(self, account: ExchangeAccount, credentials: Credentials) -> Any:
        raise AssertionError("this test asks no exchange")

    def market_stream(self, account: ExchangeAccount, listener: Any) -> Any:
        raise AssertionError("this test watches no market")
