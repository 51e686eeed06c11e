"""Make the bands honest: learn on a validation part how wrong they were, correct the forecasts after it.

Two ways, both per horizon step and both keeping each path's rank, so that a calm path stays a calm path:

- `ConformalRecalibrator`: the outcomes' standardised residuals (outcome - median) / spread on the validation part
  become the shape of every later distribution around its own median and spread. It can widen beyond the raw paths.
- `QuantileMappingRecalibrator`: the raw level that the validation outcomes fell under in a share q of the cases
  becomes the new level q. It keeps the raw shape, and cannot reach beyond the outermost raw path.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from kokex.kronos.evaluation.metrics import pit

Array = NDArray[np.float64]

FEWEST_WINDOWS = 20
LEAST_SPREAD = 0.1
"""A spread counts as at least this share of its step's usual one: where all paths fell on one token, any outcome is
infinitely many spreads away, and one such window would tear the tails of all forecasts after it."""


class Recalibrator(Protocol):
    """Corrects samples (windows, paths, steps), the steps being those that it was fitted on."""

    def apply(self, samples: Array) -> Array:
        """Corrected samples of the same shape; path ranks are kept within each window and step."""
        ...

    def as_json(self) -> dict[str, Any]:
        """A record that `recalibrator_from_json` turns back."""
        ...


@dataclass(frozen=True, slots=True)
class ConformalRecalibrator:
    """See the module. `residuals` is (windows, steps), sorted over the windows; `floor` (steps,), the least spread."""

    residuals: Array
    floor: Array

    @classmethod
    def fit(
        cls, samples: Array, actual: Array, *, pool: int = 1, symmetric: bool = True
    ) -> ConformalRecalibrator:
        """Learn from validation forecasts.

        Args:
            samples: (windows, paths, steps) raw forecasts.
            actual: (windows, steps) what happened.
            pool: residuals of this many steps on either side are shared, which steadies short validation parts.
            symmetric: every residual counts with both signs, so that the direction in which the market of the
                validation part happened to go is not taken for a property of the model. Medians then stay.

        Raises:
            ValueError: fewer than 20 windows, or shapes that do not match.
        """
        _check(samples, actual)
        centre, raw = _centre_and_spread(samples)
        floor = np.maximum(LEAST_SPREAD * raw.mean(axis=0), 1e-12)  # (steps,)
        standard = (actual - centre) / np.maximum(raw, floor)  # (windows, steps)
        if symmetric:
            standard = np.concatenate([standard, -standard])  # (2 windows, steps)
        steps = actual.shape[1]
        shared = [standard[:, max(s - pool, 0) : s + pool + 1].ravel() for s in range(steps)]
        levels = np.arange(1, len(standard) + 1) / (len(standard) + 1)
        return cls(
            np.stack([np.quantile(values, levels, method="weibull") for values in shared], axis=1), floor
        )

    def apply(self, samples: Array) -> Array:
        """See `Recalibrator.apply`."""
        _check_steps(samples, self.residuals.shape[1])
        centre, raw = _centre_and_spread(samples)
        spread = np.maximum(raw, self.floor)  # (windows, steps)
        levels = _levels(samples)  # (windows, paths, steps)
        known = np.arange(1, len(self.residuals) + 1) / (len(self.residuals) + 1)
        standard = np.empty_like(samples)
        for step in range(samples.shape[2]):
            standard[:, :, step] = np.interp(levels[:, :, step], known, self.residuals[:, step])
        return np.asarray(centre[:, None] + standard * spread[:, None])

    def as_json(self) -> dict[str, Any]:
        """See `Recalibrator.as_json`."""
        return {"kind": "conformal", "residuals": self.residuals.tolist(), "floor": self.floor.tolist()}


@dataclass(frozen=True, slots=True)
class QuantileMappingRecalibrator:
    """See the module. `levels` is (windows, steps): sorted PIT values of the validation outcomes."""

    levels: Array

    @classmethod
    def fit(cls, samples: Array, actual: Array) -> QuantileMappingRecalibrator:
        """Learn from validation forecasts; see `ConformalRecalibrator.fit`."""
        _check(samples, actual)
        return cls(np.sort(pit(samples, actual), axis=0))

    def apply(self, samples: Array) -> Array:
        """See `Recalibrator.apply`."""
        _check_steps(samples, self.levels.shape[1])
        levels, ordered = _levels(samples), np.sort(samples, axis=1)
        known = np.arange(1, len(self.levels) + 1) / (len(self.levels) + 1)
        raw = np.arange(1, samples.shape[1] + 1) / (samples.shape[1] + 1)
        mapped = np.empty_like(samples)
        for step in range(samples.shape[2]):
            wanted = np.interp(levels[:, :, step], known, self.levels[:, step])
            for window in range(len(samples)):
                mapped[window, :, step] = np.interp(wanted[window], raw, ordered[window, :, step])
        return mapped

    def as_json(self) -> dict[str, Any]:
        """See `Recalibrator.as_json`."""
        return {"kind": "quantile_mapping", "levels": self.levels.tolist()}


def recalibrator_from_json(record: Mapping[str, Any]) -> Recalibrator:
    """The recalibrator that `as_json` described. Raises ValueError for an unknown kind."""
    if record.get("kind") == "conformal":
        residuals = np.asarray(record["residuals"], dtype=np.float64)
        floor = record.get("floor", [1e-12] * residuals.shape[1])  # records of before there was one
        return ConformalRecalibrator(residuals, np.asarray(floor, dtype=np.float64))
    if record.get("kind") == "quantile_mapping":
        return QuantileMappingRecalibrator(np.asarray(record["levels"], dtype=np.float64))
    raise ValueError(f"recalibrator of kind {record.get('kind')!r}; known are conformal and quantile_mapping")


def _centre_and_spread(samples: Array) -> tuple[Array, Array]:
    """(windows, steps) median and half the distance of the levels 16 % and 84 %, which single wild paths do not move."""
    low, high = np.quantile(samples, (0.16, 0.84), axis=1)
    return np.median(samples, axis=1), (high - low) / 2


def _levels(samples: Array) -> Array:
    """(windows, paths, steps): each path's place among its window's and step's paths, rank / (paths + 1)."""
    ranks = samples.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
    return np.asarray((ranks + 1) / (samples.shape[1] + 1))


def _check(samples: Array, actual: Array) -> None:
    if samples.ndim != 3 or actual.shape != (samples.shape[0], samples.shape[2]):
        raise ValueError(f"samples of shape {samples.shape} do not match outcomes of shape {actual.shape}")
    if len(samples) < FEWEST_WINDOWS:
        raise ValueError(
            f"{len(samples)} validation windows are too few to recalibrate; give {FEWEST_WINDOWS} or more"
        )


def _check_steps(samples: Array, steps: int) -> None:
    if samples.ndim != 3 or samples.shape[2] != steps:
        raise ValueError(f"samples of shape {samples.shape} come to a recalibration of {steps} steps")
