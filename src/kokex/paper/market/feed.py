"""The market in motion: every instrument's ticks in one order of time, and the history they leave behind."""

from __future__ import annotations

from collections.abc import Iterator
from zlib import crc32

from kokex.paper.config import PaperConfig
from kokex.paper.instruments import Instrument
from kokex.paper.market.candle import Candle, Tick
from kokex.paper.market.history import CandleHistory
from kokex.paper.market.plan import CandlePlan
from kokex.paper.market.tick_path import expand_candle


class Strand:
    """One instrument's part of the feed: its planned candle, the ticks done so far, its history."""

    def __init__(self, instrument: Instrument, interval_ms: int, ticks: int, seed: int) -> None:
        self.instrument = instrument
        self.interval_ms = interval_ms
        self.history = CandleHistory(instrument, interval_ms, self.ticks_of)
        self.last_price = 0
        self._ticks = ticks
        self._seed = [seed, crc32(instrument.inst_id.encode())]
        self._plan: Candle | None = None
        self._planned: list[Tick] = []

    def open_candle(self, plan: Candle) -> list[Tick]:
        """Begin a base candle and return the ticks that will draw it."""
        self._plan = plan
        self._planned = self._path(plan)
        return self._planned

    def close_candle(self) -> None:
        """File the planned candle, which its ticks have drawn to the last lot."""
        if self._plan is not None:
            self.history.append(self._plan)
            self._plan = None

    def apply(self, tick: Tick) -> None:
        """Let one tick happen."""
        self.last_price = tick.price
        plan = self._plan
        if plan is None:
            return
        forming = self.history.last
        if forming is None or forming.start_ms != plan.start_ms:
            volume, high, low = tick.lots, tick.price, tick.price
        else:
            volume = forming.volume + tick.lots
            high, low = max(forming.high, tick.price), min(forming.low, tick.price)
        amount = plan.amount if volume == plan.volume else round(plan.amount * volume / plan.volume, 8)
        self.history.set_forming(Candle(plan.start_ms, plan.open, high, low, tick.price, volume, amount))

    def ticks_of(self, candle: Candle) -> list[Tick]:
        """Every tick of a candle, the planned ones of the forming candle included."""
        plan = self._plan
        return self._planned if plan is not None and plan.start_ms == candle.start_ms else self._path(candle)

    def _path(self, candle: Candle) -> list[Tick]:
        seed = [*self._seed, candle.start_ms // self.interval_ms]
        return expand_candle(candle, length_ms=self.interval_ms, ticks=self._ticks, seed=seed)


class MarketFeed:
    """All strands, advanced together. Ticks come in order of time, then of listing."""

    def __init__(self, config: PaperConfig) -> None:
        self._plan = CandlePlan(config)
        self.interval_ms = self._plan.interval_ms
        self.start_ms = self._plan.start_ms
        self.strands = [
            Strand(item, self.interval_ms, config.candle_ticks, config.seed)
            for item in self._plan.instruments
        ]
        self._queue: list[tuple[int, int, Tick]] = []
        self._at = 0
        self._boundary_ms = self._plan.history_start_ms
        for strand in self.strands:
            for candle in self._plan.past(strand.instrument):
                strand.history.append(candle)
        self._rewind_to_start()

    @property
    def next_at_ms(self) -> int:
        """Market time of the next tick, or of the next candle's opening."""
        return self._queue[self._at][0] if self._at < len(self._queue) else self._boundary_ms

    def until(self, at_ms: int) -> Iterator[tuple[int, Tick]]:
        """Let the market happen up to `at_ms` inclusive; yields (strand index, tick) after applying it.

        Stopping early is fine: the feed stands after the last tick that was yielded.
        """
        while True:
            while self._at < len(self._queue):
                when, index, tick = self._queue[self._at]
                if when > at_ms:
                    return
                self._at += 1
                self.strands[index].apply(tick)
                yield index, tick
            if self._boundary_ms > at_ms:
                return
            self._open_next()

    def skip_to(self, at_ms: int) -> None:
        """Let the market happen without anyone watching (a restart that resumes a saved run)."""
        for _ in self.until(at_ms):
            pass

    def _rewind_to_start(self) -> None:
        while self._boundary_ms < self.start_ms:
            start_ms, candles = self._plan.next_candles()
            for strand, candle in zip(self.strands, candles, strict=True):
                if candle is not None:
                    strand.history.append(candle)
                    strand.last_price = candle.close
            self._boundary_ms = start_ms + self.interval_ms
        self._open_next()
        for strand in self.strands:
            if not strand.last_price and strand._planned:
                strand.last_price = strand._planned[0].price

    def _open_next(self) -> None:
        for strand in self.strands:
            strand.close_candle()
        start_ms, candles = self._plan.next_candles()
        queue: list[tuple[int, int, Tick]] = []
        for index, (strand, candle) in enumerate(zip(self.strands, candles, strict=True)):
            if candle is not None:
                queue.extend((tick.at_ms, index, tick) for tick in strand.open_candle(candle))
        queue.sort(key=lambda entry: entry[:2])
        self._queue = queue
        self._at = 0
        self._boundary_ms = start_ms + self.interval_ms
