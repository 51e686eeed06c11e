"""What the market has done: base candles, the one that is forming, and every interval made from them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from decimal import Decimal

from kokex.paper.decimals import ZERO
from kokex.paper.instruments import Instrument
from kokex.paper.market.candle import Candle, Tick
from kokex.paper.market.interval import Bar

Expand = Callable[[Candle], list[Tick]]
_PATHS_KEPT = 4


class CandleHistory:
    """Contiguous base candles of one instrument, oldest first."""

    def __init__(self, instrument: Instrument, interval_ms: int, expand: Expand) -> None:
        self.instrument = instrument
        self.interval_ms = interval_ms
        self._expand = expand
        self._closed: list[Candle] = []
        self._forming: Candle | None = None
        self._paths: dict[int, tuple[list[int], list[Tick]]] = {}

    @property
    def first_ms(self) -> int | None:
        """Open time of the oldest candle, None while there is none."""
        if self._closed:
            return self._closed[0].start_ms
        return None if self._forming is None else self._forming.start_ms

    @property
    def last(self) -> Candle | None:
        """The newest candle, forming or closed."""
        return self._forming or (self._closed[-1] if self._closed else None)

    def append(self, candle: Candle) -> None:
        """Close a base candle."""
        self._closed.append(candle)
        self._forming = None

    def set_forming(self, candle: Candle) -> None:
        """Show the base candle that is forming."""
        self._forming = candle

    def between(self, start_ms: int, end_ms: int) -> list[Candle]:
        """Base candles that open in [start, end), the forming one included."""
        first = self.first_ms
        if first is None:
            return []
        low = max(0, -(-(start_ms - first) // self.interval_ms))
        high = max(0, -(-(end_ms - first) // self.interval_ms))
        found = self._closed[low:high]
        if self._forming is not None and start_ms <= self._forming.start_ms < end_ms:
            found.append(self._forming)
        return found

    def bar_at(self, bar: Bar, start_ms: int, now_ms: int) -> Candle | None:
        """The candle of `bar` that opens at `start_ms`, as far as it has come by `now_ms`."""
        end_ms = min(bar.end_of(start_ms), now_ms + 1)
        if self._made_of_base(bar):
            return merge(start_ms, self.between(start_ms, end_ms))
        return self._from_ticks(start_ms, end_ms)

    def page(self, bar: Bar, *, older_than: int, newer_than: int, limit: int, now_ms: int) -> list[Candle]:
        """Up to `limit` candles of `bar`, newest first, opening strictly between the two bounds."""
        first = self.first_ms
        if first is None:
            return []
        start = bar.start_of(min(older_than - 1, now_ms))
        oldest = bar.start_of(first)
        page: list[Candle] = []
        while len(page) < limit and start > newer_than and start >= oldest:
            candle = self.bar_at(bar, start, now_ms)
            if candle is not None:
                page.append(candle)
            start = bar.start_of(start - 1)
        return page

    def _made_of_base(self, bar: Bar) -> bool:
        return bool(bar.months) or bar.length_ms % self.interval_ms == 0

    def _from_ticks(self, start_ms: int, end_ms: int) -> Candle | None:
        price: int | None = None
        inside: list[Tick] = []
        for candle in self.between(start_ms - self.interval_ms + 1, end_ms):
            times, ticks = self._path_of(candle)
            low, high = bisect_left(times, start_ms), bisect_left(times, end_ms)
            if low:
                price = ticks[low - 1].price
            inside.extend(ticks[low:high])
        if inside:
            return candle_from_ticks(self.instrument, start_ms, inside)
        return None if price is None else Candle(start_ms, price, price, price, price, 0, ZERO)

    def _path_of(self, candle: Candle) -> tuple[list[int], list[Tick]]:
        """Times and ticks of a candle; the latest few are remembered, since pages ask again and again."""
        known = self._paths.get(candle.start_ms)
        if known is None:
            ticks = self._expand(candle)
            known = ([tick.at_ms for tick in ticks], ticks)
            self._paths[candle.start_ms] = known
            if len(self._paths) > _PATHS_KEPT:
                del self._paths[next(iter(self._paths))]
        return known


def merge(start_ms: int, parts: list[Candle]) -> Candle | None:
    """One candle out of consecutive ones."""
    if not parts:
        return None
    if len(parts) == 1:
        only = parts[0]
        return Candle(start_ms, only.open, only.high, only.low, only.close, only.volume, only.amount)
    return Candle(
        start_ms,
        parts[0].open,
        max(part.high for part in parts),
        min(part.low for part in parts),
        parts[-1].close,
        sum(part.volume for part in parts),
        sum((part.amount for part in parts), ZERO),
    )


def candle_from_ticks(instrument: Instrument, start_ms: int, ticks: list[Tick]) -> Candle:
    """The candle that a run of ticks draws."""
    prices = [tick.price for tick in ticks]
    turnover = sum(tick.price * tick.lots for tick in ticks)
    amount: Decimal = instrument.tick * instrument.lot_value * turnover
    return Candle(
        start_ms, prices[0], max(prices), min(prices), prices[-1], sum(tick.lots for tick in ticks), amount
    )
