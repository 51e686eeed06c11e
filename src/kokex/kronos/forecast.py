"""All sampled futures of one series, and what can be said from them. Nothing is averaged away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from kokex.kronos.candles import COLUMNS, Times
from kokex.kronos.errors import RequestError

Array = NDArray[np.float64]
OPEN, HIGH, LOW, CLOSE, VOLUME, AMOUNT = range(len(COLUMNS))


@dataclass(frozen=True, slots=True, eq=False)
class Forecast:
    """Sampled futures in price units."""

    paths: Array
    """(paths, horizon, 6): open, high, low, close, volume, amount, as the model drew them."""
    times: Times
    """(horizon,) open times of the future candles, UTC."""
    context: Array
    """(T, 6) the candles that the forecast starts from."""
    seed: int
    """Give it again for the same paths."""

    @property
    def horizon(self) -> int:
        """Number of future candles."""
        return int(self.paths.shape[1])

    @property
    def last_close(self) -> float:
        """Close of the last known candle."""
        return float(self.context[-1, CLOSE])

    def column(self, name: str) -> Array:
        """One column of every path, (paths, horizon)."""
        if name not in COLUMNS:
            raise RequestError(f"no column {name!r}; there is {', '.join(COLUMNS)}")
        return self.paths[:, :, COLUMNS.index(name)]

    @property
    def mean(self) -> Array:
        """Mean over the paths, (horizon, 6). It is smoother than any path: do not trade on its shape."""
        mean: Array = self.paths.mean(axis=0)
        return mean

    def quantiles(self, levels: Sequence[float], column: str = "close") -> Array:
        """Quantiles over the paths, (levels, horizon); levels between 0 and 1."""
        if not all(0 <= level <= 1 for level in levels):
            raise RequestError(f"quantile levels lie between 0 and 1, not {list(levels)}")
        return np.quantile(self.column(column), levels, axis=0)

    def probability_up(self, step: int = -1, threshold: float | None = None) -> float:
        """Share of paths whose close at a step is above ``threshold``, the last known close by default.

        Args:
            step: 0 is the first future candle, -1 the last.
            threshold: a price.
        """
        limit = self.last_close if threshold is None else threshold
        return float((self.column("close")[:, self._index(step)] > limit).mean())

    def probability_volatility_rises(self, lookback: int | None = None) -> float:
        """Share of paths that are more volatile than the recent past.

        Volatility is the standard deviation of the candle-to-candle return of the close, over the horizon against the
        last ``lookback`` candles of the context (as many as the horizon by default). Needs a horizon of 2 or more.
        """
        lookback = self.horizon if lookback is None else lookback
        if self.horizon < 2 or lookback < 2:
            raise RequestError(
                f"volatility needs at least 2 returns on both sides: horizon {self.horizon}, lookback {lookback}"
            )
        known = self.context[:, CLOSE]
        recent = _returns(known[-(lookback + 1) :]).std()
        starts = np.full((len(self.paths), 1), self.last_close)
        future = _returns(np.hstack((starts, self.column("close")))).std(axis=-1)
        return float((future > recent).mean())

    @property
    def maxima(self) -> Array:
        """Highest high of each path, (paths,)."""
        highest: Array = self.column("high").max(axis=1)
        return highest

    @property
    def minima(self) -> Array:
        """Lowest low of each path, (paths,)."""
        lowest: Array = self.column("low").min(axis=1)
        return lowest

    @property
    def expected_range(self) -> float:
        """Mean over the paths of highest high minus lowest low, in price units."""
        return float((self.maxima - self.minima).mean())

    def repaired(self) -> Self:
        """The same with impossible candles made possible: high and low enclose open and close, nothing is negative.

        The model does not promise either; the raw paths stay as drawn so that this remains a choice.
        """
        paths = np.maximum(self.paths, 0.0)
        bodies = paths[:, :, [OPEN, CLOSE]]
        high_low = paths[:, :, [HIGH, LOW]]
        paths[:, :, HIGH] = np.maximum(high_low.max(axis=-1), bodies.max(axis=-1))
        paths[:, :, LOW] = np.minimum(high_low.min(axis=-1), bodies.min(axis=-1))
        return replace(self, paths=paths)

    def _index(self, step: int) -> int:
        if not -self.horizon <= step < self.horizon:
            raise RequestError(f"step {step} is outside the horizon of {self.horizon}")
        return step


def _returns(closes: Array) -> Array:
    """Candle-to-candle returns along the last axis. Simple, not logarithmic: a raw path may cross zero."""
    return np.diff(closes, axis=-1) / closes[..., :-1]
