"""A trained model as one of the forecasters that are evaluated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kokex.kronos.candles import Candles
from kokex.kronos.forecast import CLOSE, OPEN
from kokex.kronos.forecaster import KronosForecaster
from kokex.kronos.sampling import Sampling
from kokex.kronos.training.series import CandleSeries

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ModelSampler:
    """Samples close prices with a `KronosForecaster`.

    Attributes:
        forecaster: tokenizer and predictor.
        context: candles given at each origin.
        anchored: each path is scaled so that its first open is the last known close. Markets that never sleep open
            where they closed; what the tokens cannot say about the level is taken out that way.
        sampling: temperature, top_k, top_p.
        batch: origins computed together.
        seed: every origin has its own, made of this one and its index.
        progress: called with (origins done, origins).
    """

    forecaster: KronosForecaster
    context: int
    anchored: bool = False
    sampling: Sampling = field(default_factory=Sampling)
    batch: int = 16
    seed: int = 0
    name: str = "Kronos"
    progress: Callable[[int, int], None] | None = None
    drawn: dict[tuple[str, bytes, int, int], tuple[Array, Array]] = field(default_factory=dict, repr=False)
    """What was drawn already; copies share it, so that the anchored one costs nothing more."""

    def sample(self, series: CandleSeries, origins: NDArray[np.int64], horizon: int, paths: int) -> Array:
        """See `PathSampler.sample`."""
        opens, closes = self.open_and_close(series, origins, horizon, paths)
        return anchor(opens, closes, series, origins) if self.anchored else closes

    def open_and_close(
        self, series: CandleSeries, origins: NDArray[np.int64], horizon: int, paths: int
    ) -> tuple[Array, Array]:
        """Raw first opens (origins, paths) and closes (origins, paths, horizon)."""
        key = (series.fingerprint(), origins.tobytes(), horizon, paths)
        if key not in self.drawn:
            self.drawn[key] = self._draw(series, origins, horizon, paths)
        return self.drawn[key]

    def _draw(
        self, series: CandleSeries, origins: NDArray[np.int64], horizon: int, paths: int
    ) -> tuple[Array, Array]:
        opens: list[Array] = []
        closes: list[Array] = []
        for first in range(0, len(origins), self.batch):
            some = [int(origin) for origin in origins[first : first + self.batch]]
            forecasts = self.forecaster.forecast_many(
                [self._known(series, origin) for origin in some],
                horizon,
                paths=paths,
                sampling=self.sampling,
                seeds=[self.seed + origin for origin in some],
            )
            opens += [forecast.paths[:, 0, OPEN] for forecast in forecasts]
            closes += [forecast.paths[:, :, CLOSE] for forecast in forecasts]
            if self.progress is not None:
                self.progress(first + len(some), len(origins))
        return np.stack(opens), np.stack(closes)

    def _known(self, series: CandleSeries, origin: int) -> Candles:
        """The context before an origin, and nothing else."""
        known = series.part(origin - self.context, origin)
        return Candles.from_arrays(known.open_times.astype("datetime64[s]"), known.values)


def anchor(opens: Array, closes: Array, series: CandleSeries, origins: NDArray[np.int64]) -> Array:
    """Scale closes (origins, paths, horizon) so that each path's first open (origins, paths) is the last close."""
    last = series.values[origins - 1, CLOSE][:, None]
    positive = np.maximum(opens, last * 0.01)  # a raw path may open at or below zero
    return np.asarray(closes * (last / positive)[:, :, None])
