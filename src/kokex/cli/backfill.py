"""Reading candles from an account's exchange into the store, page by page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from kokex.bootstrap import Application, application
from kokex.cli.progress import steps
from kokex.cli.running import load_settings, quiet_logs
from kokex.domain.candle import Interval
from kokex.domain.errors import ConfigurationError
from kokex.services.accounts import AccountSession, AccountSessions, market_of
from kokex.services.market_data import MarketDataService

_CANDLES_AT_ONCE = 1500


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person asks for. `start` None: `candles` back from `end`; `end` None: the exchange's present."""

    account: str
    inst_id: str
    interval: Interval
    start: datetime | None
    end: datetime | None
    candles: int


@dataclass(frozen=True, slots=True)
class Backfilled:
    """What was done. `changed`: rows that are new or differ from before."""

    market: str
    inst_id: str
    interval: Interval
    start: datetime
    end: datetime
    changed: int


async def backfill(wanted: Wanted) -> Backfilled:
    """Read and keep what is wanted.

    Raises:
        NotFoundError: no such account.
        ExchangeError: the instrument is unknown, or the exchange cannot be read.
        ConfigurationError: nothing lies between the two times.
    """
    settings = load_settings()
    quiet_logs(settings)
    async with application(settings) as opened:
        account = await opened.store.accounts.by_name(wanted.account)
        sessions = AccountSessions(opened.store, opened.clock, opened.adapter)
        try:
            return await _read(opened, await sessions.open(account.id), wanted)
        finally:
            await sessions.close()


async def _read(opened: Application, session: AccountSession, wanted: Wanted) -> Backfilled:
    interval = wanted.interval
    present = interval.floor((await session.exchange.ticker(wanted.inst_id)).occurred_at)
    end = min(interval.floor(wanted.end), present) if wanted.end is not None else present
    start = (
        interval.floor(wanted.start) if wanted.start is not None else end - interval.duration * wanted.candles
    )
    if start >= end:
        raise ConfigurationError(
            f"nothing to read: {start:%Y-%m-%d %H:%M} is not before {end:%Y-%m-%d %H:%M} UTC, the end of what has closed"
        )
    service = MarketDataService(opened.store, opened.clock, opened.adapter)
    changed = 0
    page = interval.duration * _CANDLES_AT_ONCE
    pages = range(int((end - start) / page) + 1)
    for number in steps(f"Reading {wanted.inst_id} {interval}", pages):
        first = start + page * number
        last = min(first + page, end)
        if first < last:
            changed += await service.backfill(session, wanted.inst_id, interval, first, last)
    return Backfilled(market_of(session.account), wanted.inst_id, interval, start, end, changed)
