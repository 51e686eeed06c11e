"""The trained model behind the `Forecaster` port. Imports torch: for the worker and `kokex forecast` alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from kokex.domain.candle import CandleSeries
from kokex.domain.errors import DataError, ForecastError
from kokex.domain.forecast import CLOSE, Forecast
from kokex.kronos import Candles, Kronos, KronosError, KronosForecaster, KronosTokenizer

if TYPE_CHECKING:
    from kokex.kronos.evaluation.recalibration import Recalibrator

LEARNT: Final = "forecasting.json"
SHORTEST: Final = 32
"""Fewest candles that a model is asked to forecast from, where its training does not say."""
LEAST_PRICE: Final = 0.01
"""A raw path may reach zero or below; as a share of the last close, prices end here."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Learnt:
    """What a training learnt besides weights; kept beside them as `forecasting.json`.

    Attributes:
        context: candles that it was trained to look back on; None: not known.
        shortest_context: fewest that it was trained with.
        recalibration: corrects the closes of a forecast of so many steps, as the evaluation fitted it; None: raw bands.
    """

    context: int | None = None
    shortest_context: int | None = None
    recalibration: Mapping[str, Any] | None = None

    @classmethod
    def read(cls, weights: Path) -> Self:
        """From the folder. Raises `DataError` where the file is none of ours."""
        path = weights / LEARNT
        if not path.is_file():
            return cls()
        try:
            words = json.loads(path.read_text(encoding="utf-8"))
            return cls(words.get("context"), words.get("shortest_context"), words.get("recalibration"))
        except (ValueError, AttributeError) as error:
            raise DataError(f"{path} cannot be read: {error}") from error

    def write(self, weights: Path) -> None:
        """Into the folder."""
        words = {
            "context": self.context,
            "shortest_context": self.shortest_context,
            "recalibration": self.recalibration,
        }
        (weights / LEARNT).write_text(json.dumps(words) + "\n", encoding="utf-8")


class KronosModelForecaster:
    """`Forecaster` with one folder of weights, loaded when it is made; may be used from several threads.

    Paths are anchored: each is scaled so that it opens at the last close, as markets that never sleep do. Where the training
    learnt how wrong its bands are, closes are corrected and their candles moved along with them.
    """

    def __init__(self, weights: Path, name: str, *, device: str = "cpu", context: int | None = None) -> None:
        """Load.

        Raises:
            DataError: the folder holds no weights that can be loaded.
        """
        learnt = Learnt.read(weights)
        self.name = name
        self._context = context or learnt.context or 400
        self.shortest_context = min(learnt.shortest_context or SHORTEST, self._context)
        try:
            model = Kronos.from_pretrained(_stage(weights, "predictor"))
            tokenizer = KronosTokenizer.from_pretrained(_stage(weights, "tokenizer"))
            self._forecaster = KronosForecaster(
                model, tokenizer, max_context=max(512, 2 * self._context), device=device
            )
            self._recalibrator = _recalibrator(learnt.recalibration)
        except (KronosError, ValueError, KeyError) as error:
            raise DataError(f"the model in {weights} cannot be loaded: {error}") from error

    def forecast(self, candles: CandleSeries, *, horizon: int, paths: int, seed: int) -> Forecast:
        """See `Forecaster.forecast`."""
        if len(candles) < self.shortest_context:
            raise ForecastError(
                f"{len(candles)} candles of {candles.inst_id} are too few for {self.name}; {self.shortest_context} are needed"
            )
        try:
            drawn = self._forecaster.forecast(
                kronos_candles(candles, self._context), horizon, paths=paths, seed=seed
            )
        except KronosError as error:
            raise ForecastError(f"{self.name} cannot forecast {candles.inst_id}: {error}") from error
        last = float(candles.closes[-1])
        values = _anchored(np.asarray(drawn.paths, dtype=np.float64), last)
        if self._recalibrator is not None:
            values = _recalibrated(values, self._recalibrator, last)
        return Forecast(
            inst_id=candles.inst_id,
            interval=candles.interval,
            forecaster=self.name,
            origin_time=candles.close_time,
            origin_price=last,
            paths=values.astype(np.float32),
        )


def kronos_candles(series: CandleSeries, context: int) -> Candles:
    """The newest `context` candles as the model library's own. Raises its errors."""
    values, times = series.values[-context:], series.open_times[-context:]
    return Candles.from_arrays(
        times.astype("datetime64[s]"),
        known_columns(values),
        interval=timedelta(seconds=series.interval.seconds),
    )


def known_columns(values: Floats) -> Floats:
    """(n, 4), (n, 5) or (n, 6): the columns known throughout; a volume that is zero throughout is no volume."""
    known = [bool(np.isfinite(values[:, column]).all()) for column in range(values.shape[1])]
    if not known[4] or not values[:, 4].any():
        return values[:, :4]
    return values if known[5] else values[:, :5]


def _stage(weights: Path, stage: str) -> Path:
    """`predictor`, or `predictor/best` where the folder is a training run's."""
    best = weights / stage / "best"
    return best if best.is_dir() else weights / stage


def _recalibrator(record: Mapping[str, Any] | None) -> Recalibrator | None:
    if record is None:
        return None
    from kokex.kronos.evaluation.recalibration import recalibrator_from_json  # noqa: PLC0415 - seconds of imports

    return recalibrator_from_json(record)


def _anchored(values: Floats, last: float) -> Floats:
    """Every path scaled to open at the last close; no price at or below zero, high and low around open and close."""
    opens = np.maximum(values[:, 0, 0], LEAST_PRICE * last)
    scale = (last / opens)[:, None]
    values = values.copy()
    values[:, :, :4] *= scale[:, :, None]
    values[:, :, 5] *= scale
    return _possible(values, last)


def _possible(values: Floats, last: float) -> Floats:
    prices = np.maximum(values[:, :, :4], LEAST_PRICE * last)
    values[:, :, :4] = prices
    values[:, :, 1] = prices.max(axis=2)
    values[:, :, 2] = prices.min(axis=2)
    values[:, :, 4:] = np.maximum(values[:, :, 4:], 0.0)
    return values


def _recalibrated(values: Floats, recalibrator: Recalibrator, last: float) -> Floats:
    """Closes corrected step by step, the rest of each candle moved along; raw where the correction has fewer steps."""
    steps = _steps(recalibrator)
    if steps is None or values.shape[1] > steps:
        return values
    changes = 100 * np.log(values[:, :, CLOSE] / last)  # (paths, horizon)
    padded = np.zeros((1, changes.shape[0], steps))
    padded[0, :, : changes.shape[1]] = changes
    corrected = recalibrator.apply(padded)[0, :, : changes.shape[1]]
    after = np.exp((corrected - changes) / 100)  # (paths, horizon): of the close
    before = np.hstack((np.ones((len(values), 1)), after[:, :-1]))  # of the open, which is the close before
    values = values.copy()
    values[:, :, 0] *= before
    values[:, :, 1:4] *= after[:, :, None]
    return _possible(values, last)


def _steps(recalibrator: Recalibrator) -> int | None:
    for name in ("residuals", "levels"):
        table = getattr(recalibrator, name, None)
        if table is not None:
            return int(table.shape[1])
    return None
