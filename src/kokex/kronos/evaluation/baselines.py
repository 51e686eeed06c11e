"""Forecasters that any model must beat, sampled like the model so that every score applies to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from arch import arch_model
from numpy.typing import NDArray

from kokex.kronos.evaluation.walk_forward import PathSampler
from kokex.kronos.training.series import CLOSE, CandleSeries

Array = NDArray[np.float64]

DAY_SECONDS = 86_400
FEWEST_RETURNS = 50


@dataclass(frozen=True, slots=True)
class Persistence:
    """The last close, for ever and without doubt: its CRPS is its absolute error."""

    name: str = "persistence"

    def sample(self, series: CandleSeries, origins: NDArray[np.int64], horizon: int, paths: int) -> Array:
        """See `PathSampler.sample`."""
        last = series.values[origins - 1, CLOSE]
        return np.broadcast_to(last[:, None, None], (len(origins), paths, horizon)).copy()


@dataclass(frozen=True, slots=True)
class Drift:
    """A Gaussian random walk with the mean and deviation of the last `memory` returns."""

    memory: int = 1000
    seed: int = 0
    name: str = "drift"

    def sample(self, series: CandleSeries, origins: NDArray[np.int64], horizon: int, paths: int) -> Array:
        """See `PathSampler.sample`."""
        rng = np.random.default_rng(self.seed)

        def steps(known: Array) -> Array:
            return np.asarray(rng.normal(known.mean(), known.std(), size=(paths, horizon)))

        return _walks(series, origins, self.memory, steps)


@dataclass(frozen=True, slots=True)
class BlockBootstrap:
    """Blocks of successive returns out of the last `memory`, glued together: fat tails and clusters for nothing."""

    memory: int = 2000
    block: int = 12
    seed: int = 0
    name: str = "block bootstrap"

    def sample(self, series: CandleSeries, origins: NDArray[np.int64], horizon: int, paths: int) -> Array:
        """See `PathSampler.sample`."""
        rng = np.random.default_rng(self.seed)
        blocks = -(-horizon // self.block)

        def steps(known: Array) -> Array:
            first = rng.integers(0, len(known) - self.block + 1, size=(paths, blocks))
            places = first[:, :, None] + np.arange(self.block)  # (paths, blocks, block)
            return np.asarray(known[places].reshape(paths, -1)[:, :horizon])

        return _walks(series, origins, self.memory, steps)


@dataclass(frozen=True, slots=True)
class Seasonal:
    """Whole stretches of returns that began at the same time of day (of week, for daily candles) on earlier days."""

    memory: int = 2000
    seed: int = 0
    name: str = "seasonal"

    def sample(self, series: CandleSeries, origins: NDArray[np.int64], horizon: int, paths: int) -> Array:
        """See `PathSampler.sample`."""
        rng = np.random.default_rng(self.seed)
        period = DAY_SECONDS // series.interval_seconds if series.interval_seconds < DAY_SECONDS else 7
        nearest = -(-horizon // period)

        def steps(known: Array) -> Array:
            furthest = len(known) // period
            if furthest < nearest:
                raise ValueError(
                    f"{len(known)} returns hold no earlier stretch of {horizon} at the same time of day"
                )
            first = len(known) - period * rng.integers(nearest, furthest + 1, size=paths)
            return np.asarray(known[first[:, None] + np.arange(horizon)])

        return _walks(series, origins, self.memory, steps)


@dataclass(frozen=True, slots=True)
class Garch:
    """GARCH(1, 1) with Student's t shocks, fitted to the last `memory` returns at every `refit`-th origin."""

    memory: int = 2000
    refit: int = 10
    seed: int = 0
    name: str = "GARCH"

    def sample(self, series: CandleSeries, origins: NDArray[np.int64], horizon: int, paths: int) -> Array:
        """See `PathSampler.sample`."""
        rng = np.random.default_rng(self.seed)
        fitted: list[Array] = []
        calls = 0

        def steps(known: Array) -> Array:
            nonlocal calls
            model = arch_model(known, mean="Constant", vol="GARCH", p=1, q=1, dist="t", rescale=False)
            if calls % self.refit == 0:
                fitted[:] = [np.asarray(model.fit(disp="off", show_warning=False).params, dtype=np.float64)]
            calls += 1
            shocks = _student_shocks(rng, float(fitted[0][-1]))
            forecast = model.forecast(
                fitted[0],
                horizon=horizon,
                start=len(known) - 1,
                method="simulation",
                simulations=paths,
                rng=shocks,
            )
            simulated = forecast.simulations.values
            assert simulated is not None
            return np.asarray(simulated[-1], dtype=np.float64)  # (paths, horizon)

        return _walks(series, origins, self.memory, steps)


def standard_baselines(seed: int = 0) -> tuple[PathSampler, ...]:
    """Persistence, drift, block bootstrap, seasonal, GARCH."""
    return (Persistence(), Drift(seed=seed), BlockBootstrap(seed=seed), Seasonal(seed=seed), Garch(seed=seed))


def _walks(
    series: CandleSeries, origins: NDArray[np.int64], memory: int, steps: Callable[[Array], Array]
) -> Array:
    """Close prices (origins, paths, horizon): the last close moved by `steps(known returns)`, (paths, horizon) in percent.

    Known returns are the last `memory` before the origin that cross no gap in time.
    """
    closes = series.values[:, CLOSE]
    returns = 100 * np.diff(np.log(closes))  # return i leads to candle i + 1
    joined = np.diff(series.open_times) == series.interval_seconds
    walks = []
    for origin in origins:
        first = max(int(origin) - 1 - memory, 0)
        known = returns[first : origin - 1][joined[first : origin - 1]]
        if len(known) < FEWEST_RETURNS:
            raise ValueError(f"{len(known)} returns before candle {origin} are too few for a baseline")
        walks.append(closes[origin - 1] * np.exp(steps(known).cumsum(axis=1) / 100))
    return np.stack(walks)


def _student_shocks(rng: np.random.Generator, freedom: float) -> Callable[[int | tuple[int, ...]], Array]:
    """Draws of Student's t scaled to variance one."""
    scale = np.sqrt((freedom - 2) / freedom)

    def draw(size: int | tuple[int, ...]) -> Array:
        return np.asarray(rng.standard_t(freedom, size=size) * scale)

    return draw
