"""What every instrument's candles will be, in order: rows of the files where they reach, else synthetic ones."""

from __future__ import annotations

import random
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from kokex.domain.errors import ConfigurationError
from kokex.paper.config import DEFAULT_START, PaperConfig
from kokex.paper.instruments import PROFILES, Instrument, MarketProfile, listed_instrument
from kokex.paper.market.candle import Candle, typical_amount
from kokex.paper.market.candle_file import CandleFile, FileCandle, read_candle_file
from kokex.paper.market.synthetic import RawCandle, SyntheticMarket

_SWAP_VOLUME = 2.5
"""Perpetuals trade this many times what spot does."""
_FILE_MEMORY = 500
"""Rows of a file, before the history starts, from which the synthetic market learns its volatility."""


@dataclass(frozen=True, slots=True)
class _Source:
    """A file as whole candles of its instrument."""

    instrument: Instrument
    rows: tuple[FileCandle, ...]
    first_ms: int
    interval_ms: int

    @property
    def end_ms(self) -> int:
        return self.first_ms + len(self.rows) * self.interval_ms

    def at(self, start_ms: int) -> FileCandle | None:
        index = (start_ms - self.first_ms) // self.interval_ms
        return self.rows[index] if 0 <= index < len(self.rows) else None


class CandlePlan:
    """Produces the next base candle of every instrument, deterministically from the config."""

    def __init__(self, config: PaperConfig) -> None:
        self._config = config
        self.interval_ms = config.interval_ms
        demo = config.environment == "demo"
        self.instruments = [listed_instrument(inst_id, demo=demo) for inst_id in config.instruments]
        self._sources = self._read_files()
        self.instruments = [
            self._sources[item.inst_id].instrument if item.inst_id in self._sources else item
            for item in self.instruments
        ]
        self.start_ms = self._start()
        self.history_start_ms = self.start_ms - config.warmup_candles * self.interval_ms
        self._next_ms = self.history_start_ms
        self._synthetic = SyntheticMarket(config.seed, self._profiles(), self.interval_ms)
        self._premiums = {item.inst_id: _Premium(config.seed, item.inst_id) for item in self.instruments}
        self._learn()

    def past(self, instrument: Instrument) -> list[Candle]:
        """Candles of a file that lie before the part of history that all instruments share."""
        source = self._sources.get(instrument.inst_id)
        if source is None:
            return []
        count = max(0, (self.history_start_ms - source.first_ms) // self.interval_ms)
        return [_exact(instrument, row) for row in source.rows[:count]]

    def next_candles(self) -> tuple[int, list[Candle | None]]:
        """Open time and candle by instrument; None before an instrument's file begins."""
        start_ms = self._next_ms
        self._next_ms += self.interval_ms
        raw = self._synthetic.step(start_ms)
        followed: dict[str, FileCandle] = {}
        for underlying, source in self._leaders().items():
            row = source.at(start_ms)
            if row is not None:
                followed[underlying] = row
                raw[underlying] = _raw(row, raw[underlying].volume)
                self._observe(underlying, row)
        return start_ms, [self._candle(item, start_ms, raw) for item in self.instruments]

    def _candle(self, item: Instrument, start_ms: int, raw: dict[str, RawCandle]) -> Candle | None:
        before, after = self._premiums[item.inst_id].step()
        source = self._sources.get(item.inst_id)
        if source is not None:
            row = source.at(start_ms)
            if row is not None:
                return _exact(item, row, fallback_volume=raw[item.underlying].volume)
            if start_ms < source.first_ms:
                return None
        leader = self._leaders().get(item.underlying)
        leads = leader is None or leader.instrument.inst_id == item.inst_id
        own_price = (leads and not item.is_swap) or source is not None
        if own_price:
            before = after = 0.0
        return _rounded(item, start_ms, raw[item.underlying], before, after)

    def _leaders(self) -> dict[str, _Source]:
        leaders: dict[str, _Source] = {}
        for source in self._sources.values():
            underlying = source.instrument.underlying
            if underlying not in leaders or not source.instrument.is_swap:
                leaders[underlying] = source
        return leaders

    def _profiles(self) -> dict[str, MarketProfile]:
        names = {item.underlying for item in self.instruments}
        return {name: profile for name, profile in PROFILES.items() if name in names}

    def _learn(self) -> None:
        for underlying, source in self._leaders().items():
            count = max(0, (self.history_start_ms - source.first_ms) // self.interval_ms)
            for row in source.rows[:count][-_FILE_MEMORY:]:
                self._observe(underlying, row)

    def _observe(self, underlying: str, row: FileCandle) -> None:
        self._synthetic.observe(
            underlying, open_price=float(row.open), close_price=float(row.close), start_ms=row.start_ms
        )

    def _read_files(self) -> dict[str, _Source]:
        sources = {}
        for item in self.instruments:
            path = self._config.candles.get(item.inst_id)
            if path is None:
                continue
            file = read_candle_file(path, interval_ms=self.interval_ms, accept_gaps=self._config.accept_gaps)
            sources[item.inst_id] = self._source(item, file)
        return sources

    def _source(self, item: Instrument, file: CandleFile) -> _Source:
        size_decimals = 0 if item.is_swap else file.volume_decimals
        fine = item.refined(price_decimals=file.price_decimals, size_decimals=size_decimals)
        return _Source(fine, file.rows, file.rows[0].start_ms, self.interval_ms)

    def _start(self) -> int:
        asked = self._config.start
        if asked is not None:
            start_ms = round(asked.timestamp() * 1000) // self.interval_ms * self.interval_ms
        elif not self._sources:
            start_ms = round(DEFAULT_START.timestamp() * 1000) // self.interval_ms * self.interval_ms
        elif self._config.candles_as_history:
            start_ms = max(source.end_ms for source in self._sources.values())
        else:
            start_ms = max(self._after_warmup(source) for source in self._sources.values())
        for inst_id, source in self._sources.items():
            if start_ms < source.first_ms:
                raise ConfigurationError(
                    f"the market starts at {start_ms} ms, before the first candle of {inst_id}'s file "
                    f"({source.first_ms} ms); choose a later start"
                )
        return start_ms

    def _after_warmup(self, source: _Source) -> int:
        warmup = self._config.warmup_candles
        rows = len(source.rows)
        return source.first_ms + (warmup if rows > warmup else rows // 2) * self.interval_ms


class _Premium:
    """How far a perpetual trades from spot, as a share: a slow mean-reverting wander of a few basis points."""

    def __init__(self, seed: int, inst_id: str) -> None:
        self._random = random.Random(f"{seed}/{inst_id}/premium")
        self._value = 0.0

    def step(self) -> tuple[float, float]:
        before = self._value
        self._value = 0.9 * before + self._random.gauss(0.0, 0.00012)
        return before, self._value


def _raw(row: FileCandle, fallback_volume: float) -> RawCandle:
    volume = fallback_volume if row.volume is None else float(row.volume)
    return RawCandle(float(row.open), float(row.high), float(row.low), float(row.close), volume)


def _exact(item: Instrument, row: FileCandle, fallback_volume: float = 0.0) -> Candle:
    """A file's row in the units of its instrument, to the tick and the lot."""
    prices = tuple(int(price / item.tick) for price in (row.open, row.high, row.low, row.close))
    quantity = row.volume
    if quantity is None:
        quantity = (
            row.amount / row.close if row.amount is not None else Decimal(str(round(fallback_volume, 8)))
        )
    volume = int((quantity / item.lot_value).to_integral_value(rounding=ROUND_HALF_EVEN))
    quad = (prices[0], prices[1], prices[2], prices[3])
    amount = row.amount if row.amount is not None else typical_amount(item, quad, volume)
    return Candle(row.start_ms, *quad, volume, amount)


def _rounded(item: Instrument, start_ms: int, raw: RawCandle, before: float, after: float) -> Candle:
    """A synthetic candle of spot, or of a product at a premium to it."""
    tick = float(item.tick)
    top = max(before, after)
    bottom = min(before, after)
    open_ = max(1, round(raw.open * (1 + before) / tick))
    close = max(1, round(raw.close * (1 + after) / tick))
    high = max(open_, close, round(raw.high * (1 + top) / tick))
    low = max(1, min(open_, close, round(raw.low * (1 + bottom) / tick)))
    share = _SWAP_VOLUME if item.is_swap else 1.0
    volume = round(raw.volume * share / float(item.lot_value))
    return Candle(
        start_ms, open_, high, low, close, volume, typical_amount(item, (open_, high, low, close), volume)
    )
