"""Looking at an account from outside: is it reached, is the clock right, do the keys open it, does the stream stand."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kokex.bootstrap import Application
from kokex.cli.running import raise_first
from kokex.domain import account_reports
from kokex.domain.account import AccountSnapshot, Credentials, ExchangeAccount
from kokex.domain.errors import ExchangeError, KokexError
from kokex.domain.events import ClassifiedUpdate
from kokex.domain.instrument import InstrumentKind
from kokex.ports.exchange import Exchange

CLOCK_SECONDS = 5.0
"""Offset from which a person should be told; OKX refuses requests that are 30 s off."""
STREAM_SECONDS = 10.0
"""How long the stream may take to stand."""


@dataclass(slots=True)
class AccountReport:
    """What was found. `clock_offset`: the exchange's time minus ours, in seconds."""

    account: ExchangeAccount
    clock_offset: float | None = None
    snapshot: AccountSnapshot | None = None
    stream: bool = False
    problem: str | None = None

    def document(self) -> dict[str, Any]:
        """As JSON-ready values."""
        balances = self.snapshot.balances.values() if self.snapshot else ()
        positions = self.snapshot.positions.values() if self.snapshot else ()
        return {
            "account": self.account.name,
            "environment": self.account.environment,
            "rest_url": self.account.endpoints.rest_url,
            "clock_offset_seconds": self.clock_offset,
            "balances": {
                balance.currency: {
                    "total": balance.total,
                    "available": balance.available,
                    "frozen": balance.frozen,
                }
                for balance in balances
            },
            "positions": {position.inst_id: position.quantity for position in positions},
            "stream": self.stream,
            "problem": self.problem,
        }


async def probe(application: Application, account: ExchangeAccount) -> AccountReport:
    """Look at `account`, as far as it goes; the first thing that is wrong is its `problem`."""
    report = AccountReport(account)
    try:
        credentials = await application.store.accounts.credentials(account.id)
        exchange = application.adapter.exchange(account, credentials)
        try:
            report.clock_offset = await _clock_offset(application, exchange)
            report.snapshot = await exchange.account()
            listed = await exchange.instruments(InstrumentKind.SPOT)
        finally:
            await exchange.close()
        report.problem = clock_problem(report.clock_offset)
        if report.problem is not None:
            return report
        if not listed:
            raise ExchangeError(f"{account.endpoints.rest_url} lists no spot instrument; check the region")
        await _try_stream(application, account, credentials, listed[0].inst_id)
        report.stream = True
    except KokexError as error:
        report.problem = str(error)
    return report


def clock_problem(offset: float | None) -> str | None:
    """What is wrong with this computer's clock, told from the exchange's time minus ours in seconds; None where nothing is."""
    if offset is None or abs(offset) <= CLOCK_SECONDS:
        return None
    return f"this computer's clock is {-offset:+.1f} s from the exchange's; set it (for example with NTP)"


async def _clock_offset(application: Application, exchange: Exchange) -> float:
    before = application.clock.now()
    theirs = await exchange.server_time()
    after = application.clock.now()
    return round((theirs - (before + (after - before) / 2)).total_seconds(), 3)


async def _try_stream(
    application: Application, account: ExchangeAccount, credentials: Credentials, inst_id: str
) -> None:
    """Log in to the account's stream once, and subscribe the orders of `inst_id`.

    Raises:
        ExchangeError: it refuses, or does not answer in time.
    """
    listener = _Listener()
    stream = application.adapter.account_stream(account, credentials, listener)
    stream.subscribe_orders_channel(inst_id)
    try:
        async with asyncio.timeout(STREAM_SECONDS), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(stream.run())
            await listener.subscribed.wait()
            running.cancel()
    except TimeoutError:
        reason = f": {listener.lost}" if listener.lost else ""
        raise ExchangeError(
            f"the account stream {account.endpoints.private_url} does not stand after {STREAM_SECONDS:.0f} s{reason}"
        ) from None
    except BaseExceptionGroup as group:
        raise_first(group)


class _Listener:
    """Waits for a stream to stand."""

    def __init__(self) -> None:
        self.subscribed = asyncio.Event()
        self.lost = ""

    def on_order_updates(self, updates: Sequence[ClassifiedUpdate], received_at: datetime) -> bool:
        """Whatever happens meanwhile is the engine's business."""
        return True

    async def room(self) -> None:
        """There always is."""

    def on_account_reports(
        self, reports: Sequence[account_reports.AccountReport], received_at: datetime
    ) -> None:
        """None were asked for."""

    def on_flaw(self, reason: str) -> None:
        """What the stream says does not matter here."""

    def on_refused(self, channel: str, inst_id: str, reason: str) -> None:
        """The stream opens, but not for the orders of this instrument."""
        self.lost = reason

    def on_subscribed(self) -> None:
        """The stream stands."""
        self.subscribed.set()

    def on_stops_subscribed(self) -> None:
        """None were asked for."""

    def on_disconnected(self, reason: str) -> None:
        """It broke, and is made again."""
        self.lost = reason
