"""Kronos: a model of candles, compatible with the published weights, usable without the rest of KOKEX."""

from __future__ import annotations

from kokex.kronos.config import (
    PUBLISHED_CONTEXT,
    PUBLISHED_MODELS,
    PUBLISHED_TOKENIZERS,
    KronosConfig,
    TokenizerConfig,
)
from kokex.kronos.errors import KronosError
from kokex.kronos.model import Kronos
from kokex.kronos.tokenizer import KronosTokenizer, Tokens

__all__ = [
    "PUBLISHED_CONTEXT",
    "PUBLISHED_MODELS",
    "PUBLISHED_TOKENIZERS",
    "Kronos",
    "KronosConfig",
    "KronosError",
    "KronosTokenizer",
    "TokenizerConfig",
    "Tokens",
]
