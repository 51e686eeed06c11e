"""Indicators that a plan's agent may ask for, each with fixed parameters: its name says them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray


class IndicatorUnit(StrEnum):
    """What an indicator's values count."""

    PRICE = "quote currency"
    RANGE = "0 to 100"
    VOLUME = "base currency, summed up from the first candle read: only its changes mean something"


class Indicator(StrEnum):
    """Name and parameters, in candles of the plan's own interval."""

    SMA_10 = "sma_10"
    SMA_20 = "sma_20"
    SMA_50 = "sma_50"
    SMA_100 = "sma_100"
    SMA_200 = "sma_200"
    EMA_9 = "ema_9"
    EMA_12 = "ema_12"
    EMA_20 = "ema_20"
    EMA_26 = "ema_26"
    EMA_50 = "ema_50"
    EMA_100 = "ema_100"
    EMA_200 = "ema_200"
    RSI_7 = "rsi_7"
    RSI_14 = "rsi_14"
    RSI_21 = "rsi_21"
    MACD = "macd_12_26_9"
    BOLLINGER = "bollinger_20_2"
    ATR = "atr_14"
    ADX = "adx_14"
    STOCHASTICS = "stochastics_14_3_3"
    MFI = "mfi_14"
    OBV = "obv"


@dataclass(frozen=True, slots=True)
class IndicatorLines:
    """An indicator of a candle series.

    Attributes:
        lines: by name, one value a candle, oldest first; nan where candles before it are too few or their volume is not known.
        needs: how many candles the first value takes.
    """

    indicator: Indicator
    unit: IndicatorUnit
    lines: Mapping[str, NDArray[np.float64]]
    needs: int
