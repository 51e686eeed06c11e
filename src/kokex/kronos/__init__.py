"""Kronos: a model of candles, compatible with the published weights, usable without the rest of KOKEX."""

from __future__ import annotations

from kokex.kronos.candles import Candles
from kokex.kronos.config import (
    PUBLISHED_CONTEXT,
    PUBLISHED_MODELS,
    PUBLISHED_TOKENIZERS,
    KronosConfig,
    TokenizerConfig,
)
from kokex.kronos.errors import KronosError
from kokex.kronos.forecast import Forecast
from kokex.kronos.forecaster import KronosForecaster
from kokex.kronos.model import Kronos
from kokex.kronos.sampling import Sampling
from kokex.kronos.tokenizer import KronosTokenizer, Tokens

__all__ = [
    "PUBLISHED_CONTEXT",
    "PUBLISHED_MODELS",
    "PUBLISHED_TOKENIZERS",
    "Candles",
    "Forecast",
    "Kronos",
    "KronosConfig",
    "KronosError",
    "KronosForecaster",
    "KronosTokenizer",
    "Sampling",
    "TokenizerConfig",
    "Tokens",
]
