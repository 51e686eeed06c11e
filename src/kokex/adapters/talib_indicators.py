"""Indicators by TA-Lib."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from kokex.domain.candle import CandleSeries
from kokex.domain.indicator import Indicator, IndicatorLines, IndicatorUnit

_Line = NDArray[np.float64]
_NOT_FOR_US: Final = ("pandas", "polars")
_OPEN, _HIGH, _LOW, _CLOSE, _VOLUME = range(5)


@dataclass(frozen=True, slots=True)
class _Recipe:
    """How TA-Lib makes an indicator.

    Attributes:
        function: asked for with the columns `takes` and the parameters.
        lines: names of what it gives, in its order; None: by its own name.
    """

    function: str
    takes: tuple[int, ...]
    parameters: tuple[int | float, ...]
    unit: IndicatorUnit
    lines: tuple[str, ...] | None = None


_BARS: Final = (_HIGH, _LOW, _CLOSE)


def _averages(function: str) -> dict[Indicator, _Recipe]:
    found = [one for one in Indicator if one.value.startswith(f"{function.lower()}_")]
    return {
        one: _Recipe(function, (_CLOSE,), (int(one.value.rpartition("_")[2]),), IndicatorUnit.PRICE)
        for one in found
    }


def _strengths() -> dict[Indicator, _Recipe]:
    return {
        one: _Recipe("RSI", (_CLOSE,), (periods,), IndicatorUnit.RANGE)
        for one, periods in ((Indicator.RSI_7, 7), (Indicator.RSI_14, 14), (Indicator.RSI_21, 21))
    }


_RECIPES: Final[Mapping[Indicator, tuple[_Recipe, ...]]] = {
    **{one: (recipe,) for one, recipe in (_averages("SMA") | _averages("EMA") | _strengths()).items()},
    Indicator.MACD: (
        _Recipe("MACD", (_CLOSE,), (12, 26, 9), IndicatorUnit.PRICE, ("macd", "signal", "histogram")),
    ),
    Indicator.BOLLINGER: (
        _Recipe("BBANDS", (_CLOSE,), (20, 2.0, 2.0), IndicatorUnit.PRICE, ("upper", "middle", "lower")),
    ),
    Indicator.ATR: (_Recipe("ATR", _BARS, (14,), IndicatorUnit.PRICE),),
    Indicator.ADX: (
        _Recipe("ADX", _BARS, (14,), IndicatorUnit.RANGE, ("adx",)),
        _Recipe("PLUS_DI", _BARS, (14,), IndicatorUnit.RANGE, ("plus_di",)),
        _Recipe("MINUS_DI", _BARS, (14,), IndicatorUnit.RANGE, ("minus_di",)),
    ),
    # TA-Lib: %K over 14, smoothed over 3 (simple), %D over 3 (simple).
    Indicator.STOCHASTICS: (
        _Recipe("STOCH", _BARS, (14, 3, 0, 3, 0), IndicatorUnit.RANGE, ("slow_k", "slow_d")),
    ),
    Indicator.MFI: (_Recipe("MFI", (*_BARS, _VOLUME), (14,), IndicatorUnit.RANGE),),
    Indicator.OBV: (_Recipe("OBV", (_CLOSE, _VOLUME), (), IndicatorUnit.VOLUME),),
}


class TalibIndicators:
    """`Indicators` by TA-Lib, which is loaded with the first question: 5 MB, 0.05 s."""

    def of(self, series: CandleSeries, indicator: Indicator) -> IndicatorLines:
        """See `Indicators`."""
        recipes = _RECIPES[indicator]
        lines: dict[str, _Line] = {}
        for recipe in recipes:
            names = recipe.lines or (indicator.value,)
            lines |= zip(names, _made(recipe, series.values), strict=True)
        return IndicatorLines(indicator, recipes[0].unit, lines, max(map(_needs, recipes)))


def _made(recipe: _Recipe, values: NDArray[np.float64]) -> list[_Line]:
    """What TA-Lib makes of the candles after the last one that lacks something; nan before."""
    columns = [np.ascontiguousarray(values[:, index], dtype=np.float64) for index in recipe.takes]
    lacking = np.flatnonzero(np.isnan(np.stack(columns)).any(axis=0))
    first = int(lacking[-1]) + 1 if len(lacking) else 0
    made = _ask(recipe, [column[first:] for column in columns])
    before = np.full(first, np.nan)
    return [np.concatenate([before, line]) for line in made]


def _ask(recipe: _Recipe, columns: list[_Line]) -> list[_Line]:
    number = len(recipe.lines) if recipe.lines else 1
    if len(columns[0]) < _needs(recipe):
        return [np.full(len(columns[0]), np.nan) for _ in range(number)]
    function: Callable[..., Any] = getattr(_library(), recipe.function)
    result = function(*columns, *recipe.parameters)
    return list(result) if isinstance(result, tuple) else [result]


@cache
def _needs(recipe: _Recipe) -> int:
    """Candles that the first value takes."""
    function = _library().abstract.Function(recipe.function)
    names = list(function.parameters)
    function.parameters = dict(zip(names, recipe.parameters, strict=False))
    return int(function.lookback) + 1


@cache
def _library() -> Any:
    """TA-Lib, kept from loading pandas and polars (70 MB, a second) where they are installed: it would only take their columns too."""
    kept_away = [name for name in _NOT_FOR_US if name not in sys.modules]
    sys.modules.update(dict.fromkeys(kept_away))  # type: ignore[arg-type]
    try:
        library = importlib.import_module("talib")
        importlib.import_module("talib.abstract")
    finally:
        for name in kept_away:
            del sys.modules[name]
    return library
