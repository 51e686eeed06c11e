"""Checking and repairing the candles that are kept.

What the exchange was asked for again and gave once more is confirmed: a crash is no flaw because it is unusual. It is not asked
for again until the candle changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, TypeAlias

from kokex.domain.candle import Interval
from kokex.domain.candle_flaws import CandleFlaw, FlawKind, FlawState, find_flaws, missing_flaw
from kokex.domain.candle_rows import CandleKey, CandleRows
from kokex.domain.time_range import RangeSet, TimeRange
from kokex.ports.candles import CandleLedger, CandleStore
from kokex.ports.exchange import Exchange

CANDLES_TOGETHER: Final = 300
"""Flaws no farther apart than this are asked for in one request."""

OnStep: TypeAlias = Callable[[int, int], None]
"""Told of each request: how many stretches are done, of how many."""


@dataclass(frozen=True, slots=True)
class CandleCheck:
    """What was found. `candles` were looked at, between `first` and `last` (open times; None where there are none)."""

    candles: int
    first: datetime | None
    last: datetime | None
    flaws: tuple[CandleFlaw, ...]

    def count(self, kind: FlawKind, state: FlawState | None = None) -> int:
        """How many findings of a kind (in a state)."""
        return sum(flaw.kind is kind and state in (None, flaw.state) for flaw in self.flaws)

    @property
    def open(self) -> int:
        """How many findings are neither repaired nor confirmed."""
        return sum(flaw.state is FlawState.FOUND for flaw in self.flaws)


class CandleRepair:
    """Looks over kept candles, and asks the exchange for what is missing or strange."""

    def __init__(self, candles: CandleStore) -> None:
        self._candles = candles

    async def check(self, key: CandleKey, window: TimeRange | None = None) -> CandleCheck:
        """Every flaw of what is kept; those that the exchange has confirmed are marked so."""
        start, end = (window.start, window.end) if window else (None, None)
        rows = await self._candles.read(key, start, end)
        ledger = await self._candles.ledger(key)
        return check_of(rows, judged(rows, key.interval, ledger))

    async def repair(
        self,
        exchange: Exchange,
        key: CandleKey,
        window: TimeRange | None = None,
        on_step: OnStep | None = None,
    ) -> CandleCheck:
        """Ask the exchange for every flaw that is not confirmed. The findings of before, as they stand now.

        Raises:
            ExchangeError: it cannot be asked; what was repaired before stays so.
        """
        before = await self.check(key, window)
        stretches = together(
            (flaw.range(key.interval) for flaw in before.flaws if flaw.state is FlawState.FOUND), key.interval
        )
        for done, stretch in enumerate(stretches):
            if on_step is not None:
                on_step(done, len(stretches))
            await self._ask(exchange, key, stretch)
        if on_step is not None:
            on_step(len(stretches), len(stretches))
        after = await self.check(key, window)
        return replace(after, flaws=tuple(settled(before.flaws, after.flaws, key.interval)))

    async def _ask(self, exchange: Exchange, key: CandleKey, stretch: TimeRange) -> None:
        pages = exchange.candle_pages(key.inst_id, key.interval, start=stretch.start, end=stretch.end)
        async for page in pages:
            known = CandleLedger(page.answered, page.answered, page.begins_at)
            await self._candles.keep(key, CandleRows.of(page.candles), known)


def check_of(rows: CandleRows, flaws: Iterable[CandleFlaw]) -> CandleCheck:
    """The findings about `rows`."""
    candles = list(rows[:1].candles()) + list(rows[-1:].candles())
    first, last = (candles[0].open_time, candles[-1].open_time) if candles else (None, None)
    return CandleCheck(len(rows), first, last, tuple(flaws))


def judged(rows: CandleRows, interval: Interval, ledger: CandleLedger) -> list[CandleFlaw]:
    """The flaws of `rows`, those confirmed that the ledger knows of."""
    flaws = [
        _as_known(flaw, interval, ledger.confirmed)
        for flaw in find_flaws(rows.open_times * 1000, rows.values, interval)
        if flaw.kind is not FlawKind.MISSING
    ]
    there = rows.ranges(interval)
    whole = RangeSet((TimeRange(there.ranges[0].start, there.ranges[-1].end),)) if len(there) else there
    holes = whole - there
    flaws += [missing_flaw(hole, interval) for hole in holes - ledger.complete]
    flaws += [
        replace(missing_flaw(hole, interval), state=FlawState.CONFIRMED) for hole in holes & ledger.complete
    ]
    return sorted(flaws, key=lambda flaw: (flaw.open_time is None, flaw.open_time, flaw.kind))


def _as_known(flaw: CandleFlaw, interval: Interval, confirmed: RangeSet) -> CandleFlaw:
    stretch = flaw.range(interval)
    known = stretch is not None and confirmed.covers(stretch)
    return replace(flaw, state=FlawState.CONFIRMED) if known else flaw


def together(stretches: Iterable[TimeRange | None], interval: Interval) -> list[TimeRange]:
    """Stretches to ask for: those that one request can answer in one."""
    joined: list[TimeRange] = []
    for one in RangeSet.of(stretch for stretch in stretches if stretch is not None):
        if joined and interval.count(joined[-1].start, one.end) <= CANDLES_TOGETHER:
            joined[-1] = TimeRange(joined[-1].start, one.end)
        else:
            joined.append(one)
    return joined


def settled(
    before: Iterable[CandleFlaw], after: Iterable[CandleFlaw], interval: Interval
) -> Iterable[CandleFlaw]:
    """The findings of before with what became of each, and those that repairing brought to light."""
    now = list(after)
    told: set[int] = set()
    for flaw in before:
        same = [at for at, one in enumerate(now) if one.kind is flaw.kind and _meet(one, flaw, interval)]
        if not same:
            yield replace(flaw, state=FlawState.REPAIRED)
        for at in same:
            if at not in told:
                told.add(at)
                yield now[at]
    yield from (one for at, one in enumerate(now) if at not in told)


def _meet(one: CandleFlaw, other: CandleFlaw, interval: Interval) -> bool:
    """Whether both concern the same time."""
    mine, theirs = one.range(interval), other.range(interval)
    return mine is not None and theirs is not None and mine.start < theirs.end and theirs.start < mine.end
