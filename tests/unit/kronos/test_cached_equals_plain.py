"""The fast decoder against the plain one, which recomputes the whole window for every step and path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kokex.kronos import (
    Candles,
    Kronos,
    KronosConfig,
    KronosForecaster,
    KronosTokenizer,
    Sampling,
    TokenizerConfig,
    Tokens,
)
from kokex.kronos.inference import attention
from kokex.kronos.inference.reference import decode_plainly, sample_plainly
from kokex.kronos.normalisation import Normalisation, time_features
from kokex.kronos.sampling import CounterDraws, Draws, GeneratorDraws

CPU = torch.device("cpu")


def plain_forecast(
    model: Kronos,
    tokenizer: KronosTokenizer,
    candles: Candles,
    horizon: int,
    paths: int,
    max_context: int,
    sampling: Sampling,
    draws: Draws,
) -> np.ndarray:
    """What the forecaster should return, (paths, horizon, 6), in price units."""
    normalisation = Normalisation.of(candles.values)
    encoded = tokenizer.encode(torch.from_numpy(normalisation.apply(candles.values))[None])
    context = Tokens(encoded.s1[0], encoded.s2[0])
    times = np.concatenate((candles.times, candles.times_ahead(horizon)))
    stamps = torch.from_numpy(time_features(times))
    future = sample_plainly(model, context, stamps, paths, max_context, sampling, draws)
    return normalisation.invert(decode_plainly(tokenizer, context, future, max_context).numpy())


@st.composite
def shapes(draw: st.DrawFn) -> tuple[KronosConfig, TokenizerConfig]:
    s1_bits, s2_bits = draw(st.integers(2, 5)), draw(st.integers(2, 5))
    model = KronosConfig(
        s1_bits=s1_bits,
        s2_bits=s2_bits,
        n_layers=draw(st.integers(1, 3)),
        d_model=16 * draw(st.integers(1, 3)),
        n_heads=draw(st.sampled_from((1, 2, 4))),
        ff_dim=draw(st.integers(8, 40)),
        learn_te=draw(st.booleans()),
        ffn_dropout_p=0.5,
    )
    tokenizer = TokenizerConfig(
        d_model=8 * draw(st.integers(1, 3)),
        n_heads=draw(st.sampled_from((1, 2))),
        ff_dim=draw(st.integers(8, 40)),
        n_enc_layers=draw(st.integers(2, 3)),
        n_dec_layers=draw(st.integers(2, 3)),
        s1_bits=s1_bits,
        s2_bits=s2_bits,
        group_size=1,
    )
    return model, tokenizer


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(
    shape=shapes(),
    count=st.integers(2, 40),
    horizon=st.integers(1, 9),
    max_context=st.integers(10, 40),
    paths=st.integers(1, 4),
    top_p=st.sampled_from((0.7, 1.0)),
    top_k=st.sampled_from((0, 0, 3)),
    seed=st.integers(0, 2**64 - 1),
)
def test_any_shape_and_length_gives_the_same_paths(  # noqa: PLR0917
    candle_walk: Callable[..., Candles],
    sharpen: Callable[..., Any],
    assert_same_paths: Callable[..., None],
    shape: tuple[KronosConfig, TokenizerConfig],
    count: int,
    horizon: int,
    max_context: int,
    paths: int,
    top_p: float,
    top_k: int,
    seed: int,
) -> None:
    """Lengths on both sides of max_context, so that the window slides in some."""
    model, tokenizer = sharpen(Kronos(shape[0]), seed % 1000), sharpen(KronosTokenizer(shape[1]), seed % 999)
    candles = candle_walk(count, seed % 2**32)
    sampling = Sampling(temperature=1.3, top_k=top_k, top_p=top_p)
    draws = CounterDraws([seed], range(paths), horizon, CPU)
    expected = plain_forecast(model, tokenizer, candles, horizon, paths, max_context, sampling, draws)
    forecaster = KronosForecaster(model, tokenizer, max_context)
    actual = forecaster.forecast_many([candles], horizon, paths=paths, sampling=sampling, seeds=seed)[0]
    assert_same_paths(actual.paths, expected, candles)


@pytest.mark.parametrize("count", [40, 60, 64, 90])
def test_a_torch_seed_draws_the_tokens_that_the_plain_loop_draws(
    tiny_model: Kronos,
    tiny_tokenizer: KronosTokenizer,
    candle_walk: Callable[..., Candles],
    count: int,
    assert_same_paths: Callable[..., None],
) -> None:
    candles, sampling = candle_walk(count, 5), Sampling(top_p=0.9)
    expected = plain_forecast(
        tiny_model, tiny_tokenizer, candles, 12, 5, 64, sampling, GeneratorDraws(7, CPU)
    )
    forecaster = KronosForecaster(tiny_model, tiny_tokenizer, 64, draws="torch")
    actual = forecaster.forecast(candles, 12, paths=5, top_p=0.9, seed=7)
    assert_same_paths(actual.paths, expected, candles)


def test_attention_in_turns_equals_attention_at_once(
    forecaster: KronosForecaster, candle_walk: Callable[..., Candles], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few scores at a time make the paths go in turns; the result is the same, sliding or not."""
    together = [forecaster.forecast(candle_walk(count), 8, paths=6, seed=3) for count in (30, 64)]
    monkeypatch.setattr(attention, "LARGEST_SCORES", 100)
    for count, expected in zip((30, 64), together, strict=True):
        in_turns = forecaster.forecast(candle_walk(count), 8, paths=6, seed=3)
        np.testing.assert_allclose(in_turns.paths, expected.paths, rtol=1e-5)


def test_dropout_never_reaches_a_forecast(
    tiny_tokenizer: KronosTokenizer, candle_walk: Callable[..., Candles]
) -> None:
    """A model left in training mode forecasts as one in eval mode, and stays in training mode."""
    torch.manual_seed(0)
    model = Kronos(KronosConfig(4, 5, 2, 32, 2, 48, 0.5, 0.5, 0.5, 0.5)).train()
    training = KronosForecaster(model, tiny_tokenizer, 64).forecast(candle_walk(30), 5, paths=2, seed=1)
    assert model.training
    evaluating = KronosForecaster(model.eval(), tiny_tokenizer, 64).forecast(
        candle_walk(30), 5, paths=2, seed=1
    )
    np.testing.assert_array_equal(training.paths, evaluating.paths)


def test_the_fast_window_is_exact_until_it_is_full_and_never_looks_back_further(
    tiny_model: Kronos, tiny_tokenizer: KronosTokenizer, candle_walk: Callable[..., Candles]
) -> None:
    exact = KronosForecaster(tiny_model, tiny_tokenizer, 64)
    fast = KronosForecaster(tiny_model, tiny_tokenizer, 64, sliding="fast")
    candles = candle_walk(56)
    one, other = (f.forecast(candles, 20, paths=3, seed=2) for f in (exact, fast))
    np.testing.assert_allclose(
        one.paths[:, :9], other.paths[:, :9], rtol=1e-4
    )  # 56 + 8 known candles fill the window
    assert np.isfinite(other.paths).all()
