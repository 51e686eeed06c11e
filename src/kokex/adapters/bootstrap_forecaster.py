"""The honest baseline: futures made of pieces of the recent past, with no model of anything.

A stationary block bootstrap (Politis and Romano 1994) of whole candles. Each past candle is expressed against the close before
it; a future is a chain of runs of neighbouring past candles, so that shape within a candle, fat tails, and what volatility
clustering fits into a run all survive. A forecaster that cannot beat this has learnt nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kokex.domain.candle import CandleSeries
from kokex.domain.errors import ForecastError
from kokex.domain.forecast import Forecast

_SHORTEST_CONTEXT = 48
_RECENT_VOLUMES = 24

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class BlockBootstrapForecaster:
    """Draws futures from the candles it is given and from nothing else.

    Runs of candles have geometric lengths with a mean of `block_length`; the default is the cube root of the number of
    candles (7 for 400), the order of growth that keeps the bootstrap's error smallest. The series is taken as a circle, so
    that its ends are drawn as often as its middle.

    The sample's drift is removed unless `keep_drift` is set: the expected price at every step is then the origin price. The mean
    return of 400 hourly candles has a standard error of a twentieth of their volatility, some five times what any
    plausible true drift is; carried on over 24 candles, it would look like a view of the market and be noise.
    Keeping it turns the baseline into a trend follower; such forecasts carry another name.

    A series whose price never moved gives futures that never move: spread 0, `probability_up` 0.
    """

    block_length: float | None = None
    keep_drift: bool = False

    def __post_init__(self) -> None:
        if self.block_length is not None and not 1 <= self.block_length < np.inf:
            raise ForecastError(f"block length {self.block_length} must be 1 candle or more")

    @property
    def name(self) -> str:
        """`block_bootstrap`, or `block_bootstrap_drift` where the sample's drift is carried on."""
        return "block_bootstrap_drift" if self.keep_drift else "block_bootstrap"

    @property
    def shortest_context(self) -> int:
        """Fewest candles it draws from."""
        return _SHORTEST_CONTEXT

    def forecast(self, candles: CandleSeries, *, horizon: int, paths: int, seed: int) -> Forecast:
        """`paths` futures of `horizon` candles; the first `n` paths are the same however many are asked for.

        Raises:
            ForecastError: fewer candles than `shortest_context`, prices that are not positive numbers or that their high
                and low do not enclose, or a horizon, number of paths or seed out of range.
        """
        _check_arguments(horizon, paths, seed)
        self._check_candles(candles)
        shapes = _shapes(candles.values[:, :4], remove_drift=not self.keep_drift)
        chosen = self._indices(len(shapes), horizon, paths, seed)
        values = np.empty((paths, horizon, 6))
        values[:, :, :4] = _prices(shapes, chosen, float(candles.closes[-1]))
        values[:, :, 4:] = _volumes(candles.values, chosen, values[:, :, 3])
        if not (values[:, :, :4].max() < np.finfo(np.float32).max):
            raise ForecastError(
                f"prices of {candles.inst_id} grow past every bound when their returns are chained; check its candles"
            )
        return Forecast(
            inst_id=candles.inst_id,
            interval=candles.interval,
            forecaster=self.name,
            origin_time=candles.close_time,
            origin_price=float(candles.closes[-1]),
            paths=values.astype(np.float32),
        )

    def _check_candles(self, candles: CandleSeries) -> None:
        if len(candles) < _SHORTEST_CONTEXT:
            raise ForecastError(
                f"{len(candles)} candles of {candles.inst_id} are too few to forecast from; {_SHORTEST_CONTEXT} are needed"
            )
        prices = candles.values[:, :4]
        sound = np.isfinite(prices).all(axis=1) & (prices > 0).all(axis=1)
        sound &= (prices[:, 1] >= prices.max(axis=1)) & (prices[:, 2] <= prices.min(axis=1))
        if not sound.all():
            at = int(np.flatnonzero(~sound)[0])
            raise ForecastError(
                f"candle {at + 1} of {len(candles)} of {candles.inst_id} cannot be one: open, high, low, close {prices[at].tolist()}"
            )

    def _indices(self, count: int, horizon: int, paths: int, seed: int) -> NDArray[np.int64]:
        """(paths, horizon): which past candle each future candle repeats."""
        length = self.block_length or float(max(1, round(count ** (1 / 3))))
        draws = np.random.default_rng(seed).random((paths, horizon, 2))
        begins = draws[:, :, 0] < 1 / length
        begins[:, 0] = True
        steps = np.arange(horizon)
        begun_at = np.maximum.accumulate(np.where(begins, steps, 0), axis=1)
        starts = (draws[:, :, 1] * count).astype(np.int64)
        return (np.take_along_axis(starts, begun_at, axis=1) + steps - begun_at) % count


def _check_arguments(horizon: int, paths: int, seed: int) -> None:
    for name, value, least in (("horizon", horizon, 1), ("number of paths", paths, 1), ("seed", seed, 0)):
        if value < least:
            raise ForecastError(f"{name} {value} must be {least} or more")


def _shapes(prices: Floats, *, remove_drift: bool) -> Floats:
    """(n - 1, 4): log open, high, low, close over the close before."""
    shapes: Floats = np.log(prices[1:] / prices[:-1, 3:4])
    if remove_drift:
        shapes[:, 1:] -= np.log(np.mean(np.exp(shapes[:, 3])))
        shapes[:, 1] = shapes.max(axis=1)
        shapes[:, 2] = shapes.min(axis=1)
    return shapes


def _prices(shapes: Floats, chosen: NDArray[np.int64], origin: float) -> Floats:
    """(paths, horizon, 4): the chosen shapes, each standing on the close before it."""
    drawn = shapes[chosen]
    before = np.cumsum(drawn[:, :, 3], axis=1) - drawn[:, :, 3]
    with np.errstate(over="ignore"):
        prices: Floats = origin * np.exp(before[:, :, None] + drawn)
    return prices


def _volumes(past: Floats, chosen: NDArray[np.int64], closes: Floats) -> Floats:
    """(paths, horizon, 2): volume in base and amount in quote; nan where the chosen candle has none.

    Past volumes are drawn against their mean and scaled to the mean of the last day's worth of candles (24); an amount is
    its volume at the drawn close and the chosen candle's own ratio of average price to close.
    """
    volume, amount, close = past[:, 4], past[:, 5], past[:, 3]
    level = _known_mean(volume[-_RECENT_VOLUMES:])
    mean = _known_mean(volume)
    scale = level / mean if mean > 0 else 1.0
    if not np.isfinite(scale):
        scale = 1.0
    value = volume * close
    ratio = np.divide(amount, value, out=np.where(np.isnan(value), np.nan, 1.0), where=value > 0)
    drawn = volume[1:][chosen] * scale
    return np.stack([drawn, drawn * closes * ratio[1:][chosen]], axis=-1)


def _known_mean(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")
