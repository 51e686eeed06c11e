"""Reading candles from an account's exchange into the store: what is not known yet, with a bar that tells how long it takes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Final

from kokex.bootstrap import Application
from kokex.cli.output import market_time, note, say, say_json
from kokex.cli.progress import work
from kokex.cli.running import opened_application
from kokex.domain.candle import Interval
from kokex.domain.candle_rows import CandleKey
from kokex.domain.errors import ConfigurationError
from kokex.domain.time_range import TimeRange
from kokex.services.accounts import AccountSession, AccountSessions, market_of
from kokex.services.market_data import BackfillProgress, CandleBackfill

_BEFORE_ALL: Final = datetime(2013, 1, 1, tzinfo=UTC)
"""OKX's first candles are younger."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person asks for. `start` None: `candles` back from `end`; `end` None: the exchange's present."""

    account: str
    inst_id: str
    interval: Interval
    start: datetime | None
    end: datetime | None
    candles: int
    everything: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """What was done.

    Attributes:
        changed: rows that are new or differ from before.
        absent: candles that the exchange, asked twice, does not have.
        begins_at: the exchange has nothing older; None where that was not reached.
        left: stretches that the exchange does not have yet.
    """

    market: str
    inst_id: str
    interval: Interval
    start: datetime
    end: datetime
    changed: int
    absent: int
    begins_at: datetime | None
    left: int


async def backfill(wanted: Wanted, *, as_json: bool) -> None:
    """Read and keep what is wanted, and tell.

    Raises:
        NotFoundError: no such account.
        ExchangeError: the instrument is unknown, or the exchange cannot be read.
        ConfigurationError: nothing lies between the two times.
    """
    async with opened_application() as opened:
        account = await opened.store.accounts.by_name(wanted.account)
        sessions = AccountSessions(opened.store, opened.clock, opened.adapter)
        try:
            done = await _read(opened, await sessions.open(account.id), wanted)
        finally:
            await sessions.close()
    if as_json:
        say_json(asdict(done) | {"interval": str(done.interval)})
    else:
        _tell(done)


async def _read(opened: Application, session: AccountSession, wanted: Wanted) -> Done:
    interval = wanted.interval
    window = _window(wanted, interval.floor((await session.exchange.ticker(wanted.inst_id)).occurred_at))
    key = CandleKey(market_of(session.account), wanted.inst_id, interval)
    with work(f"Reading {wanted.inst_id} {interval}", None) as bar:

        def on_page(page: BackfillProgress) -> None:
            bar(page.answered, page.wanted, f"at {market_time(page.at)}")

        done = await CandleBackfill(opened.store.candles).fill(session.exchange, key, window, on_page)
    begins_at = (await opened.store.candles.ledger(key)).begins_at
    reached = begins_at if begins_at is not None and begins_at > window.start else None
    start = reached or window.start
    return Done(
        *(key.market, key.inst_id, interval, start, window.end, done.changed, done.absent, reached),
        len(done.left),
    )


def _window(wanted: Wanted, present: datetime) -> TimeRange:
    interval = wanted.interval
    end = min(interval.floor(wanted.end), present) if wanted.end is not None else present
    if wanted.everything:
        start = interval.floor(_BEFORE_ALL)
    elif wanted.start is not None:
        start = interval.floor(wanted.start)
    else:
        start = interval.shift(end, -wanted.candles)
    if start >= end:
        raise ConfigurationError(
            f"nothing to read: {start:%Y-%m-%d %H:%M} is not before {end:%Y-%m-%d %H:%M} UTC, the end of what has closed"
        )
    return TimeRange(start, end)


def _tell(done: Done) -> None:
    say(
        f"{done.changed} candles of {done.inst_id} {done.interval} are new or changed, between "
        f"{market_time(done.start)} and {market_time(done.end)} UTC (market {done.market})."
    )
    if done.begins_at is not None:
        say(f"The exchange's candles begin at {market_time(done.begins_at)} UTC: there is nothing older.")
    if done.absent:
        note(f"{done.absent} candles do not exist at the exchange.")
    if done.left:
        note(f"{done.left} stretches are too young to be complete; run it again in a while.")
