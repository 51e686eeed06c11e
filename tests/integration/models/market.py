"""A market of numbers, a plan that watches it, and a training that takes seconds."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from kokex.adapters.postgres import PostgresStore
from kokex.domain.candle import Candle, Interval
from kokex.domain.model import VersionWish
from kokex.domain.plan import Plan

HOUR = 3600
START = 1_700_000_400 - 1_700_000_400 % HOUR

SECONDS_LONG = (
    "context=16", "horizon=4", "shortest_context=10", "stride=4", "validation_windows=8", "checkpoint_every=2",
    "tokenizer_shape.d_model=16", "tokenizer_shape.n_heads=2", "tokenizer_shape.ff_dim=16",
    "tokenizer_shape.s1_bits=3", "tokenizer_shape.s2_bits=3", "tokenizer_shape.group_size=3",
    "predictor_shape.d_model=16", "predictor_shape.n_layers=1", "predictor_shape.ff_dim=16",
    "predictor_shape.s1_bits=3", "predictor_shape.s2_bits=3",
    "tokenizer.epochs=2", "tokenizer.batch_size=16", "tokenizer.windows_per_epoch=32",
    "predictor.epochs=2", "predictor.batch_size=16", "predictor.windows_per_epoch=32",
)  # fmt: skip
"""Settings on top of `tiny` that make a model of nothing in no time."""


def quick(*more: str, **options: object) -> VersionWish:
    """A wish for such a training."""
    return VersionWish(preset="tiny", changes=(*SECONDS_LONG, *more), accelerator="cpu", **options)  # type: ignore[arg-type]


def walk(count: int = 480) -> list[Candle]:
    """Candles of a random walk."""
    rng = np.random.default_rng(3)
    closes = 1000 * np.exp(np.cumsum(rng.normal(0, 0.01, count)))
    opens = np.concatenate([[1000.0], closes[:-1]])
    return [
        Candle(
            open_time=datetime.fromtimestamp(START + index * HOUR, UTC),
            open=float(opens[index]),
            high=float(max(opens[index], closes[index]) * 1.002),
            low=float(min(opens[index], closes[index]) * 0.998),
            close=float(closes[index]),
            volume=float(rng.uniform(5, 9)),
            amount=None,
        )
        for index in range(count)
    ]


async def keep_walk(store: PostgresStore, plan: Plan, count: int = 480) -> None:
    """Keep them as the candles of the plan's own market."""
    await store.candles.upsert(f"paper:{plan.account_id}", plan.inst_id, Interval("1H"), walk(count))
